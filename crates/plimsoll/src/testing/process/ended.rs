//! What is left of a child process: how it ended, and all that it said.

use std::time::Duration;

use serde_json::Value;

/// How a child process ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit status, unless a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// From the last signal sent through [`Process::signal`](super::Process::signal) to the end;
    /// from the start if there was none.
    pub took: Duration,
    /// Everything that was written to standard output.
    pub stdout: String,
    /// Everything that was written to standard error.
    pub stderr: String,
}

impl Ended {
    /// The records, if standard output was a log.
    ///
    /// # Panics
    ///
    /// When a line is not a JSON object, or the last one was cut off.
    #[must_use]
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        assert!(
            self.stdout.is_empty() || self.stdout.ends_with('\n'),
            "the last line was cut off: {:?}",
            self.stdout.lines().last()
        );
        self.stdout.split_terminator('\n').map(record).collect()
    }

    /// The records with this message.
    ///
    /// # Panics
    ///
    /// When a line is not a JSON object, or the last one was cut off.
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
        Ok(_) => panic!("a line of standard output is JSON, but no object: {line:?}"),
        Err(error) => panic!("a line of standard output is not JSON ({error}): {line:?}"),
    }
}
