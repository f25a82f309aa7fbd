//! The levels in force: `LOG_LEVEL`, and the overrides of operators (contract ADM-11, ADM-12).
//!
//! # Cost
//!
//! `tracing` caches for each callsite whether its events are logged. A change of the levels rebuilds
//! these caches, so a disabled event costs as much as before. While a request has levels of its own,
//! events at these levels are not cached, and each looks up the current request. With `DEBUG_ON_ERROR`,
//! that applies to events down to DEBUG.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use arc_swap::ArcSwap;
use tracing::{Metadata, callsite::rebuild_interest_cache, subscriber::Interest};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::{Context, Filter},
};

use crate::{
    config::{Level, LogLevels},
    request::RequestId,
};

/// The name of access records.
const ACCESS: &str = "http";

/// The bit of [`Levels::access`] for levels of single requests.
const HAS_REQUESTS: u8 = 0x80;

/// The levels of one log.
#[derive(Debug)]
pub(crate) struct Levels {
    configured: LogLevels,
    in_force: ArcSwap<LevelsInForce>,
    /// The lowest level of access records that any request may write, as a number, and
    /// [`HAS_REQUESTS`].
    access: AtomicU8,
    /// Whether records below their level are kept for requests that fail (contract LOG-16).
    keeps_debug: bool,
}

/// The levels for all requests, and those of single requests.
#[derive(Debug, Clone)]
struct LevelsInForce {
    general: Thresholds,
    requests: Vec<RequestLevels>,
}

/// The levels of one request.
#[derive(Debug, Clone)]
struct RequestLevels {
    id: String,
    thresholds: Thresholds,
}

#[derive(Debug, Clone)]
struct Thresholds {
    levels: LogLevels,
    /// The same thresholds for `tracing`.
    targets: Targets,
}

impl Thresholds {
    fn new(levels: LogLevels) -> Self {
        let targets = targets(&levels);
        Self { levels, targets }
    }

    fn enables(&self, metadata: &Metadata<'_>) -> bool {
        self.targets
            .would_enable(metadata.target(), metadata.level())
    }
}

impl LevelsInForce {
    /// Returns the levels of the current request, if it has levels of its own.
    fn of_current_request(&self) -> Option<&Thresholds> {
        if self.requests.is_empty() {
            return None;
        }
        let current = RequestId::current()?;
        self.of(current.as_str())
    }

    fn of(&self, request_id: &str) -> Option<&Thresholds> {
        let mut requests = self.requests.iter();
        let found = requests.find(|request| request.id == request_id);
        found.map(|request| &request.thresholds)
    }

    /// Whether an event is logged now, in the current request.
    fn enables(&self, metadata: &Metadata<'_>) -> bool {
        self.general.enables(metadata)
            || self
                .of_current_request()
                .is_some_and(|thresholds| thresholds.enables(metadata))
    }

    fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.general.enables(metadata) {
            return Interest::always();
        }
        let mut requests = self.requests.iter();
        if requests.any(|request| request.thresholds.enables(metadata)) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level(&self) -> LevelFilter {
        let requests = self.requests.iter().map(|request| &request.thresholds);
        std::iter::once(&self.general)
            .chain(requests)
            .map(|thresholds| filter(thresholds.levels.lowest()))
            .max()
            .unwrap_or(LevelFilter::OFF)
    }

    /// The lowest level of access records as a number, and [`HAS_REQUESTS`].
    fn packed_access(&self) -> u8 {
        let has_requests = if self.requests.is_empty() {
            0
        } else {
            HAS_REQUESTS
        };
        let requests = self.requests.iter().map(|request| &request.thresholds);
        std::iter::once(&self.general)
            .chain(requests)
            .map(|thresholds| thresholds.levels.threshold(ACCESS))
            .min()
            .map_or(u8::MAX, |level| level as u8 | has_requests)
    }
}

impl Levels {
    pub(super) fn new(configured: LogLevels, keeps_debug: bool) -> Self {
        let in_force = LevelsInForce {
            general: Thresholds::new(configured.clone()),
            requests: Vec::new(),
        };
        Self {
            configured,
            access: AtomicU8::new(in_force.packed_access()),
            in_force: ArcSwap::from_pointee(in_force),
            keeps_debug,
        }
    }

    /// The levels of `LOG_LEVEL`.
    pub(crate) const fn configured(&self) -> &LogLevels {
        &self.configured
    }

    /// The levels that apply to all requests now.
    pub(crate) fn general(&self) -> LogLevels {
        self.in_force.load().general.levels.clone()
    }

    /// Replaces the levels of all requests. `None` restores those of `LOG_LEVEL`.
    pub(crate) fn set_general(&self, levels: Option<LogLevels>) {
        let levels = levels.unwrap_or_else(|| self.configured.clone());
        self.update(|in_force| in_force.general = Thresholds::new(levels));
    }

    /// Sets the levels of the request with this id. `None` removes them.
    pub(crate) fn set_request(&self, id: &str, levels: Option<LogLevels>) {
        self.update(|in_force| {
            in_force.requests.retain(|request| request.id != id);
            in_force.requests.extend(levels.map(|levels| RequestLevels {
                id: id.to_owned(),
                thresholds: Thresholds::new(levels),
            }));
        });
    }

    /// Callers hold the lock of the operators' changes (`control.rs`), so updates never overlap.
    fn update(&self, change: impl FnOnce(&mut LevelsInForce)) {
        let mut in_force = LevelsInForce::clone(&self.in_force.load());
        change(&mut in_force);
        let access = in_force.packed_access();
        self.in_force.store(Arc::new(in_force));
        self.access.store(access, Ordering::Relaxed);
        rebuild_interest_cache();
    }

    pub(super) fn threshold(&self, name: &str) -> Level {
        self.in_force.load().general.levels.threshold(name)
    }

    /// Whether the access record of a request is written. Usually one relaxed load.
    pub(crate) fn enables_access(&self, level: Level, request_id: &RequestId) -> bool {
        let access = self.access.load(Ordering::Relaxed);
        if (level as u8) < access & !HAS_REQUESTS {
            return false;
        }
        if access & HAS_REQUESTS == 0 {
            return true;
        }
        let in_force = self.in_force.load();
        let own = in_force.of(request_id.as_str());
        let mut all = std::iter::once(&in_force.general).chain(own);
        all.any(|thresholds| level >= thresholds.levels.threshold(ACCESS))
    }

    /// Whether a span or event is logged now.
    pub(super) fn enables(&self, metadata: &Metadata<'_>) -> bool {
        self.in_force.load().enables(metadata)
    }

    /// Whether a span or event is kept for a request that fails.
    pub(super) fn keeps(&self, metadata: &Metadata<'_>) -> bool {
        self.keeps_debug && *metadata.level() <= tracing::Level::DEBUG
    }

    fn interest(&self, metadata: &'static Metadata<'static>) -> Interest {
        let interest = self.in_force.load().interest(metadata);
        if interest.is_never() && self.keeps(metadata) {
            Interest::sometimes()
        } else {
            interest
        }
    }

    pub(super) fn max_level(&self) -> LevelFilter {
        let kept = if self.keeps_debug {
            LevelFilter::DEBUG
        } else {
            LevelFilter::OFF
        };
        self.in_force.load().max_level().max(kept)
    }
}

/// The filter of the layer that writes events: those below their level are not created.
#[derive(Debug, Clone)]
pub(crate) struct LevelFilterLayer(pub(super) Arc<Levels>);

impl<S> Filter<S> for LevelFilterLayer {
    /// Asked about callsites that some request enables or keeps, and about records of `log`.
    /// [`EventLayer`](super::EventLayer) decides about their events.
    ///
    /// `Filtered` keeps a negative answer until the next event of the thread, which it then drops. A
    /// query without an event, such as `enabled!` or `log_enabled!`, would lose that event.
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.interest(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.max_level())
    }
}

/// Converts the thresholds of `LOG_LEVEL` to those of `tracing`, which has no CRITICAL.
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

#[cfg(test)]
mod tests {
    use std::{io, sync::OnceLock};

    use tracing::{
        Event, Level as Verbosity, Subscriber, debug, enabled, error, event,
        subscriber::{set_default, with_default},
    };
    use tracing_log::LogTracer;
    use tracing_subscriber::{Layer, layer::SubscriberExt as _};

    use super::*;
    use crate::{
        config::LogFormat,
        telemetry::{Log, Output},
    };

    fn log() -> Log {
        let levels = LogLevels::all(Level::Info);
        Log::start(Output::to(io::sink()), LogFormat::Json, levels, 1).expect("it starts")
    }

    fn count(log: &Log, level: &str) -> u64 {
        let totals = log.totals();
        let mut levels = totals.by_level();
        levels.find(|(name, _)| *name == level).map_or(0, |it| it.1)
    }

    /// Logs a DEBUG record of the crate `log`.
    fn bridge() {
        let mut record = log::Record::builder();
        log::Log::log(&LogTracer::new(), &record.level(log::Level::Debug).build());
    }

    /// ADM-11
    #[test]
    fn override_covers_records_of_the_crate_log() {
        let log = log();
        let _guard = set_default(tracing_subscriber::registry().with(log.layer().filtered()));
        bridge();
        log.levels().set_general(Some(LogLevels::all(Level::Debug)));
        bridge();
        log.levels().set_general(None);
        bridge();
        assert_eq!(count(&log, "DEBUG"), 1);
    }

    /// Keeps the metadata of an event.
    #[derive(Clone, Default)]
    struct Capture(Arc<OnceLock<&'static Metadata<'static>>>);

    impl<S: Subscriber> Layer<S> for Capture {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.get_or_init(|| event.metadata());
        }
    }

    /// Returns the metadata of the event that `log` logs.
    fn metadata_of(log: impl FnOnce()) -> &'static Metadata<'static> {
        let capture = Capture::default();
        with_default(tracing_subscriber::registry().with(capture.clone()), log);
        capture.0.get().expect("an event was logged")
    }

    /// LOG-16: without the setting, a disabled event costs the check of a cached value.
    #[test]
    fn disabled_event_is_cached_without_debug_on_error() {
        let debug = metadata_of(|| debug!("any"));
        let trace = metadata_of(|| event!(Verbosity::TRACE, "any"));
        let interests = |log: Log| [debug, trace].map(|it| log.levels().interest(it));
        assert!(interests(log()).iter().all(Interest::is_never));
        let [debug, trace] = interests(log().with_debug_on_error());
        assert!(debug.is_sometimes() && trace.is_never());
    }

    /// ADM-12: code that only asks whether a level is enabled loses no later event.
    #[test]
    fn query_of_a_disabled_level_loses_no_event() {
        let log = log();
        let _guard = set_default(tracing_subscriber::registry().with(log.layer().filtered()));
        log.levels()
            .set_request("0123456789abcdef", Some(LogLevels::all(Level::Trace)));
        let debug = log::Metadata::builder().level(log::Level::Debug).build();
        for _ in 0..4 {
            let _ = enabled!(Verbosity::DEBUG);
            error!("it is logged");
            let _ = log::Log::enabled(&LogTracer::new(), &debug);
            error!("it is logged");
            debug!("it is below the level");
        }
        assert_eq!((count(&log, "ERROR"), count(&log, "DEBUG")), (8, 0));
    }
}
