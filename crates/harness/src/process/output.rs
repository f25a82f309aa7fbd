//! The output of a running child process.

use serde_json::Value;

use super::exited::{record, utf8};
use super::{Process, RECORD_LIMIT};

impl Process {
    /// Returns all lines of standard output so far.
    ///
    /// # Panics
    ///
    /// If a line is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        let lines = self.stdout.since(0);
        lines.iter().map(|line| utf8(line).to_owned()).collect()
    }

    /// Returns all log records so far.
    ///
    /// # Panics
    ///
    /// If a line of standard output is not a JSON object.
    #[must_use]
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        self.lines().iter().map(|line| record(line)).collect()
    }

    /// Returns all log records with this message so far.
    ///
    /// # Panics
    ///
    /// If a line of standard output is not a JSON object.
    #[must_use]
    #[track_caller]
    pub fn records_with(&self, message: &str) -> Vec<Value> {
        let mut records = self.records();
        records.retain(|record| record["message"] == message);
        records
    }

    /// Waits up to ten seconds for a log record; earlier records count.
    ///
    /// # Panics
    ///
    /// If no record matches in time, or a line of standard output is not a JSON object.
    #[track_caller]
    pub fn wait_for_record(&self, mut matches: impl FnMut(&Value) -> bool) -> Value {
        let found = self.stdout.wait_for(RECORD_LIMIT, |_, line| {
            Some(record(utf8(line))).filter(|record| matches(record))
        });
        match found {
            Some(record) => record,
            None => panic!("timed out waiting for a record; {}", self.describe()),
        }
    }

    /// Waits up to ten seconds for a line of standard output, JSON or not; earlier lines count.
    ///
    /// # Panics
    ///
    /// If no line matches in time.
    #[track_caller]
    pub fn wait_for_line(&self, mut matches: impl FnMut(&str) -> bool) -> String {
        let found = self.stdout.wait_for(RECORD_LIMIT, |_, line| {
            Some(utf8(line))
                .filter(|line| matches(line))
                .map(str::to_owned)
        });
        match found {
            Some(line) => line,
            None => panic!("timed out waiting for a line; {}", self.describe()),
        }
    }

    /// Returns the text on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Pauses reading of standard output, like a stopped log shipper.
    ///
    /// At most one more read of 64 KiB follows; then the pipe fills.
    pub fn pause_reading(&self) {
        self.stdout.set_paused(true);
    }

    /// Resumes reading of standard output.
    pub fn resume_reading(&self) {
        self.stdout.set_paused(false);
    }
}
