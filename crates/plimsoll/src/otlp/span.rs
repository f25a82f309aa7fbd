//! A span that has ended, until it is encoded.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::HeaderValue;

use crate::trace::{Link, SpanContext, SpanId};

/// The longest text of an attribute, in bytes; the same as in the log.
pub(super) const MAX_TEXT: usize = 1024;

/// What happened, when, and in which trace.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) context: SpanContext,
    pub(crate) parent: Option<SpanId>,
    /// Whether the parent is in another process.
    pub(crate) is_parent_remote: bool,
    pub(crate) state: Option<HeaderValue>,
    pub(crate) link: Option<Link>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: SpanKind,
    pub(crate) start: SystemTime,
    pub(crate) took: Duration,
    pub(crate) attributes: Vec<(&'static str, AttributeValue)>,
    pub(crate) has_failed: bool,
}

/// Which side of a call it is, as OTLP numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Internal = 1,
    Server = 2,
    #[cfg(feature = "client")]
    Client = 3,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AttributeValue {
    Text(Cow<'static, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl AttributeValue {
    /// A text, cut to what is kept of one.
    pub(crate) fn text(text: &str) -> Self {
        if text.len() <= MAX_TEXT {
            return Self::Text(text.to_owned().into());
        }
        let cut = &text[..text.floor_char_boundary(MAX_TEXT)];
        Self::Text(format!("{cut}…").into())
    }

    /// Bytes of a stranger's, which may be no text.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        // Cut first: what is longer is not looked at.
        let near = &bytes[..bytes.len().min(MAX_TEXT + 4)];
        Self::text(&String::from_utf8_lossy(near))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: AttributeValue, expected: &str) {
        assert_eq!(value, AttributeValue::Text(expected.to_owned().into()));
    }

    #[test]
    fn texts_are_cut_at_a_character() {
        check(AttributeValue::text("short"), "short");
        check(AttributeValue::bytes(b"a\xFFb"), "a\u{FFFD}b");
        let long = format!("{}é", "x".repeat(1023));
        check(
            AttributeValue::text(&long),
            &format!("{}…", "x".repeat(1023)),
        );
        check(
            AttributeValue::bytes(&[b'x'; 70_000]),
            &format!("{}…", "x".repeat(1024)),
        );
    }
}
