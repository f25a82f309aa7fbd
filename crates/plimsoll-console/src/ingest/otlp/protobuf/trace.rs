//! Spans in protobuf.

use super::{
    super::{
        message::{Event, InvalidId, Link, Span, Status},
        meter::Meter,
    },
    FromProtobuf, parent, required, text, trace_id, value,
    wire::{Fields, Malformed},
};
use crate::store::span::SpanId;

impl<'a> FromProtobuf<'a> for Span<'a> {
    fn from_protobuf(message: &'a [u8], meter: &mut Meter) -> Result<Self, Malformed> {
        let mut span = Self::default();
        let (mut trace, mut id, mut parent_id) = (&[][..], &[][..], &[][..]);
        let mut fields = Fields::of(message);
        while let Some((tag, field)) = fields.next()? {
            match tag {
                1 => trace = field.bytes(tag)?,
                2 => id = field.bytes(tag)?,
                4 => parent_id = field.bytes(tag)?,
                5 => span.name = text(field.bytes(tag)?, meter),
                6 => span.kind = field.enumeration(tag)?,
                7 => span.start = field.fixed64(tag)?,
                8 => span.end = field.fixed64(tag)?,
                9 => value::attribute(&mut span.attributes, field.bytes(tag)?, meter)?,
                11 => {
                    let message = field.bytes(tag)?;
                    if meter.admits_event(span.events.len()) {
                        span.events.push(event(message, meter)?);
                    }
                }
                13 => {
                    let message = field.bytes(tag)?;
                    if meter.admits_event(span.links.len()) {
                        span.links.push(link(message, meter)?);
                    }
                }
                15 => status(&mut span.status, field.bytes(tag)?, meter)?,
                _ => {}
            }
        }
        let faults = &mut span.fault;
        span.trace = required(trace_id(trace), InvalidId::Trace, faults);
        span.id = required(SpanId::from_bytes(id), InvalidId::Span, faults);
        span.parent = parent(parent_id, faults);
        Ok(span)
    }
}

fn event<'a>(message: &'a [u8], meter: &mut Meter) -> Result<Event<'a>, Malformed> {
    let mut event = Event::default();
    let mut fields = Fields::of(message);
    while let Some((tag, field)) = fields.next()? {
        match tag {
            1 => event.time = field.fixed64(tag)?,
            2 => event.name = text(field.bytes(tag)?, meter),
            3 => value::attribute(&mut event.attributes, field.bytes(tag)?, meter)?,
            _ => {}
        }
    }
    Ok(event)
}

fn link<'a>(message: &'a [u8], meter: &mut Meter) -> Result<Link<'a>, Malformed> {
    let mut link = Link::default();
    let mut fields = Fields::of(message);
    while let Some((tag, field)) = fields.next()? {
        match tag {
            1 => link.trace = trace_id(field.bytes(tag)?),
            2 => link.id = SpanId::from_bytes(field.bytes(tag)?),
            4 => value::attribute(&mut link.attributes, field.bytes(tag)?, meter)?,
            _ => {}
        }
    }
    Ok(link)
}

/// Reads a status into that of the span, since repeated messages are merged.
fn status<'a>(
    status: &mut Status<'a>,
    message: &'a [u8],
    meter: &mut Meter,
) -> Result<(), Malformed> {
    let mut fields = Fields::of(message);
    while let Some((tag, field)) = fields.next()? {
        match tag {
            2 => status.message = text(field.bytes(tag)?, meter),
            3 => status.code = field.enumeration(tag)?,
            _ => {}
        }
    }
    Ok(())
}
