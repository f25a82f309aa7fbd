//! Compares lines with the terms of a filter that the index cannot decide.
//!
//! A line is searched for the text before it is read, which is faster than reading it.
//! An escape in a line can hide the text, so lines with a backslash are always read.

use memchr::memmem::Finder;

use super::{LineMember, LineTest, Needle, Term, Test};
use crate::{
    ingest::fields::Record,
    store::index::{Entry, Flags},
};

/// The terms that need the line.
#[derive(Debug)]
pub(crate) struct Matcher<'f> {
    tests: Vec<(&'f LineTest, bool)>,
    /// A term ignores case, so the lines are needed in lower case, too.
    pub(crate) ignores_case: bool,
    /// A term needs a member of the record.
    needs_record: bool,
}

/// A line, and the same bytes with ASCII letters in lower case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) bytes: &'a [u8],
    /// The same as `bytes` if no term ignores case.
    pub(crate) lower: &'a [u8],
}

impl<'f> Matcher<'f> {
    pub(super) fn new(terms: &'f [Term]) -> Option<Self> {
        let tests: Vec<(&LineTest, bool)> = terms
            .iter()
            .filter_map(|term| match &term.test {
                Test::Line(test) => Some((&**test, term.is_negated)),
                _ => None,
            })
            .collect();
        let ignores_case = tests.iter().any(|(test, _)| test.needle.ignores_case);
        let needs_record = tests
            .iter()
            .any(|(test, _)| test.member != LineMember::Text);
        (!tests.is_empty()).then_some(Self {
            tests,
            ignores_case,
            needs_record,
        })
    }

    /// Returns true if the line matches every term. Adds to `read` if the line had to be read as JSON.
    pub(crate) fn matches(&self, entry: &Entry, line: Line<'_>, read: &mut usize) -> bool {
        if entry.is_marker() {
            return true;
        }
        // The cheap test comes first for all terms.
        let may_match =
            |(test, is_negated): &(&LineTest, bool)| *is_negated || test.may_match(entry, line);
        if !self.tests.iter().all(may_match) {
            return false;
        }
        // Stored lines are UTF-8, so this is the line itself.
        let text = std::str::from_utf8(line.bytes).unwrap_or_default();
        let is_text = entry.flags.has(Flags::TEXT);
        *read += usize::from(!is_text);
        let record = if self.needs_record && !is_text {
            Record::parse(text)
        } else {
            None
        };
        self.tests.iter().all(|(test, is_negated)| {
            let is_match = match test.member {
                LineMember::Text if is_text => test.needle.is_in(text),
                LineMember::Text => Record::any_text(text, |text| test.needle.is_in(text)),
                member => record
                    .as_ref()
                    .and_then(|record| member.value(record))
                    .is_some_and(|value| test.needle.is_value(value)),
            };
            is_match != *is_negated
        })
    }
}

impl LineTest {
    fn may_match(&self, entry: &Entry, line: Line<'_>) -> bool {
        let can_have = match self.member {
            LineMember::Method | LineMember::Route | LineMember::Path => entry.is_access(),
            LineMember::Id => entry.id != 0,
            LineMember::Trace => entry.trace != 0,
            LineMember::Target => !entry.flags.has(Flags::TEXT),
            LineMember::Text => true,
        };
        let needle = &self.needle;
        let bytes = if needle.ignores_case {
            line.lower
        } else {
            line.bytes
        };
        can_have
            && (needle.is_found(bytes)
                || (needle.ignores_case && !needle.text.is_ascii() && !bytes.is_ascii())
                || (!entry.flags.has(Flags::TEXT) && memchr::memchr(b'\\', bytes).is_some()))
    }
}

impl LineMember {
    fn value<'a>(self, record: &'a Record<'_>) -> Option<&'a str> {
        let access = record.access.as_ref();
        match self {
            Self::Method => access?.method.as_deref(),
            Self::Route => access?.route.as_deref(),
            Self::Path => access?.path.as_deref(),
            Self::Id => record.id.as_deref(),
            Self::Trace => record.trace.as_deref(),
            Self::Target => record.target.as_deref(),
            Self::Text => None,
        }
    }
}

impl Needle {
    fn is_value(&self, value: &str) -> bool {
        if self.is_prefix {
            value.starts_with(&self.text)
        } else {
            value == self.text
        }
    }

    fn is_found(&self, bytes: &[u8]) -> bool {
        self.finder.find(bytes).is_some()
    }

    fn is_in(&self, text: &str) -> bool {
        if self.is_found(text.as_bytes()) {
            return true;
        }
        self.ignores_case
            && Finder::new(&self.text)
                .find(text.to_lowercase().as_bytes())
                .is_some()
    }
}
