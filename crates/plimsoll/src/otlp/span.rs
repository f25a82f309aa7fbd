//! Ended spans and their attributes, before they are encoded.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, Method, Version};

use crate::{
    metrics::method_label,
    telemetry::MAX_METHOD,
    trace::{Link, SpanContext, SpanId},
};

/// The maximum length of a text attribute in bytes, as in the log.
pub(super) const MAX_TEXT: usize = 1024;

/// The `http.request.method` of all unknown methods (contract MET-4).
const OTHER_METHOD: &str = "_OTHER";

/// A span that has ended.
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

/// The kind of a span, with the numbers of OTLP.
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
    /// A text of the program, which is not copied.
    pub(crate) const fn fixed(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A copy of `text`, truncated to [`MAX_TEXT`] bytes.
    pub(crate) fn text(text: &str) -> Self {
        if text.len() <= MAX_TEXT {
            return Self::Text(text.to_owned().into());
        }
        let cut = &text[..text.floor_char_boundary(MAX_TEXT)];
        Self::Text(format!("{cut}…").into())
    }

    /// Bytes of an untrusted peer, as text. Invalid UTF-8 is replaced.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        // Truncated first, so that a long value is not decoded as a whole.
        let prefix = &bytes[..bytes.len().min(MAX_TEXT + 4)];
        Self::text(&String::from_utf8_lossy(prefix))
    }
}

/// Returns the method as it occurs in the name of a span: `HTTP` for an unknown method.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match method_label(method) {
        OTHER_METHOD => "HTTP",
        label => label,
    }
}

/// Appends `http.request.method`, and for an unknown method `http.request.method_original`.
pub(crate) fn push_method(attributes: &mut Vec<(&'static str, AttributeValue)>, method: &Method) {
    let label = method_label(method);
    attributes.push(("http.request.method", AttributeValue::fixed(label)));
    if label == OTHER_METHOD {
        let original = method.as_str();
        // A method is ASCII.
        let original = original.get(..MAX_METHOD).unwrap_or(original);
        attributes.push((
            "http.request.method_original",
            AttributeValue::text(original),
        ));
    }
}

/// Returns the value of `network.protocol.version`.
pub(crate) const fn protocol_version(version: Version) -> AttributeValue {
    AttributeValue::fixed(match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: AttributeValue, expected: &str) {
        assert_eq!(value, AttributeValue::Text(expected.to_owned().into()));
    }

    #[test]
    fn texts_are_truncated_at_a_character() {
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
