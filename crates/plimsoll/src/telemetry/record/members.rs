//! Members without their record: what a span keeps of its fields, until an event wants them.

use super::{IDS, LEADING, Record, json_text};
use crate::config::LogFormat;

/// Whether the chassis gives this name to one of the first fields of every record, or to an id of a
/// trace.
pub(in crate::telemetry) fn is_leading(name: &str) -> bool {
    LEADING.contains(&name) || cfg!(feature = "otlp") && IDS.contains(&name)
}

impl<'a> Record<'a> {
    /// Begins members that are kept, for [`Record::append`] to put into a record of that format.
    pub(in crate::telemetry) fn members(out: &'a mut Vec<u8>, format: LogFormat) -> Self {
        let start = out.len();
        Self { out, start, format }
    }

    /// Adds a text in at most `budget` bytes.
    ///
    /// The caller answers for the length of the line.
    pub(in crate::telemetry) fn str_within(&mut self, key: &str, value: &str, budget: usize) {
        self.escaped(key, |out| json_text(out, value, budget));
    }

    /// Adds members that were kept, all of them or, if the line has no room, none.
    pub(in crate::telemetry) fn append(&mut self, members: &[u8]) {
        if members.len() <= self.room() {
            self.out.extend_from_slice(members);
        }
    }
}
