//! Log records in protobuf.

use super::{
    super::{message::LogRecord, meter::Meter},
    FromProtobuf, text, trace_id, value,
    wire::{Fields, Malformed},
};
use crate::store::span::SpanId;

impl<'a> FromProtobuf<'a> for LogRecord<'a> {
    fn from_protobuf(message: &'a [u8], meter: &mut Meter) -> Result<Self, Malformed> {
        let mut record = Self::default();
        let mut fields = Fields::of(message);
        while let Some((tag, field)) = fields.next()? {
            match tag {
                1 => record.time = field.fixed64(tag)?,
                2 => record.severity = field.enumeration(tag)?,
                3 => record.severity_text = text(field.bytes(tag)?, meter),
                5 => record.body = value::body(field.bytes(tag)?, meter)?,
                6 => value::attribute(&mut record.attributes, field.bytes(tag)?, meter)?,
                9 => record.trace = trace_id(field.bytes(tag)?),
                10 => record.span = SpanId::from_bytes(field.bytes(tag)?),
                11 => record.observed = field.fixed64(tag)?,
                12 => record.event = text(field.bytes(tag)?, meter),
                _ => {}
            }
        }
        Ok(record)
    }
}
