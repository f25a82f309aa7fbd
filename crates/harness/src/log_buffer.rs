//! Log output in memory, for services that run in the test process.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// A shared buffer that a service writes its log to.
#[derive(Debug, Clone, Default)]
pub struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl LogBuffer {
    /// Returns the records of all complete lines so far.
    ///
    /// # Panics
    ///
    /// If a line is not JSON.
    #[must_use]
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        let text = self.text();
        let complete = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        complete
            .map(|line| serde_json::from_str(line).expect("every line is JSON"))
            .collect()
    }

    /// Returns the whole text so far.
    ///
    /// # Panics
    ///
    /// If the text is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> String {
        let bytes = self.lock().clone();
        String::from_utf8(bytes).expect("the log is UTF-8")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn records_are_those_of_complete_lines() {
        let mut log = LogBuffer::default();
        let reader = log.clone();
        log.write_all(b"{\"n\":1}\n{\"n\":").unwrap();
        assert_eq!(reader.records().len(), 1);
        log.write_all(b"2}\n").unwrap();
        assert_eq!(reader.records()[1]["n"], 2);
        assert_eq!(reader.text(), "{\"n\":1}\n{\"n\":2}\n");
    }
}
