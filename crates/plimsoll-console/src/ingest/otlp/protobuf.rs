//! OTLP messages in protobuf.
//!
//! Field numbers are those of opentelemetry-proto 1.10.
//! Traces and logs differ in the item alone: resource, scope and list have the same numbers.

mod log;
mod trace;
mod value;
mod wire;

use std::borrow::Cow;

use self::wire::Fields;
pub(crate) use self::wire::Malformed;
use super::{
    Sink,
    message::{InvalidId, Resource, Scope},
    meter::Meter,
};
use crate::store::span::{SpanId, TraceId};

/// An item that can be read from protobuf.
pub(super) trait FromProtobuf<'a>: Sized {
    /// Reads the message of the item.
    fn from_protobuf(message: &'a [u8], meter: &mut Meter) -> Result<Self, Malformed>;
}

/// Reads an export request, and passes its items to `sink`.
///
/// # Errors
///
/// If the body is malformed. The items before the fault have been passed to `sink`.
pub(super) fn read<'a, T: FromProtobuf<'a>>(
    body: &'a [u8],
    meter: &mut Meter,
    sink: &mut impl Sink<'a, T>,
) -> Result<(), Malformed> {
    let mut groups = Fields::of(body);
    while let Some((tag, field)) = groups.next()? {
        if tag != 1 {
            continue;
        }
        let group = field.bytes(tag)?;
        meter.begin_item();
        sink.resource(&resource(group, meter)?);
        let mut scopes = Fields::of(group);
        while let Some((tag, field)) = scopes.next()? {
            if tag != 2 {
                continue;
            }
            let list = field.bytes(tag)?;
            meter.begin_item();
            let scope = scope(list, meter)?;
            let mut items = Fields::of(list);
            while let Some((tag, field)) = items.next()? {
                if tag == 2 {
                    meter.begin_item();
                    let item = T::from_protobuf(field.bytes(tag)?, meter)?;
                    sink.item(&scope, item, meter.is_cut());
                }
            }
        }
    }
    Ok(())
}

/// Reads the resource of a group. It may follow the scopes.
fn resource<'a>(group: &'a [u8], meter: &mut Meter) -> Result<Resource<'a>, Malformed> {
    let mut resource = Resource::default();
    let mut fields = Fields::of(group);
    while let Some((tag, field)) = fields.next()? {
        if tag != 1 {
            continue;
        }
        let mut members = Fields::of(field.bytes(tag)?);
        while let Some((tag, field)) = members.next()? {
            if tag == 1 {
                value::attribute(&mut resource.attributes, field.bytes(tag)?, meter)?;
            }
        }
    }
    Ok(resource)
}

/// Reads the scope of a list. It may follow the items.
fn scope<'a>(list: &'a [u8], meter: &mut Meter) -> Result<Scope<'a>, Malformed> {
    let mut scope = Scope::default();
    let mut fields = Fields::of(list);
    while let Some((tag, field)) = fields.next()? {
        if tag != 1 {
            continue;
        }
        let mut members = Fields::of(field.bytes(tag)?);
        while let Some((tag, field)) = members.next()? {
            match tag {
                1 => scope.name = text(field.bytes(tag)?, meter),
                2 => scope.version = text(field.bytes(tag)?, meter),
                _ => {}
            }
        }
    }
    Ok(scope)
}

/// Reads a text that is no attribute.
fn text<'a>(bytes: &'a [u8], meter: &mut Meter) -> Cow<'a, str> {
    meter.begin_value();
    meter.utf8(bytes.into())
}

/// Reads a required id, and records the first fault.
fn required<T>(id: Option<T>, fault: InvalidId, faults: &mut Option<InvalidId>) -> Option<T> {
    if id.is_none() {
        faults.get_or_insert(fault);
    }
    id
}

/// Reads the id of a parent: absent if it is empty, or zeros as some exporters send.
fn parent(bytes: &[u8], faults: &mut Option<InvalidId>) -> Option<SpanId> {
    if bytes.is_empty() || bytes == [0; 8] {
        return None;
    }
    required(SpanId::from_bytes(bytes), InvalidId::Parent, faults)
}

fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    TraceId::from_bytes(bytes)
}
