//! The content of OTLP messages, with the fields that the console shows.
//!
//! Both encodings are decoded to these types.
//! Texts borrow from the body, so that a span needs few allocations.
//! The limits of [`super::meter`] are applied during decoding, so these values are bounded.

use std::borrow::Cow;

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeSeq as _},
};

use crate::store::span::{SpanId, TraceId};

/// The largest integer that JavaScript represents exactly, 2^53 - 1.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// Attributes in the order of the message.
pub(crate) type Attributes<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// A value of an attribute, or the body of a log record.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Value<'a> {
    /// No member of the union is set.
    #[default]
    Null,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Base64, as in OTLP/JSON.
    Bytes(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Attributes<'a>),
}

impl Value<'_> {
    /// Returns the text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Returns the first value with this key.
pub(crate) fn find<'b, 'a>(attributes: &'b Attributes<'a>, key: &str) -> Option<&'b Value<'a>> {
    let found = attributes.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value)
}

/// The process that sent the data.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Resource<'a> {
    pub(crate) attributes: Attributes<'a>,
}

/// The library that recorded the data.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) version: Cow<'a, str>,
}

/// A span. Times are nanoseconds since the Unix epoch; 0 is an absent time.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Span<'a> {
    pub(crate) trace: Option<TraceId>,
    pub(crate) id: Option<SpanId>,
    pub(crate) parent: Option<SpanId>,
    /// The first id with a wrong length or with other characters.
    pub(crate) fault: Option<InvalidId>,
    pub(crate) name: Cow<'a, str>,
    pub(crate) kind: i32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: Attributes<'a>,
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) links: Vec<Link<'a>>,
    pub(crate) status: Status<'a>,
}

/// The status of a span.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Status<'a> {
    pub(crate) code: i32,
    pub(crate) message: Cow<'a, str>,
}

/// An event of a span.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Event<'a> {
    pub(crate) time: u64,
    pub(crate) name: Cow<'a, str>,
    pub(crate) attributes: Attributes<'a>,
}

/// A link from a span to another one.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Link<'a> {
    pub(crate) trace: Option<TraceId>,
    pub(crate) id: Option<SpanId>,
    pub(crate) attributes: Attributes<'a>,
}

/// A log record. Times are nanoseconds since the Unix epoch; 0 is an absent time.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct LogRecord<'a> {
    pub(crate) time: u64,
    pub(crate) observed: u64,
    pub(crate) severity: i32,
    pub(crate) severity_text: Cow<'a, str>,
    pub(crate) body: Value<'a>,
    pub(crate) attributes: Attributes<'a>,
    /// `None` if it is absent or invalid: the record is kept.
    pub(crate) trace: Option<TraceId>,
    pub(crate) span: Option<SpanId>,
    pub(crate) event: Cow<'a, str>,
}

/// The reason to reject a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidId {
    /// Not 16 bytes, or all of them are 0.
    #[error("the trace id has not 16 bytes, or is zero")]
    Trace,
    /// Not 8 bytes, or all of them are 0.
    #[error("the span id has not 8 bytes, or is zero")]
    Span,
    /// Neither empty nor 8 bytes.
    #[error("the id of the parent span has not 8 bytes")]
    Parent,
}

impl Serialize for Value<'_> {
    /// Writes plain JSON. Numbers that JavaScript cannot represent are texts.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Text(text) | Self::Bytes(text) => serializer.serialize_str(text),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) if value.unsigned_abs() > MAX_SAFE => serializer.collect_str(value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Float(value) => serializer.serialize_str(non_finite(*value)),
            Self::Array(values) => {
                let mut array = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    array.serialize_element(value)?;
                }
                array.end()
            }
            Self::Object(attributes) => Members(attributes).serialize(serializer),
        }
    }
}

/// Attributes as a JSON object.
#[derive(Debug)]
pub(crate) struct Members<'b, 'a>(pub(crate) &'b Attributes<'a>);

impl Serialize for Members<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            object.serialize_entry(key, value)?;
        }
        object.end()
    }
}

/// The name that the JSON mapping of protobuf specifies.
fn non_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_becomes_plain_json() {
        let text = |text: &'static str| Value::Text(text.into());
        let object = vec![
            ("a".into(), Value::Null),
            ("b".into(), Value::Int(-7)),
            ("c".into(), Value::Int(i64::MIN)),
            ("d".into(), Value::Float(0.5)),
            ("e".into(), Value::Float(f64::NAN)),
            ("f".into(), Value::Float(f64::NEG_INFINITY)),
            (
                "g".into(),
                Value::Array(vec![Value::Bool(true), text("\"")]),
            ),
        ];
        assert_eq!(
            serde_json::to_string(&Value::Object(object)).unwrap(),
            r#"{"a":null,"b":-7,"c":"-9223372036854775808","d":0.5,"e":"NaN","f":"-Infinity","g":[true,"\""]}"#
        );
    }
}
