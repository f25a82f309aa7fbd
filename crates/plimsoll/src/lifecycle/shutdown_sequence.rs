//! The graceful shutdown: lame duck, drain, hooks.
//!
//! ```text
//! stop ─▶ lame duck ──DRAIN_DELAY──▶ draining ──empty, or SHUTDOWN_TIMEOUT──▶ flushing ─▶ report
//!             └───────── a second stop skips to flushing ──────────────────────┘
//! ```

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    runtime,
    time::{Instant, sleep, timeout},
};

use super::{
    DrainStage, Hooks, Lifecycle, LifecycleState, ShutdownReport, Stop, hooks::HooksOutcome,
};
use crate::{
    config::{Config, Level},
    metrics::Registry,
    telemetry::Log,
};

/// The time that hooks and the flush of telemetry share (contract LIFE-1).
const AFTER_DRAIN: Duration = Duration::from_secs(3);

/// Returns the longest time from the signal to the exit of the process (contract LIFE-1, LIFE-10).
pub(crate) fn hard_limit(config: &Config, extra_hook_time: Duration) -> Duration {
    [config.shutdown_timeout, AFTER_DRAIN, extra_hook_time]
        .into_iter()
        .fold(config.drain_delay, Duration::saturating_add)
}

/// The time that is reserved for the last requests to the admin listener and the flush of the log,
/// however long hooks and spans take.
pub(crate) const MIN_FLUSH: Duration = Duration::from_millis(400);

/// The time that hooks and flush share after a second signal.
///
/// With [`CUT_BUDGET`] it is the 1 s of contract LIFE-3.
const FORCED_BUDGET: Duration = Duration::from_millis(800);

/// How long connections that were cut off may take to write their records.
const CUT_BUDGET: Duration = Duration::from_millis(200);

/// Runs the shutdown of one service.
#[derive(Debug)]
pub(crate) struct ShutdownSequence<'a> {
    pub(crate) lifecycle: &'a Arc<Lifecycle>,
    pub(crate) registry: &'a Registry,
    pub(crate) log: &'a Log,
    pub(crate) hooks: &'a Hooks,
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// The runtime that the hooks run on.
    pub(crate) runtime: &'a runtime::Handle,
}

impl ShutdownSequence<'_> {
    /// Runs all states up to flushing. Returns the report, and the time for its flush.
    ///
    /// When `force` fires, the current stage is skipped, and all further waits are cut short.
    pub(crate) async fn run(
        self,
        stop: Stop,
        force: &mut ForcedShutdown<impl Future<Output = ()>>,
    ) -> ShutdownOutcome {
        let mut report = ShutdownReport::new(stop.as_str());
        let began = Instant::now();
        let finished_before = self.registry.http.finished();
        self.lifecycle.advance(LifecycleState::LameDuck);
        self.lifecycle.connections.enter_stage(DrainStage::LameDuck);
        self.log.infra(Level::Info, "shutdown_started", |record| {
            record.str("reason", stop.as_str());
            record.bool("ready", false);
            record.number("requestsInFlight", self.registry.http.in_flight());
        });

        if !self.drain_delay.is_zero() {
            force.or(sleep(self.drain_delay)).await;
        }
        report.lame_duck = began.elapsed();
        self.enter_draining();
        let drained = timeout(self.shutdown_timeout, self.lifecycle.connections.ended());
        // The result is not needed: what has not ended is counted below.
        force.or(drained).await;
        report.drain = began.elapsed() - report.lame_duck;

        let end = Instant::now()
            + if force.has_fired {
                FORCED_BUDGET
            } else {
                AFTER_DRAIN
            };
        // In this order, a request that ends in between is counted in neither, rather than in both.
        report.requests_finished = self.registry.http.finished() - finished_before;
        report.requests_cut_off =
            self.registry.http.in_flight() + self.lifecycle.connections.upgraded();
        report.workers_finished = self.lifecycle.runs.finished();
        report.workers_cut_off = self.lifecycle.runs.running();
        self.lifecycle.connections.enter_stage(DrainStage::Cut);
        let _ = timeout(CUT_BUDGET, self.lifecycle.connections.ended()).await;
        report.requests_cut_off += self.lifecycle.connections.cut_off_while_sending();

        self.lifecycle.advance(LifecycleState::Flushing);
        let hooks_began = Instant::now();
        let time = (end - MIN_FLUSH).saturating_duration_since(hooks_began);
        let hooks = self
            .hooks
            .run(time, force.has_fired, self.runtime, self.log);
        let outcome = if force.has_fired {
            Some(hooks.await)
        } else {
            force.or(hooks).await
        };
        // A second signal cuts off the hook that runs, and all that have not started.
        let outcome = outcome.unwrap_or_else(|| HooksOutcome {
            cut_off: self.hooks.len() + 1,
            time_left: Duration::ZERO,
        });
        report.hooks_cut_off = outcome.cut_off;
        report.hooks = hooks_began.elapsed();
        let flush = if force.has_fired {
            MIN_FLUSH
        } else {
            outcome.time_left + MIN_FLUSH
        };
        ShutdownOutcome { report, flush }
    }

    fn enter_draining(&self) {
        self.lifecycle.advance(LifecycleState::Draining);
        self.lifecycle.connections.enter_stage(DrainStage::Draining);
    }
}

/// The result of the shutdown up to the flush.
#[derive(Debug)]
pub(crate) struct ShutdownOutcome {
    pub(crate) report: ShutdownReport,
    /// How long the flush of the log may take.
    pub(crate) flush: Duration,
}

/// A second signal, which cuts the waits of a shutdown short.
#[derive(Debug)]
pub(crate) struct ForcedShutdown<F> {
    signal: Pin<Box<F>>,
    has_fired: bool,
}

impl<F: Future<Output = ()>> ForcedShutdown<F> {
    /// Fires when `signal` completes.
    pub(crate) fn new(signal: F) -> Self {
        Self {
            signal: Box::pin(signal),
            has_fired: false,
        }
    }

    /// Waits for `work`. Returns `None`, and drops `work`, if the shutdown is or becomes forced.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        if self.has_fired {
            return None;
        }
        tokio::select! {
            biased;
            result = work => Some(result),
            () = &mut self.signal => {
                self.has_fired = true;
                None
            }
        }
    }
}
