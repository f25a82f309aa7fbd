//! The wire format of protobuf: the fields of one message, borrowed from the body.
//!
//! A message of generated code allocates all that a body describes, at up to a hundred times its size.
//! This reader allocates nothing, so that the caller can stop at a limit.
//! It reads a nested message only if the caller does, so nesting costs no stack here.

/// The body is no message in the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// A field is longer than the message that contains it.
    #[error("the message ends within a field")]
    Truncated,
    /// A number has more than 64 bits.
    #[error("a number of variable length has more than 64 bits")]
    Number,
    /// A tag has the number 0, a wire type that does not exist, or the deprecated one of groups.
    #[error("a field has an invalid tag")]
    Tag,
    /// A known field has another wire type than its definition.
    #[error("field {0} has another type than OTLP specifies")]
    Type(u32),
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// Returns a text, bytes or a message.
    pub(super) fn bytes(self, tag: u32) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed::Type(tag)),
        }
    }

    /// Returns a number of 64 bits with fixed length.
    pub(super) fn fixed64(self, tag: u32) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(value) => Ok(value),
            _ => Err(Malformed::Type(tag)),
        }
    }

    /// Returns a number of variable length.
    pub(super) fn varint(self, tag: u32) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(Malformed::Type(tag)),
        }
    }

    /// Returns a value of an enumeration. As in all readers, the lower 32 bits count.
    #[expect(clippy::cast_possible_truncation, reason = "protobuf specifies it")]
    pub(super) fn enumeration(self, tag: u32) -> Result<i32, Malformed> {
        self.varint(tag).map(|value| value as i32)
    }
}

/// Reads the fields of a message in their order.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Returns the next field and its number.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed::Tag)?;
        if number == 0 {
            return Err(Malformed::Tag);
        }
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed::Truncated)?;
                let (bytes, rest) = self
                    .0
                    .split_at_checked(length)
                    .ok_or(Malformed::Truncated)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed::Tag),
        };
        Ok(Some((number, field)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (index, &byte) in self.0.iter().enumerate().take(10) {
            // The tenth byte has the highest bit alone.
            if index == 9 && byte > 1 {
                return Err(Malformed::Number);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.0.len() < 10 {
            Malformed::Truncated
        } else {
            Malformed::Number
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(message: &[u8]) -> Result<Vec<(u32, Field<'_>)>, Malformed> {
        let mut fields = Fields::of(message);
        let mut all = Vec::new();
        while let Some(field) = fields.next()? {
            all.push(field);
        }
        Ok(all)
    }

    #[test]
    fn fields_of_all_types_are_read() {
        let message = b"\x08\x96\x01\x12\x02hi\x1d\x01\x00\x00\x00\x21\x02\0\0\0\0\0\0\0";
        let expected = [
            (1, Field::Varint(150)),
            (2, Field::Bytes(b"hi")),
            (3, Field::Fixed32(1)),
            (4, Field::Fixed64(2)),
        ];
        assert_eq!(all(message).unwrap(), expected);
        let negative = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(all(negative).unwrap(), [(1, Field::Varint(u64::MAX))]);
        assert_eq!(Field::Varint(u64::MAX).enumeration(1), Ok(-1));
    }

    #[test]
    fn malformed_messages_are_rejected() {
        for (message, expected) in [
            (&b"\x08"[..], Malformed::Truncated),
            (b"\x12\x03hi", Malformed::Truncated),
            (
                b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                Malformed::Truncated,
            ),
            (b"\x1d\x01", Malformed::Truncated),
            (
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
                Malformed::Number,
            ),
            (
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                Malformed::Number,
            ),
            (b"\x00\x00", Malformed::Tag),
            (b"\x0b\x0c", Malformed::Tag),
        ] {
            assert_eq!(all(message), Err(expected), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut fields = Fields::of(&message);
            let mut count = 0;
            while let Ok(Some(_)) = fields.next() {
                count += 1;
            }
            prop_assert!(count <= message.len() / 2);
        }
    }
}
