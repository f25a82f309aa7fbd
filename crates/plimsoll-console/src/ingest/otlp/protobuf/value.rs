//! Attributes and values in protobuf.

use super::{
    super::{
        message::{Attributes, Value},
        meter::{MAX_VALUE, Meter},
    },
    wire::{Fields, Malformed},
};

/// The alphabet of RFC 4648, section 4.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Adds a `KeyValue` to the attributes of an item.
pub(super) fn attribute<'a>(
    attributes: &mut Attributes<'a>,
    message: &'a [u8],
    meter: &mut Meter,
) -> Result<(), Malformed> {
    if meter.admits_attribute(attributes.len()) {
        meter.begin_value();
        pair(attributes, message, meter, 0)?;
    }
    Ok(())
}

/// Reads a value that is no attribute: the body of a log record.
pub(super) fn body<'a>(message: &'a [u8], meter: &mut Meter) -> Result<Value<'a>, Malformed> {
    meter.begin_value();
    value(message, meter, 0)
}

fn pair<'a>(
    pairs: &mut Attributes<'a>,
    message: &'a [u8],
    meter: &mut Meter,
    depth: usize,
) -> Result<(), Malformed> {
    let (mut key, mut content) = (&[][..], &[][..]);
    let mut fields = Fields::of(message);
    while let Some((tag, field)) = fields.next()? {
        match tag {
            1 => key = field.bytes(tag)?,
            2 => content = field.bytes(tag)?,
            _ => {}
        }
    }
    let key = meter.utf8(key.into());
    let value = value(content, meter, depth)?;
    pairs.push((key, value));
    Ok(())
}

/// Reads an `AnyValue`. Its last member counts, as in all readers of a union.
fn value<'a>(message: &'a [u8], meter: &mut Meter, depth: usize) -> Result<Value<'a>, Malformed> {
    let mut last = None;
    let mut fields = Fields::of(message);
    while let Some((tag, field)) = fields.next()? {
        if (1..=7).contains(&tag) {
            last = Some((tag, field));
        }
    }
    let Some((tag, field)) = last else {
        return Ok(Value::Null);
    };
    Ok(match tag {
        1 => Value::Text(meter.utf8(field.bytes(tag)?.into())),
        2 => Value::Bool(field.varint(tag)? != 0),
        3 => Value::Int(field.varint(tag)?.cast_signed()),
        4 => Value::Float(f64::from_bits(field.fixed64(tag)?)),
        5 | 6 if !meter.admits_depth(depth) => Value::Null,
        5 => Value::Array(array(field.bytes(tag)?, meter, depth + 1)?),
        6 => Value::Object(object(field.bytes(tag)?, meter, depth + 1)?),
        _ => {
            let bytes = field.bytes(tag)?;
            // More than a value may have, so that the cut is counted.
            let part = &bytes[..bytes.len().min(MAX_VALUE)];
            Value::Bytes(meter.text(base64(part).into()))
        }
    })
}

fn array<'a>(
    message: &'a [u8],
    meter: &mut Meter,
    depth: usize,
) -> Result<Vec<Value<'a>>, Malformed> {
    let mut values = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((tag, field)) = fields.next()? {
        if tag == 1 {
            let message = field.bytes(tag)?;
            if meter.admits_element(values.len()) {
                values.push(value(message, meter, depth)?);
            }
        }
    }
    Ok(values)
}

fn object<'a>(
    message: &'a [u8],
    meter: &mut Meter,
    depth: usize,
) -> Result<Attributes<'a>, Malformed> {
    let mut pairs = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((tag, field)) = fields.next()? {
        if tag == 1 {
            let message = field.bytes(tag)?;
            if meter.admits_element(pairs.len()) {
                pair(&mut pairs, message, meter, depth)?;
            }
        }
    }
    Ok(pairs)
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index| chunk.get(index).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * index) & 0x3f) as usize];
            let is_padding = index > chunk.len();
            text.push(if is_padding { '=' } else { digit.into() });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }
}
