//! Values of members, converted to what the member means.
//!
//! Conversions return `None` for a value that has no such meaning; nothing is guessed.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{level::Level, name::Name, time};

/// A value without its structure: lists and objects are [`Scalar::Other`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Other,
}

impl<'a> Scalar<'a> {
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            Self::Float(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
            Self::Other => None,
        }
    }

    /// Returns a request id. The chassis writes `-` outside a request.
    pub(super) fn id(self) -> Option<Cow<'a, str>> {
        self.text().filter(|id| !matches!(&**id, "" | "-"))
    }

    /// Returns a trace id. OpenTelemetry writes zeros outside a trace.
    pub(super) fn trace(self) -> Option<Cow<'a, str>> {
        self.id().filter(|id| id.bytes().any(|byte| byte != b'0'))
    }

    pub(super) fn time(&self) -> Option<i64> {
        match self {
            Self::Text(text) => time::of_text(text),
            Self::Integer(number) => time::of_integer(*number),
            Self::Float(number) => time::of_float(*number),
            Self::Bool(_) | Self::Other => None,
        }
    }

    pub(super) fn level(&self) -> Option<Level> {
        match self {
            Self::Text(text) => Level::of_name(text),
            Self::Integer(number) => Level::of_number(*number),
            _ => None,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        let status = match self {
            Self::Integer(status) => u16::try_from(*status).ok()?,
            Self::Text(status) => status.parse().ok()?,
            _ => return None,
        };
        (100..=999).contains(&status).then_some(status)
    }

    pub(super) fn milliseconds(&self) -> Option<f64> {
        let milliseconds = match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a duration of 2^53 ms is beyond any request"
            )]
            Self::Integer(number) => *number as f64,
            Self::Float(number) => *number,
            _ => return None,
        };
        (milliseconds.is_finite() && milliseconds >= 0.0).then_some(milliseconds)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadScalar)
    }
}

struct ReadScalar;

impl<'de> Visitor<'de> for ReadScalar {
    type Value = Scalar<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(number))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// A name, borrowed if it has no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ReadText;
        impl<'de> Visitor<'de> for ReadText {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(ReadText)
    }
}

/// Calls `take` with the members in a nested object of the Elastic Common Schema.
pub(super) fn each_nested<'a>(
    name: Name,
    value: &'a RawValue,
    mut take: impl FnMut(Name, Scalar<'a>),
) {
    let prefix = match name {
        Name::Log => "log",
        Name::Trace => "trace",
        Name::Http => "http",
        _ => return,
    };
    if value.get().starts_with('{') {
        nested(prefix, value, &mut take);
    }
}

/// `http` has one more level of objects, so names are joined until they are known.
fn nested<'a>(prefix: &str, value: &'a RawValue, take: &mut dyn FnMut(Name, Scalar<'a>)) {
    super::each_member(value.get(), |name, value| {
        let path = format!("{prefix}.{name}");
        if path == "http.request" && value.get().starts_with('{') {
            nested(&path, value, take);
        } else if let Some(known) = Name::of(&path)
            && let Ok(scalar) = serde_json::from_str(value.get())
        {
            take(known, scalar);
        }
        true
    });
}
