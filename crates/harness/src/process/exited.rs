//! The exit status and the whole output of a child process.

use std::time::Duration;

use serde_json::Value;

/// An exited child process.
#[derive(Debug, Clone)]
pub struct ExitedProcess {
    /// The exit code, or `None` if a signal killed the process.
    pub code: Option<i32>,
    /// The number of the signal that killed the process.
    pub signal: Option<i32>,
    /// Time from the last signal sent through [`Process::signal`](super::Process::signal) to the
    /// exit. If no signal was sent, the time since the start.
    pub took: Duration,
    /// Everything that was written to standard output.
    pub stdout: String,
    /// Everything that was written to standard error.
    pub stderr: String,
}

impl ExitedProcess {
    /// Returns the log records on standard output.
    ///
    /// # Panics
    ///
    /// If a line is not a JSON object, or the last line is incomplete.
    #[must_use]
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        assert!(
            self.stdout.is_empty() || self.stdout.ends_with('\n'),
            "the last line is incomplete: {:?}",
            self.stdout.lines().last()
        );
        self.stdout.split_terminator('\n').map(record).collect()
    }

    /// Returns the log records with this message.
    ///
    /// # Panics
    ///
    /// If a line is not a JSON object, or the last line is incomplete.
    #[must_use]
    #[track_caller]
    pub fn records_with(&self, message: &str) -> Vec<Value> {
        let mut records = self.records();
        records.retain(|record| record["message"] == message);
        records
    }
}

#[track_caller]
pub(super) fn utf8(line: &[u8]) -> &str {
    match std::str::from_utf8(line) {
        Ok(line) => line,
        Err(error) => panic!(
            "a line of standard output is not UTF-8 ({error}): {:?}",
            String::from_utf8_lossy(line)
        ),
    }
}

#[track_caller]
pub(super) fn record(line: &str) -> Value {
    match serde_json::from_str(line) {
        Ok(record @ Value::Object(_)) => record,
        Ok(_) => panic!("a line of standard output is JSON, but not an object: {line:?}"),
        Err(error) => panic!("a line of standard output is not JSON ({error}): {line:?}"),
    }
}
