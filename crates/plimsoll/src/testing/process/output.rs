//! What the child has said.

use serde_json::Value;

use super::ended::{record, utf8};
use super::{Process, RECORD_LIMIT};

impl Process {
    /// All the lines of standard output so far.
    ///
    /// # Panics
    ///
    /// When one is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        let lines = self.stdout.since(0);
        lines.iter().map(|line| utf8(line).to_owned()).collect()
    }

    /// All the records so far.
    ///
    /// # Panics
    ///
    /// When a line of standard output is not a JSON object.
    #[must_use]
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        self.lines().iter().map(|line| record(line)).collect()
    }

    /// All the records with this message so far.
    ///
    /// # Panics
    ///
    /// When a line of standard output is not a JSON object.
    #[must_use]
    #[track_caller]
    pub fn records_with(&self, message: &str) -> Vec<Value> {
        let mut records = self.records();
        records.retain(|record| record["message"] == message);
        records
    }

    /// Waits up to ten seconds for a record, past or coming.
    ///
    /// # Panics
    ///
    /// When none comes, or when a line of standard output is not a JSON object.
    #[track_caller]
    pub fn wait_for_record(&self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let found = self.stdout.wait_for(RECORD_LIMIT, |_, line| {
            Some(record(utf8(line))).filter(|record| wanted(record))
        });
        match found {
            Some(record) => record,
            None => panic!("the record does not come; {}", self.describe()),
        }
    }

    /// Waits up to ten seconds for a line of standard output, past or coming, JSON or not.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[track_caller]
    pub fn wait_for_line(&self, mut wanted: impl FnMut(&str) -> bool) -> String {
        let found = self.stdout.wait_for(RECORD_LIMIT, |_, line| {
            Some(utf8(line))
                .filter(|line| wanted(line))
                .map(str::to_owned)
        });
        match found {
            Some(line) => line,
            None => panic!("the line does not come; {}", self.describe()),
        }
    }

    /// What was written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Stops reading standard output, as a log shipper does that stands still.
    ///
    /// At most one more read of 64 KiB is made; then the pipe fills.
    pub fn pause_reading(&self) {
        self.stdout.set_paused(true);
    }

    /// Goes on reading standard output.
    pub fn resume_reading(&self) {
        self.stdout.set_paused(false);
    }
}
