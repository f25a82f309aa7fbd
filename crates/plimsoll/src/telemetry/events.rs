//! Events of `tracing`, and of `log` through it, as records of the contract's shape.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::Context,
};

use super::{Log, Priority, Record};
use crate::{
    config::{Level, LogLevels},
    context,
};

/// Writes every event as one record: its target is the record's `name`, its fields follow.
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
}

impl<S: Subscriber> Layer<S> for EventLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        // Asked here and not in `enabled`: that would silence other layers of the subscriber too.
        if !self
            .targets
            .would_enable(metadata.target(), metadata.level())
        {
            return;
        }
        let level = level(metadata);
        let priority = if level >= Level::Warning {
            Priority::High
        } else {
            Priority::Low
        };
        let mut message = Message::default();
        event.record(&mut message);
        context::with_request_id(|request_id| {
            let write = |record: &mut Record<'_>| {
                event.record(&mut Fields(record));
                record.trace(context::recorded_span());
            };
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
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a String fails only if the value's own Debug does.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// Writes the fields other than the message.
struct Fields<'a, 'b>(&'a mut Record<'b>);

impl Fields<'_, '_> {
    /// The name of a field of the user's, or nothing for those that stand elsewhere in the record.
    fn name(field: &Field) -> Option<&'static str> {
        let name = field.name();
        // `log.…` are what the bridge from `log` says of a record's place.
        (name != "message" && !name.starts_with("log.")).then_some(name)
    }
}

impl Visit for Fields<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if let Some(name) = Self::name(field) {
            self.0.float(name, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Some(name) = Self::name(field) {
            self.0.number(name, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(name) = Self::name(field) {
            self.0.number(name, value);
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        if let Some(name) = Self::name(field) {
            self.0.number(name, value);
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        if let Some(name) = Self::name(field) {
            self.0.number(name, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if let Some(name) = Self::name(field) {
            self.0.bool(name, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(name) = Self::name(field) {
            self.0.str(name, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if let Some(name) = Self::name(field) {
            self.0.str(name, &crate::error::chain(value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(name) = Self::name(field) {
            self.0.str(name, &format!("{value:?}"));
        }
    }
}
