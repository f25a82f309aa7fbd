//! The fields of spans: made bytes once, when a span is made or records them, and copied into the
//! records of the events inside it.
//!
//! A record has the fields of the event, then those of its spans from the root to the nearest. Of
//! fields that share a name it has one: the event's own, or else the nearest span's. A field that a
//! span records later is in the records from then on.
//!
//! # Invariants
//!
//! * What a span keeps is bounded, however often it records and however long its values are.
//! * No code of a user's runs while a span's fields are locked: a `Debug` may itself log an event.
//! * A span without fields, or below its level, keeps nothing.

use std::fmt;

use tracing::{
    field::{Field, FieldSet, Visit},
    span::{Attributes, Record as Values},
};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::{
    events::{FieldOwner, FieldVisitor, WrittenFields, plain_name},
    record::Record,
};
use crate::config::LogFormat;

/// How many fields a span keeps at most, and how many bytes of them.
const MAX_FIELDS: usize = 32;
const MAX_BYTES: usize = 4 * 1024;

/// How many bytes of a text a span keeps: `instrument` records arguments of any size.
const LONGEST_TEXT: usize = 1024;

/// How many spans an event looks through for fields, from the nearest outwards.
const MAX_SPANS: usize = 32;

/// What stands in a span's extensions: its fields for each format, since several logs of one
/// program may differ in that.
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

/// Fields as members of a record, in the order in which they were recorded first.
#[derive(Debug, Default)]
struct SpanFieldBuf {
    bytes: Vec<u8>,
    /// The name of each, and where its bytes end; they begin where those of the one before end.
    fields: Vec<(&'static str, usize)>,
}

impl SpanFieldBuf {
    /// Takes what was written behind the bytes of all fields for a field of its own.
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

    /// Puts a field in the place of the one of that name, or at the end. What does not fit is left
    /// out, and then so is the value that it was to replace.
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

    /// Whether it has a field of this name, and a value of it.
    fn has(&self, name: &str) -> bool {
        self.iter()
            .any(|(other, member)| other == name && !member.is_empty())
    }
}

/// Makes fields bytes.
struct SpanFieldVisitor<'a> {
    kept: SpanFieldBuf,
    callsite: &'a FieldSet,
    format: LogFormat,
}

impl<'a> SpanFieldVisitor<'a> {
    fn new(callsite: &'a FieldSet, format: LogFormat) -> Self {
        Self {
            kept: SpanFieldBuf::default(),
            callsite,
            format,
        }
    }

    fn keep(&mut self, field: &Field, write: impl FnOnce(&mut FieldVisitor<'_, '_, '_>)) {
        let mut record = Record::members(&mut self.kept.bytes, self.format);
        let fields = FieldVisitor::new(&mut record, self.callsite, FieldOwner::Span);
        write(&mut fields.with_longest_text(LONGEST_TEXT));
        self.kept.take_tail(plain_name(field));
    }
}

/// Keeps the fields of a span that begins.
pub(super) fn begin<S>(span: &SpanRef<'_, S>, attributes: &Attributes<'_>, format: LogFormat)
where
    S: for<'a> LookupSpan<'a>,
{
    if attributes.is_empty() {
        return;
    }
    let mut keeper = SpanFieldVisitor::new(attributes.metadata().fields(), format);
    attributes.record(&mut keeper);
    store(span, keeper.kept, format);
}

/// Keeps the fields that a span records later.
pub(super) fn add<S>(span: &SpanRef<'_, S>, values: &Values<'_>, format: LogFormat)
where
    S: for<'a> LookupSpan<'a>,
{
    let mut keeper = SpanFieldVisitor::new(span.metadata().fields(), format);
    values.record(&mut keeper);
    store(span, keeper.kept, format);
}

fn store<S>(span: &SpanRef<'_, S>, new: SpanFieldBuf, format: LogFormat)
where
    S: for<'a> LookupSpan<'a>,
{
    let mut extensions = span.extensions_mut();
    if let Some(there) = extensions.get_mut::<SpanFields>() {
        let there = there.of_mut(format);
        for (name, member) in new.iter() {
            there.set(name, member);
        }
    } else {
        let mut fields = SpanFields::default();
        *fields.of_mut(format) = new;
        extensions.insert(fields);
    }
}

/// What is nearer to the event than a span: its fields win.
enum Scope<'a> {
    Event(WrittenFields<'a>),
    Span(&'a SpanFieldBuf, &'a Self),
}

impl Scope<'_> {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Event(written) => written.has(name),
            Self::Span(kept, nearer) => kept.has(name) || nearer.has(name),
        }
    }
}

/// Adds the fields of the spans that an event is in, `nearest` and those around it.
pub(super) fn write<S>(
    record: &mut Record<'_>,
    nearest: &SpanRef<'_, S>,
    own: WrittenFields<'_>,
    format: LogFormat,
) where
    S: for<'a> LookupSpan<'a>,
{
    write_from_root(record, nearest, &Scope::Event(own), format, MAX_SPANS);
}

fn write_from_root<S>(
    record: &mut Record<'_>,
    span: &SpanRef<'_, S>,
    nearer: &Scope<'_>,
    format: LogFormat,
    spans_left: usize,
) where
    S: for<'a> LookupSpan<'a>,
{
    let extensions = span.extensions();
    let kept = extensions
        .get::<SpanFields>()
        .map(|fields| fields.of(format));
    if spans_left > 1
        && let Some(parent) = span.parent()
    {
        let here = kept.map(|kept| Scope::Span(kept, nearer));
        let nearer = here.as_ref().unwrap_or(nearer);
        write_from_root(record, &parent, nearer, format, spans_left - 1);
    }
    for (name, member) in kept.into_iter().flat_map(SpanFieldBuf::iter) {
        if !nearer.has(name) {
            record.append(member);
        }
    }
}

impl Visit for SpanFieldVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, |fields| fields.record_f64(field, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, |fields| fields.record_i64(field, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, |fields| fields.record_u64(field, value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.keep(field, |fields| fields.record_i128(field, value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.keep(field, |fields| fields.record_u128(field, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, |fields| fields.record_bool(field, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, |fields| fields.record_str(field, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.keep(field, |fields| fields.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep(field, |fields| fields.record_debug(field, value));
    }
}

#[cfg(test)]
mod tests;
