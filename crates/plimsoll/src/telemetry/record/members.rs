//! Formats members without a record, for spans, and appends them to records later.

use super::{DEBUG_ON_ERROR, IDS, LEADING, Record, json_text};
use crate::config::LogFormat;

/// Whether `name` is that of a leading field, of the mark `debugOnError`, or, with the feature `otlp`,
/// of a trace id.
pub(in crate::telemetry) fn is_leading(name: &str) -> bool {
    LEADING.contains(&name)
        || name == DEBUG_ON_ERROR
        || cfg!(feature = "otlp") && IDS.contains(&name)
}

impl<'a> Record<'a> {
    /// Begins members without a record. [`Record::append`] adds them to a record of the same format.
    pub(in crate::telemetry) fn members(out: &'a mut Vec<u8>, format: LogFormat) -> Self {
        let start = out.len();
        Self { out, start, format }
    }

    /// Adds a text in at most `budget` bytes.
    ///
    /// The caller ensures that it fits into the line.
    pub(in crate::telemetry) fn str_within(&mut self, key: &str, value: &str, budget: usize) {
        self.escaped(key, |out| json_text(out, value, budget));
    }

    /// Appends stored members if all of them fit into the line.
    pub(in crate::telemetry) fn append(&mut self, members: &[u8]) {
        if members.len() <= self.room() {
            self.out.extend_from_slice(members);
        }
    }
}
