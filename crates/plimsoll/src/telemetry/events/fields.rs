//! Converts the fields of `tracing` events and spans to members of a record.
//!
//! # Invariants
//!
//! * The names of the members are unique, also if a field has the name of a leading field, or if a
//!   callsite has a name twice.
//! * The text of a value is never formatted beyond the size of a record.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use tracing::field::{Field, FieldSet, Visit};

use super::super::record::{MAX_LINE, Record, is_leading};

/// The source of fields, which determines the fields that are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum FieldOwner {
    /// A `tracing` event. `message` is skipped, as it is a leading field.
    Event,
    /// An event from the `log` crate. `message` and the `log.…` fields of the bridge are skipped.
    Bridged,
    /// A span. No field is skipped.
    Span,
}

/// Writes the fields of one callsite into a record.
pub(in crate::telemetry) struct FieldVisitor<'a, 'b, 'c> {
    record: &'a mut Record<'b>,
    callsite: &'c FieldSet,
    owner: FieldOwner,
    /// The maximum length of a text, in bytes of the record.
    max_text: usize,
    /// One bit for each field of the callsite that was written.
    written: u64,
}

impl<'a, 'b, 'c> FieldVisitor<'a, 'b, 'c> {
    pub(in crate::telemetry) fn new(
        record: &'a mut Record<'b>,
        callsite: &'c FieldSet,
        owner: FieldOwner,
    ) -> Self {
        Self {
            record,
            callsite,
            owner,
            max_text: MAX_LINE,
            written: 0,
        }
    }

    pub(in crate::telemetry) fn with_max_text(self, max_text: usize) -> Self {
        Self { max_text, ..self }
    }

    /// The fields that have been written.
    pub(in crate::telemetry) fn written(self) -> WrittenFields<'c> {
        WrittenFields(self.callsite, self.written)
    }

    /// Writes one field, unless it is skipped.
    fn write(&mut self, field: &Field, write: impl FnOnce(&mut Self, &str)) {
        let name = plain_name(field);
        let is_skipped = match self.owner {
            FieldOwner::Event => name == "message",
            FieldOwner::Bridged => name == "message" || name.starts_with("log."),
            FieldOwner::Span => false,
        };
        if is_skipped || self.is_repeated(field) {
            return;
        }
        self.written |= bit(field);
        write(self, &key(name));
    }

    /// Whether the callsite has a later field of this name. The last one takes precedence.
    fn is_repeated(&self, field: &Field) -> bool {
        let mut later = self.callsite.iter().skip(field.index() + 1);
        later.any(|other| other.name() == field.name())
    }

    fn text(&mut self, key: &str, value: &str) {
        if self.max_text < MAX_LINE {
            self.record.str_within(key, value, self.max_text);
        } else {
            self.record.str(key, value);
        }
    }
}

/// The fields of an event that are in its record.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct WrittenFields<'a>(&'a FieldSet, u64);

impl WrittenFields<'_> {
    /// Whether one of them has this name.
    pub(in crate::telemetry) fn has(self, name: &str) -> bool {
        let mut fields = self.0.iter();
        fields.any(|field| plain_name(&field) == name && self.1 & bit(&field) != 0)
    }
}

/// The bit of a field. Fields from index 63 on share the last bit; callsites have fewer in practice.
fn bit(field: &Field) -> u64 {
    1 << field.index().min(63)
}

/// The name of a field without the `r#` of a raw identifier.
pub(crate) fn plain_name(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}

/// The name of a field as it is given to the record.
///
/// The record appends `_` to the name of a leading field (contract LOG-3). To stay distinct, a leading
/// name that already ends in `_` gets one more here.
fn key(name: &'static str) -> Cow<'static, str> {
    if name.ends_with('_') && is_leading(name.trim_end_matches('_')) {
        Cow::Owned(format!("{name}_"))
    } else {
        Cow::Borrowed(name)
    }
}

impl Visit for FieldVisitor<'_, '_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, |fields, key| fields.record.float(key, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, |fields, key| fields.record.number(key, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |fields, key| fields.record.number(key, value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.write(field, |fields, key| fields.record.number(key, value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.write(field, |fields, key| fields.record.number(key, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, |fields, key| fields.record.bool(key, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |fields, key| fields.text(key, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.write(field, |fields, key| {
            fields.text(key, &crate::error::chain(value));
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, |fields, key| {
            let text = FieldText::of(value, fields.max_text);
            fields.text(key, &text);
        });
    }
}

/// A writer that stops the formatting of a value shortly after a limit.
pub(crate) struct FieldText {
    text: String,
    limit: usize,
}

impl FieldText {
    /// Formats `value`. A longer text is truncated a little beyond `limit` bytes, so that the caller
    /// notices that it is too long.
    pub(crate) fn of(value: &dyn fmt::Debug, limit: usize) -> String {
        let mut text = Self {
            text: String::new(),
            limit,
        };
        // An error means that the limit is reached, or that the `Debug` implementation failed.
        let _ = write!(text, "{value:?}");
        text.text
    }
}

impl fmt::Write for FieldText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.text.len() > self.limit {
            return Err(fmt::Error);
        }
        let rest = self.limit + 1 - self.text.len();
        self.text.push_str(&more[..more.ceil_char_boundary(rest)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_stops_at_the_limit() {
        #[track_caller]
        fn check(value: &dyn fmt::Debug, limit: usize, expected: &str) {
            assert_eq!(FieldText::of(value, limit), expected);
        }
        check(&format_args!("abc"), 3, "abc");
        check(&format_args!("abcdef"), 3, "abcd");
        check(&format_args!("ab{}", "ééé"), 3, "abé");
        check(&vec![7; 1 << 20], 8, "[7, 7, 7,");
    }

    #[test]
    fn distinct_names_stay_distinct() {
        assert_eq!(key("answer"), "answer");
        assert_eq!(key("answer_"), "answer_");
        // The record appends to this one.
        assert_eq!(key("name"), "name");
        assert_eq!(key("name_"), "name__");
        assert_eq!(key("name__"), "name___");
    }
}
