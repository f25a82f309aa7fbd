//! The fields of spans. They are formatted once, when the span is created or records them, and copied
//! into the records of its events.
//!
//! A record has the fields of the event, then those of its spans from the root to the innermost. If a
//! name occurs more than once, the event's field takes precedence, then that of the innermost span. A
//! field that a span records later is part of later records.
//!
//! # Invariants
//!
//! * The stored bytes of a span are bounded, for any number and size of recorded values.
//! * No `Debug` implementation runs while the fields of a span are locked, as it may log an event.
//! * A span without fields or below its level stores nothing.
//!   With `DEBUG_ON_ERROR`, a span below its level stores fields for the debug records of its request.

use std::fmt;

use tracing::{
    field::{Field, FieldSet, Visit},
    span::{Attributes, Record as Values},
};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::{
    events::{Destination, FieldOwner, FieldVisitor, WrittenFields, plain_name},
    record::Record,
};
use crate::config::LogFormat;

/// The maximum number of fields of a span.
const MAX_FIELDS: usize = 32;
/// The maximum length of all fields of a span, in bytes.
const MAX_BYTES: usize = 4 * 1024;

/// The maximum length of a text, in bytes. `instrument` records arguments of any size.
const MAX_TEXT: usize = 1024;

/// The maximum number of spans, from the innermost outwards, whose fields an event has.
const MAX_SPANS: usize = 32;

/// The fields of a span for each format, as the logs of one program may differ in format. Stored in the
/// extensions of the span.
#[derive(Debug, Default)]
struct SpanFields {
    json: SpanFieldBuf,
    pretty: SpanFieldBuf,
}

impl SpanFields {
    const fn of(&self, format: LogFormat) -> &SpanFieldBuf {
        match format {
            LogFormat::Json => &self.json,
            LogFormat::Pretty => &self.pretty,
        }
    }

    const fn of_mut(&mut self, format: LogFormat) -> &mut SpanFieldBuf {
        match format {
            LogFormat::Json => &mut self.json,
            LogFormat::Pretty => &mut self.pretty,
        }
    }
}

/// Formatted fields, in the order in which they were first recorded.
#[derive(Debug, Default)]
struct SpanFieldBuf {
    bytes: Vec<u8>,
    /// The name of each field and the end of its bytes, which begin at the end of the previous field.
    fields: Vec<(&'static str, usize)>,
    /// Whether records of the log have the fields too, not only debug records.
    is_logged: bool,
}

impl SpanFieldBuf {
    /// Makes a field of the bytes that were written after the last field.
    fn take_tail(&mut self, name: &'static str) {
        let start = self.fields.last().map_or(0, |(_, end)| *end);
        if self.bytes.len() == start {
            return;
        }
        if self.fields.iter().any(|(other, _)| *other == name) {
            let member = self.bytes.split_off(start);
            self.set(name, &member);
        } else if self.fields.len() == MAX_FIELDS || self.bytes.len() > MAX_BYTES {
            self.bytes.truncate(start);
        } else {
            self.fields.push((name, self.bytes.len()));
        }
    }

    /// Replaces the field of that name, or appends a new one.
    ///
    /// If the field does not fit, it is omitted, and so is the value that it replaces.
    fn set(&mut self, name: &'static str, member: &[u8]) {
        let index = self.fields.iter().position(|(other, _)| *other == name);
        let index = index.unwrap_or(self.fields.len());
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.fields[before].1);
        let end = self.fields.get(index).map_or(start, |(_, end)| *end);
        let fits =
            index < MAX_FIELDS && self.bytes.len() - (end - start) + member.len() <= MAX_BYTES;
        let member = if fits { member } else { &[] };
        if index == self.fields.len() {
            if !fits {
                return;
            }
            self.fields.push((name, end));
        }
        self.bytes.splice(start..end, member.iter().copied());
        for (_, later) in &mut self.fields[index..] {
            *later = *later - (end - start) + member.len();
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let mut start = 0;
        self.fields.iter().map(move |(name, end)| {
            let member = &self.bytes[start..*end];
            start = *end;
            (*name, member)
        })
    }

    fn is_for(&self, destination: Destination) -> bool {
        self.is_logged || destination == Destination::Request
    }

    /// Whether there is a field of this name with a value.
    fn has(&self, name: &str) -> bool {
        self.iter()
            .any(|(other, member)| other == name && !member.is_empty())
    }
}

/// Formats the fields of a span.
struct SpanFieldVisitor<'a> {
    fields: SpanFieldBuf,
    callsite: &'a FieldSet,
    format: LogFormat,
}

impl<'a> SpanFieldVisitor<'a> {
    fn new(callsite: &'a FieldSet, format: LogFormat) -> Self {
        Self {
            fields: SpanFieldBuf::default(),
            callsite,
            format,
        }
    }

    fn store(&mut self, field: &Field, write: impl FnOnce(&mut FieldVisitor<'_, '_, '_>)) {
        let mut record = Record::members(&mut self.fields.bytes, self.format);
        let fields = FieldVisitor::new(&mut record, self.callsite, FieldOwner::Span);
        write(&mut fields.with_max_text(MAX_TEXT));
        self.fields.take_tail(plain_name(field));
    }
}

/// Stores the fields of a new span.
pub(super) fn begin<S>(
    span: &SpanRef<'_, S>,
    attributes: &Attributes<'_>,
    format: LogFormat,
    destination: Destination,
) where
    S: for<'a> LookupSpan<'a>,
{
    if attributes.is_empty() {
        return;
    }
    let mut visitor = SpanFieldVisitor::new(attributes.metadata().fields(), format);
    attributes.record(&mut visitor);
    store(span, visitor.fields, format, destination);
}

/// Stores fields that a span records later.
pub(super) fn add<S>(
    span: &SpanRef<'_, S>,
    values: &Values<'_>,
    format: LogFormat,
    destination: Destination,
) where
    S: for<'a> LookupSpan<'a>,
{
    let mut visitor = SpanFieldVisitor::new(span.metadata().fields(), format);
    values.record(&mut visitor);
    store(span, visitor.fields, format, destination);
}

fn store<S>(
    span: &SpanRef<'_, S>,
    mut new: SpanFieldBuf,
    format: LogFormat,
    destination: Destination,
) where
    S: for<'a> LookupSpan<'a>,
{
    new.is_logged = destination == Destination::Log;
    let mut extensions = span.extensions_mut();
    if let Some(stored) = extensions.get_mut::<SpanFields>() {
        let stored = stored.of_mut(format);
        stored.is_logged |= new.is_logged;
        for (name, member) in new.iter() {
            stored.set(name, member);
        }
    } else {
        let mut fields = SpanFields::default();
        *fields.of_mut(format) = new;
        extensions.insert(fields);
    }
}

/// The event and the spans inside a span. Their fields take precedence.
enum Scope<'a> {
    Event(WrittenFields<'a>),
    Span(&'a SpanFieldBuf, &'a Self),
}

impl Scope<'_> {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Event(written) => written.has(name),
            Self::Span(fields, inner) => fields.has(name) || inner.has(name),
        }
    }
}

/// Adds the fields of the spans that an event is in: `innermost` and its parents.
pub(super) fn write<S>(
    record: &mut Record<'_>,
    innermost: &SpanRef<'_, S>,
    written: WrittenFields<'_>,
    format: LogFormat,
    destination: Destination,
) where
    S: for<'a> LookupSpan<'a>,
{
    let event = Scope::Event(written);
    write_from_root(record, innermost, &event, format, destination, MAX_SPANS);
}

fn write_from_root<S>(
    record: &mut Record<'_>,
    span: &SpanRef<'_, S>,
    inner: &Scope<'_>,
    format: LogFormat,
    destination: Destination,
    max_spans: usize,
) where
    S: for<'a> LookupSpan<'a>,
{
    let extensions = span.extensions();
    let fields = extensions
        .get::<SpanFields>()
        .map(|fields| fields.of(format))
        .filter(|fields| fields.is_for(destination));
    if max_spans > 1
        && let Some(parent) = span.parent()
    {
        let scope = fields.map(|fields| Scope::Span(fields, inner));
        let scope = scope.as_ref().unwrap_or(inner);
        write_from_root(record, &parent, scope, format, destination, max_spans - 1);
    }
    for (name, member) in fields.into_iter().flat_map(SpanFieldBuf::iter) {
        if !inner.has(name) {
            record.append(member);
        }
    }
}

impl Visit for SpanFieldVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.store(field, |fields| fields.record_f64(field, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.store(field, |fields| fields.record_i64(field, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.store(field, |fields| fields.record_u64(field, value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.store(field, |fields| fields.record_i128(field, value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.store(field, |fields| fields.record_u128(field, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.store(field, |fields| fields.record_bool(field, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.store(field, |fields| fields.record_str(field, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.store(field, |fields| fields.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.store(field, |fields| fields.record_debug(field, value));
    }
}

#[cfg(test)]
mod tests;
