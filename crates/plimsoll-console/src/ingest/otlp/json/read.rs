//! Objects, lists and scalars of the JSON mapping, read into values that exist.
//!
//! Derived code would collect a list before its length is checked.

use std::{borrow::Cow, fmt, marker::PhantomData, str};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

use super::super::meter::Meter;

/// A message that reads the members of an object.
pub(super) trait Members<'a> {
    /// Reads the value of the member, which must be consumed.
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// A message that reads the elements of a list.
pub(super) trait Elements<'a> {
    /// Reads one element. Returns false at the end.
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error>;
}

/// Reads an object, or nothing from `null`.
pub(super) struct Object<'x, T>(pub(super) &'x mut T);

impl<'a, T: Members<'a>> DeserializeSeed<'a> for Object<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, T: Members<'a>> Visitor<'a> for Object<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            self.0.member(&name, &mut map)?;
        }
        Ok(())
    }
}

/// Reads a list, or nothing from `null`.
pub(super) struct List<'x, T>(pub(super) &'x mut T);

impl<'a, T: Elements<'a>> DeserializeSeed<'a> for List<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, T: Elements<'a>> Visitor<'a> for List<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.element(&mut list)? {}
        Ok(())
    }
}

/// The name of a member.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A text of any length, or `None` from `null`.
///
/// JavaScript escapes half of a character if a text was cut within it, which is no valid UTF-8.
struct Raw<'a>(Option<Cow<'a, [u8]>>);

impl<'a> Deserialize<'a> for Raw<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(RawVisitor)
    }
}

struct RawVisitor;

impl<'a> Visitor<'a> for RawVisitor {
    type Value = Raw<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E: Error>(self) -> Result<Raw<'a>, E> {
        Ok(Raw(None))
    }

    fn visit_unit<E: Error>(self) -> Result<Raw<'a>, E> {
        self.visit_none()
    }

    fn visit_some<D: Deserializer<'a>>(self, deserializer: D) -> Result<Raw<'a>, D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'a [u8]) -> Result<Raw<'a>, E> {
        Ok(Raw(Some(Cow::Borrowed(bytes))))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Raw<'a>, E> {
        Ok(Raw(Some(Cow::Owned(bytes.to_vec()))))
    }
}

/// Reads a text that is no attribute. `null` is an empty one.
pub(super) struct Text<'x>(pub(super) &'x mut Meter);

impl<'a> DeserializeSeed<'a> for Text<'_> {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.begin_value();
        Ok(Part(self.0).deserialize(deserializer)?.unwrap_or_default())
    }
}

/// Reads a text that is a part of a value, or `None` from `null`.
pub(super) struct Part<'x>(pub(super) &'x mut Meter);

impl<'a> DeserializeSeed<'a> for Part<'_> {
    type Value = Option<Cow<'a, str>>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let Raw(bytes) = Raw::deserialize(deserializer)?;
        Ok(bytes.map(|bytes| self.0.utf8(bytes)))
    }
}

/// Reads an id with `parse`. An empty text is an absent id.
pub(super) fn hex<'a, A: MapAccess<'a>, T>(
    map: &mut A,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Id<T>, A::Error> {
    let Raw(bytes) = map.next_value()?;
    Ok(match str::from_utf8(&bytes.unwrap_or_default()) {
        Ok("") => Id::Absent,
        Ok(text) => parse(text).map_or_else(
            || if text == ZERO { Id::Zero } else { Id::Invalid },
            Id::Valid,
        ),
        Err(_) => Id::Invalid,
    })
}

/// The id of a parent that some exporters send for a root.
const ZERO: &str = "0000000000000000";

/// An id as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Id<T> {
    #[default]
    Absent,
    Zero,
    Invalid,
    Valid(T),
}

impl<T> Id<T> {
    pub(super) fn valid(self) -> Option<T> {
        match self {
            Self::Valid(id) => Some(id),
            _ => None,
        }
    }
}

/// A number that can be read from a JSON number or from a text.
pub(super) trait Number: Sized + Default + str::FromStr {
    const EXPECTED: &'static str;
    fn from_u64(value: u64) -> Option<Self>;
    fn from_i64(value: i64) -> Option<Self>;
    fn from_f64(value: f64) -> Option<Self>;
}

impl Number for u64 {
    const EXPECTED: &'static str = "an unsigned integer of 64 bits, as a number or a string";

    fn from_u64(value: u64) -> Option<Self> {
        Some(value)
    }

    fn from_i64(value: i64) -> Option<Self> {
        value.try_into().ok()
    }

    /// Integers with an exponent are allowed.
    #[expect(clippy::cast_possible_truncation, reason = "it is in the range")]
    fn from_f64(value: f64) -> Option<Self> {
        let is_integer =
            value.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(&value);
        is_integer.then_some(value as Self)
    }
}

impl Number for i64 {
    const EXPECTED: &'static str = "an integer of 64 bits, as a number or a string";

    fn from_u64(value: u64) -> Option<Self> {
        value.try_into().ok()
    }

    fn from_i64(value: i64) -> Option<Self> {
        Some(value)
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is in the range")]
    fn from_f64(value: f64) -> Option<Self> {
        let limit = 9_223_372_036_854_775_808.0;
        let is_integer = value.fract() == 0.0 && (-limit..limit).contains(&value);
        is_integer.then_some(value as Self)
    }
}

impl Number for i32 {
    const EXPECTED: &'static str = "the number of an enumeration";

    fn from_u64(value: u64) -> Option<Self> {
        value.try_into().ok()
    }

    fn from_i64(value: i64) -> Option<Self> {
        value.try_into().ok()
    }

    fn from_f64(value: f64) -> Option<Self> {
        i64::from_f64(value).and_then(Self::from_i64)
    }
}

impl Number for f64 {
    const EXPECTED: &'static str = "a number, \"NaN\", \"Infinity\" or \"-Infinity\"";

    fn from_u64(value: u64) -> Option<Self> {
        Some(value as Self)
    }

    fn from_i64(value: i64) -> Option<Self> {
        Some(value as Self)
    }

    fn from_f64(value: f64) -> Option<Self> {
        Some(value)
    }
}

/// Reads a number, or 0 from `null`.
pub(super) fn number<'a, A: MapAccess<'a>, N: Number>(map: &mut A) -> Result<N, A::Error> {
    Ok(optional(map)?.unwrap_or_default())
}

/// Reads a number, or `None` from `null`.
pub(super) fn optional<'a, A: MapAccess<'a>, N: Number>(
    map: &mut A,
) -> Result<Option<N>, A::Error> {
    map.next_value_seed(NumberSeed(PhantomData))
}

struct NumberSeed<N>(PhantomData<N>);

impl<'a, N: Number> DeserializeSeed<'a> for NumberSeed<N> {
    type Value = Option<N>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Option<N>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn checked<N: Number, E: Error>(number: Option<N>) -> Result<Option<N>, E> {
    match number {
        // Without the value, which can be long.
        None => Err(E::custom(format_args!("a value is not {}", N::EXPECTED))),
        number => Ok(number),
    }
}

impl<N: Number> Visitor<'_> for NumberSeed<N> {
    type Value = Option<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(N::EXPECTED)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<N>, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<N>, E> {
        checked(N::from_u64(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<N>, E> {
        checked(N::from_i64(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<N>, E> {
        checked(N::from_f64(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<N>, E> {
        let exact = text.parse().ok();
        checked(exact.or_else(|| N::from_f64(text.parse().ok()?)))
    }
}
