//! Fields of `tracing` as members of a record: those of events, and those that spans keep.
//!
//! # Invariants
//!
//! * No two fields get the same name in a record: not when one is called like a leading field, and
//!   not when one callsite has a name twice.
//! * However much a value has to say, not more of it is made than a record can hold.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use tracing::field::{Field, FieldSet, Visit};

use super::super::record::{MAX_LINE, Record, is_leading};

/// Which fields are left out, because they stand elsewhere in the record or nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum FieldOwner {
    /// `message` is the record's own.
    Event,
    /// The same, and `log.…` are what the bridge from `log` says of a record's place.
    Bridged,
    Span,
}

/// Writes the fields of one callsite into a record.
pub(in crate::telemetry) struct FieldVisitor<'a, 'b, 'c> {
    record: &'a mut Record<'b>,
    callsite: &'c FieldSet,
    of: FieldOwner,
    /// How long a text may be, in bytes of the record.
    longest_text: usize,
    /// A bit for each field of the callsite that was written.
    written: u64,
}

impl<'a, 'b, 'c> FieldVisitor<'a, 'b, 'c> {
    pub(in crate::telemetry) fn new(
        record: &'a mut Record<'b>,
        callsite: &'c FieldSet,
        of: FieldOwner,
    ) -> Self {
        Self {
            record,
            callsite,
            of,
            longest_text: MAX_LINE,
            written: 0,
        }
    }

    pub(in crate::telemetry) fn with_longest_text(self, longest_text: usize) -> Self {
        Self {
            longest_text,
            ..self
        }
    }

    /// Which fields have been written.
    pub(in crate::telemetry) fn written(self) -> WrittenFields<'c> {
        WrittenFields(self.callsite, self.written)
    }

    /// Writes one field, unless it stands elsewhere.
    fn write(&mut self, field: &Field, write: impl FnOnce(&mut Self, &str)) {
        let name = plain_name(field);
        let elsewhere = match self.of {
            FieldOwner::Event => name == "message",
            FieldOwner::Bridged => name == "message" || name.starts_with("log."),
            FieldOwner::Span => false,
        };
        if elsewhere || self.comes_again(field) {
            return;
        }
        self.written |= bit(field);
        write(self, &key(name));
    }

    /// Whether the callsite has a later field of this name: the last one counts.
    fn comes_again(&self, field: &Field) -> bool {
        let mut later = self.callsite.iter().skip(field.index() + 1);
        later.any(|other| other.name() == field.name())
    }

    fn text(&mut self, key: &str, value: &str) {
        if self.longest_text < MAX_LINE {
            self.record.str_within(key, value, self.longest_text);
        } else {
            self.record.str(key, value);
        }
    }
}

/// Which of an event's fields its record has.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct WrittenFields<'a>(&'a FieldSet, u64);

impl WrittenFields<'_> {
    /// Whether one of them is called `name`.
    pub(in crate::telemetry) fn has(self, name: &str) -> bool {
        let mut fields = self.0.iter();
        fields.any(|field| plain_name(&field) == name && self.1 & bit(&field) != 0)
    }
}

/// The bit of a field; those beyond the number that a callsite has in practice share the last one.
fn bit(field: &Field) -> u64 {
    1 << field.index().min(63)
}

/// The name without the mark by which Rust allows its own words as names.
pub(crate) fn plain_name(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}

/// What a field is called in a record, but for the `_` that the record appends to the name of a
/// leading field (contract LOG-3): a name that looks like that already gets one more.
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
            let text = FieldText::of(value, fields.longest_text);
            fields.text(key, &text);
        });
    }
}

/// The beginning of a value's text: a little more than what is shown, so that the cut is noticed.
pub(crate) struct FieldText {
    text: String,
    longest: usize,
}

impl FieldText {
    pub(crate) fn of(value: &dyn fmt::Debug, longest: usize) -> String {
        let mut text = Self {
            text: String::new(),
            longest,
        };
        // Fails when there is enough, or if the value's own Debug does.
        let _ = write!(text, "{value:?}");
        text.text
    }
}

impl fmt::Write for FieldText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.text.len() > self.longest {
            return Err(fmt::Error);
        }
        let left = self.longest + 1 - self.text.len();
        self.text.push_str(&more[..more.ceil_char_boundary(left)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_of_a_text_is_made_than_is_shown() {
        #[track_caller]
        fn check(value: &dyn fmt::Debug, longest: usize, expected: &str) {
            assert_eq!(FieldText::of(value, longest), expected);
        }
        check(&format_args!("abc"), 3, "abc");
        check(&format_args!("abcdef"), 3, "abcd");
        check(&format_args!("ab{}", "ééé"), 3, "abé");
        check(&vec![7; 1 << 20], 8, "[7, 7, 7,");
    }

    #[test]
    fn names_that_differ_stay_different() {
        assert_eq!(key("answer"), "answer");
        assert_eq!(key("answer_"), "answer_");
        // The record appends to this one.
        assert_eq!(key("name"), "name");
        assert_eq!(key("name_"), "name__");
        assert_eq!(key("name__"), "name___");
    }
}
