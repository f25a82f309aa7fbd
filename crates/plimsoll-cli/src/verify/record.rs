//! A line of the log as a JSON object, with its fields in order.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::names::Names;
use crate::target::Line;

/// A record of the log.
///
/// The order of the fields is kept, and a repeated name is kept, too: both are promises.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    line: String,
    fields: Vec<(String, Value)>,
}

impl Record {
    /// Reads a line. Returns `None` if it is no JSON object in UTF-8.
    pub(super) fn read(line: &Line) -> Option<Self> {
        Self::parse(&line.bytes)
    }

    /// Reads an object. Returns `None` if the bytes are no JSON object in UTF-8.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let Fields(fields) = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            line: String::from_utf8_lossy(bytes).into_owned(),
            fields,
        })
    }

    /// Returns the record with the field names of the contract.
    pub(super) fn renamed(self, names: &Names) -> Self {
        let fields = self.fields.into_iter().filter_map(|(name, value)| {
            let name = names.of_contract(&name)?;
            Some((name.to_owned(), value))
        });
        Self {
            fields: fields.collect(),
            ..self
        }
    }

    /// Returns the line.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// Returns the names of the fields, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let mut fields = self.fields.iter();
        fields
            .find(|(other, _)| other == name)
            .map(|(_, value)| value)
    }

    /// Returns the value of a field that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Whether a name occurs more than once.
    pub(super) fn has_repeated_name(&self) -> bool {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }
}

struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Stream;

    fn read(bytes: &[u8]) -> Option<Record> {
        Record::read(&Line {
            stream: Stream::Out,
            bytes: bytes.to_vec(),
        })
    }

    #[test]
    fn fields_keep_order_and_repetition() {
        let record = read(br#"{"b":1,"a":"x","b":2}"#).unwrap();
        assert_eq!(record.names().collect::<Vec<_>>(), ["b", "a", "b"]);
        assert!(record.has_repeated_name());
        assert_eq!(record.text("a"), Some("x"));
        assert_eq!(record.text("b"), None);
    }

    #[test]
    fn only_one_object_in_utf_8_is_a_record() {
        assert_eq!(read(b"[1]"), None);
        assert_eq!(read(b"{\"a\":\"\xff\"}"), None);
        assert_eq!(read(b"{} {}"), None);
        assert_eq!(read(b""), None);
    }
}
