//! Events of `tracing`, and of `log` through it, as records of the contract's shape.

mod fields;

use std::fmt;

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record as Values},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    Layer,
    filter::{Filtered, LevelFilter, Targets},
    layer::Context,
    registry::LookupSpan,
};

pub(super) use self::fields::{FieldOwner, FieldVisitor, WrittenFields};
pub(crate) use self::fields::{FieldText, plain_name};
use super::{Log, Priority, Record, record::MAX_LINE, spans};
use crate::{
    config::{Level, LogLevels},
    request,
};

/// Writes every event as one record: its target is the record's `name`, its fields follow, then
/// those of the spans that it is in.
///
/// The fields of spans come from the root to the nearest. Of fields with the same name there is one:
/// the event's own, else the nearest span's. A span keeps 32 fields and 4 KiB of them at most, and
/// 1 KiB of a text; an event looks through the nearest 32 spans.
///
/// Made by [`Log::layer`]. An event inside a request carries the id of the request, whether or not
/// there is a span.
#[derive(Debug, Clone)]
pub struct EventLayer {
    log: Log,
    targets: Targets,
}

impl EventLayer {
    pub(super) fn new(log: Log) -> Self {
        let targets = targets(log.levels());
        Self { log, targets }
    }

    /// The same with a filter, so that spans and events below their level are not even made.
    pub(crate) fn filtered<S>(self) -> Filtered<Self, Targets, S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let targets = self.targets.clone();
        self.with_filter(targets)
    }

    /// Asked for each event and not in `enabled`: that would silence other layers of the subscriber.
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        self.targets
            .would_enable(metadata.target(), metadata.level())
    }
}

impl<S> Layer<S> for EventLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if self.wants(attributes.metadata())
            && let Some(span) = context.span(id)
        {
            spans::begin(&span, attributes, self.log.format());
        }
    }

    fn on_record(&self, id: &Id, values: &Values<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && self.wants(span.metadata())
        {
            spans::add(&span, values, self.log.format());
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        if !self.wants(metadata) {
            return;
        }
        let level = level(metadata);
        let priority = if level >= Level::Warning {
            Priority::High
        } else {
            Priority::Low
        };
        let mut message = MessageVisitor::default();
        event.record(&mut message);
        let of = if normalized.is_some() {
            FieldOwner::Bridged
        } else {
            FieldOwner::Event
        };
        let nearest = context.event_span(event);
        let write = |record: &mut Record<'_>| {
            let mut fields = FieldVisitor::new(record, event.metadata().fields(), of);
            event.record(&mut fields);
            let written = fields.written();
            if let Some(nearest) = nearest {
                spans::write(record, &nearest, written, self.log.format());
            }
            record.trace(request::recorded_span());
        };
        request::with_request_id(|request_id| {
            self.log.write(
                priority,
                level,
                metadata.target(),
                &message.0,
                request_id,
                write,
            );
        });
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Layer::<S>::max_level_hint(&self.targets)
    }
}

/// The thresholds of `LOG_LEVEL` in the terms of `tracing`, which knows no CRITICAL.
fn targets(levels: &LogLevels) -> Targets {
    Targets::new()
        .with_default(filter(levels.default_level()))
        .with_targets(
            levels
                .targets()
                .map(|(target, level)| (target.to_owned(), filter(level))),
        )
}

const fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::Critical => LevelFilter::OFF,
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

/// Finds the message, which the record has before all other fields.
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
