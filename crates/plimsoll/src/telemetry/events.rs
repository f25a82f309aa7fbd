//! Converts events of `tracing` and `log` to log records.

mod fields;

use std::{fmt, sync::Arc};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record as Values},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    Layer,
    filter::{Filtered, LevelFilter},
    layer::Context,
    registry::LookupSpan,
};

pub(super) use self::fields::{FieldOwner, FieldVisitor, WrittenFields};
pub(crate) use self::fields::{FieldText, plain_name};
use super::{Log, Priority, Record, levels::LevelFilterLayer, record::MAX_LINE, spans};
use crate::{config::Level, request};

/// A `tracing` layer that writes each event as one record.
///
/// The target of the event is the `name` of the record. The fields of the event follow, then those of
/// its spans from the root to the innermost.
///
/// If a name occurs more than once, the event's field takes precedence, then that of the innermost
/// span. A span keeps at most 32 fields, 4 KiB in total and 1 KiB of a text. An event has the fields of
/// its 32 innermost spans.
///
/// Created by [`Log::layer`]. An event inside a request has the id of the request, with or without a
/// span.
#[derive(Debug, Clone)]
pub struct EventLayer {
    log: Log,
}

impl EventLayer {
    pub(super) const fn new(log: Log) -> Self {
        Self { log }
    }

    /// Returns the layer with a filter, so that spans and events below their level are not created.
    pub(crate) fn filtered<S>(self) -> Filtered<Self, LevelFilterLayer, S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let filter = LevelFilterLayer(Arc::clone(self.log.levels()));
        self.with_filter(filter)
    }

    /// Where a span or event is logged, if at all. Not part of `enabled`, which would disable it for the
    /// other layers of the subscriber too.
    fn destination(&self, metadata: &Metadata<'_>) -> Option<Destination> {
        let levels = self.log.levels();
        if levels.enables(metadata) {
            Some(Destination::Log)
        } else {
            levels.keeps(metadata).then_some(Destination::Request)
        }
    }
}

/// The destination of the record of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    Log,
    /// The debug records of its request. A span of this destination is in no record of the log.
    Request,
}

impl<S> Layer<S> for EventLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(destination) = self.destination(attributes.metadata())
            && let Some(span) = context.span(id)
        {
            spans::begin(&span, attributes, self.log.format(), destination);
        }
    }

    fn on_record(&self, id: &Id, values: &Values<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(destination) = self.destination(span.metadata())
        {
            spans::add(&span, values, self.log.format(), destination);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let Some(destination) = self.destination(metadata) else {
            return;
        };
        let debug_records = match destination {
            Destination::Log => None,
            Destination::Request => match self.log.current_debug_records() {
                Some(records) => Some(records),
                None => return,
            },
        };
        let level = level(metadata);
        let priority = if level >= Level::Warning {
            Priority::High
        } else {
            Priority::Low
        };
        let mut message = MessageVisitor::default();
        event.record(&mut message);
        let owner = if normalized.is_some() {
            FieldOwner::Bridged
        } else {
            FieldOwner::Event
        };
        let innermost = context.event_span(event);
        let write = |record: &mut Record<'_>| {
            let mut fields = FieldVisitor::new(record, event.metadata().fields(), owner);
            event.record(&mut fields);
            let written = fields.written();
            if let Some(innermost) = innermost {
                spans::write(record, &innermost, written, self.log.format(), destination);
            }
            record.trace(request::recorded_span());
        };
        let (name, message) = (metadata.target(), &message.0);
        request::with_request_id(|id| match &debug_records {
            None => self.log.write(priority, level, name, message, id, write),
            Some(records) => self.log.keep(records, level, name, message, id, write),
        });
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.log.levels().max_level())
    }
}

fn level(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::TRACE => Level::Trace,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::INFO => Level::Info,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::ERROR => Level::Error,
    }
}

/// Extracts the message, which precedes all other fields of a record.
#[derive(Default)]
struct MessageVisitor(String);

impl Visit for MessageVisitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = FieldText::of(value, MAX_LINE);
        }
    }
}
