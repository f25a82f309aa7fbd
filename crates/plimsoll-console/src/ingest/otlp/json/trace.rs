//! Spans in JSON.

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess},
};

use super::{
    super::{
        message::{Event, InvalidId, Link, Span, Status},
        meter::Meter,
    },
    FromJson, hex,
    read::{Elements, Id, List, Members, Object, Text, number},
    required,
    value::Attribute,
};
use crate::store::span::{SpanId, TraceId};

impl<'a> FromJson<'a> for Span<'a> {
    const GROUPS: &'static str = "resourceSpans";
    const SCOPES: &'static str = "scopeSpans";
    const ITEMS: &'static str = "spans";

    fn from_json<D: Deserializer<'a>>(
        deserializer: D,
        meter: &mut Meter,
    ) -> Result<Self, D::Error> {
        let mut members = SpanMembers {
            span: Self::default(),
            trace: Id::Absent,
            id: Id::Absent,
            parent: Id::Absent,
            meter,
        };
        Object(&mut members).deserialize(deserializer)?;
        let SpanMembers {
            mut span,
            trace,
            id,
            parent,
            ..
        } = members;
        let faults = &mut span.fault;
        span.trace = required(trace.valid(), InvalidId::Trace, faults);
        span.id = required(id.valid(), InvalidId::Span, faults);
        span.parent = match parent {
            Id::Absent | Id::Zero => None,
            Id::Invalid => required(None, InvalidId::Parent, faults),
            Id::Valid(id) => Some(id),
        };
        Ok(span)
    }
}

struct SpanMembers<'x, 'a> {
    span: Span<'a>,
    trace: Id<TraceId>,
    id: Id<SpanId>,
    parent: Id<SpanId>,
    meter: &'x mut Meter,
}

impl<'a> Members<'a> for SpanMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let Self { span, meter, .. } = self;
        match name {
            "traceId" => self.trace = hex(map, TraceId::from_hex)?,
            "spanId" => self.id = hex(map, SpanId::from_hex)?,
            "parentSpanId" => self.parent = hex(map, SpanId::from_hex)?,
            "name" => span.name = map.next_value_seed(Text(meter))?,
            "kind" => span.kind = number(map)?,
            "startTimeUnixNano" => span.start = number(map)?,
            "endTimeUnixNano" => span.end = number(map)?,
            "attributes" => map.next_value_seed(List(&mut Attribute {
                attributes: &mut span.attributes,
                meter,
            }))?,
            "events" => map.next_value_seed(List(&mut Events {
                list: &mut span.events,
                meter,
            }))?,
            "links" => map.next_value_seed(List(&mut Links {
                list: &mut span.links,
                meter,
            }))?,
            "status" => map.next_value_seed(Object(&mut StatusMembers {
                status: &mut span.status,
                meter,
            }))?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

struct Events<'x, 'a> {
    list: &'x mut Vec<Event<'a>>,
    meter: &'x mut Meter,
}

impl<'a> Elements<'a> for Events<'_, 'a> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let read = list.next_element_seed(EventSeed(self))?;
        Ok(read.is_some())
    }
}

/// Reads one event, if the list admits it.
struct EventSeed<'y, 'x, 'a>(&'y mut Events<'x, 'a>);

impl<'a> DeserializeSeed<'a> for EventSeed<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        let Events { list, meter } = self.0;
        if !meter.admits_event(list.len()) {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        let mut members = EventMembers {
            event: Event::default(),
            meter,
        };
        Object(&mut members).deserialize(deserializer)?;
        list.push(members.event);
        Ok(())
    }
}

struct EventMembers<'x, 'a> {
    event: Event<'a>,
    meter: &'x mut Meter,
}

impl<'a> Members<'a> for EventMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "timeUnixNano" => self.event.time = number(map)?,
            "name" => self.event.name = map.next_value_seed(Text(self.meter))?,
            "attributes" => map.next_value_seed(List(&mut Attribute {
                attributes: &mut self.event.attributes,
                meter: &mut *self.meter,
            }))?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

struct Links<'x, 'a> {
    list: &'x mut Vec<Link<'a>>,
    meter: &'x mut Meter,
}

impl<'a> Elements<'a> for Links<'_, 'a> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let read = list.next_element_seed(LinkSeed(self))?;
        Ok(read.is_some())
    }
}

/// Reads one link, if the list admits it.
struct LinkSeed<'y, 'x, 'a>(&'y mut Links<'x, 'a>);

impl<'a> DeserializeSeed<'a> for LinkSeed<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        let Links { list, meter } = self.0;
        if !meter.admits_event(list.len()) {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        let mut members = LinkMembers {
            link: Link::default(),
            meter,
        };
        Object(&mut members).deserialize(deserializer)?;
        list.push(members.link);
        Ok(())
    }
}

struct LinkMembers<'x, 'a> {
    link: Link<'a>,
    meter: &'x mut Meter,
}

impl<'a> Members<'a> for LinkMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "traceId" => self.link.trace = hex(map, TraceId::from_hex)?.valid(),
            "spanId" => self.link.id = hex(map, SpanId::from_hex)?.valid(),
            "attributes" => map.next_value_seed(List(&mut Attribute {
                attributes: &mut self.link.attributes,
                meter: &mut *self.meter,
            }))?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

struct StatusMembers<'x, 'a> {
    status: &'x mut Status<'a>,
    meter: &'x mut Meter,
}

impl<'a> Members<'a> for StatusMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "message" => self.status.message = map.next_value_seed(Text(self.meter))?,
            "code" => self.status.code = number(map)?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}
