//! Log records in JSON.

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess},
};

use super::{
    super::{message::LogRecord, meter::Meter},
    FromJson, hex,
    read::{List, Members, Object, Text, number},
    value::{Attribute, Body},
};
use crate::store::span::{SpanId, TraceId};

impl<'a> FromJson<'a> for LogRecord<'a> {
    const GROUPS: &'static str = "resourceLogs";
    const SCOPES: &'static str = "scopeLogs";
    const ITEMS: &'static str = "logRecords";

    fn from_json<D: Deserializer<'a>>(
        deserializer: D,
        meter: &mut Meter,
    ) -> Result<Self, D::Error> {
        let mut members = RecordMembers {
            record: Self::default(),
            meter,
        };
        Object(&mut members).deserialize(deserializer)?;
        Ok(members.record)
    }
}

struct RecordMembers<'x, 'a> {
    record: LogRecord<'a>,
    meter: &'x mut Meter,
}

impl<'a> Members<'a> for RecordMembers<'_, 'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let Self { record, meter } = self;
        match name {
            "timeUnixNano" => record.time = number(map)?,
            "observedTimeUnixNano" => record.observed = number(map)?,
            "severityNumber" => record.severity = number(map)?,
            "severityText" => record.severity_text = map.next_value_seed(Text(meter))?,
            "body" => record.body = map.next_value_seed(Body(meter))?,
            "attributes" => map.next_value_seed(List(&mut Attribute {
                attributes: &mut record.attributes,
                meter,
            }))?,
            "traceId" => record.trace = hex(map, TraceId::from_hex)?.valid(),
            "spanId" => record.span = hex(map, SpanId::from_hex)?.valid(),
            "eventName" => record.event = map.next_value_seed(Text(meter))?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}
