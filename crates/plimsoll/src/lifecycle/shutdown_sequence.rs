//! Turns "please stop" into an end that loses no request.
//!
//! ```text
//! stop ─▶ lame duck ──DRAIN_DELAY──▶ draining ──empty, or SHUTDOWN_TIMEOUT──▶ flushing ─▶ report
//!             └───────── a second stop skips to here ──────────────────────────┘
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

/// What hooks and the flush of telemetry share (contract LIFE-1).
const AFTER_DRAIN: Duration = Duration::from_secs(3);

/// The longest time from the signal to the end of the process (contract LIFE-1, LIFE-10).
pub(crate) fn hard_limit(config: &Config, extra_hook_time: Duration) -> Duration {
    [config.shutdown_timeout, AFTER_DRAIN, extra_hook_time]
        .into_iter()
        .fold(config.drain_delay, Duration::saturating_add)
}

/// What of that is left for the flush, however long the hooks take.
const FLUSH_AT_LEAST: Duration = Duration::from_millis(400);

/// What both have after a second signal (LIFE-3: 1 s, the cut included).
const HURRIED_BUDGET: Duration = Duration::from_millis(800);

/// How long connections that were cut off get to write their records.
const CUT_BUDGET: Duration = Duration::from_millis(200);

/// The end of one service.
#[derive(Debug)]
pub(crate) struct ShutdownSequence<'a> {
    pub(crate) lifecycle: &'a Arc<Lifecycle>,
    pub(crate) registry: &'a Registry,
    pub(crate) log: &'a Log,
    pub(crate) hooks: &'a Hooks,
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// Where the hooks run.
    pub(crate) runtime: &'a runtime::Handle,
}

impl ShutdownSequence<'_> {
    /// Goes through all states up to flushing. What is left is to write the report, and the time
    /// there is for that.
    ///
    /// `force` ends when somebody wants it to be over at once, at whatever stage it is.
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
        // Whether all went or the time was over shows in what is left, which is counted below.
        force.or(drained).await;
        report.drain = began.elapsed() - report.lame_duck;

        let end = Instant::now()
            + if force.is_over {
                HURRIED_BUDGET
            } else {
                AFTER_DRAIN
            };
        // In this order: a request that ends in between is missing from both, and in neither twice.
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
        let time = (end - FLUSH_AT_LEAST).saturating_duration_since(hooks_began);
        let hooks = self.hooks.run(time, force.is_over, self.runtime, self.log);
        let ended = if force.is_over {
            Some(hooks.await)
        } else {
            force.or(hooks).await
        };
        // A second signal cuts off the hook that runs, and all behind it.
        let ended = ended.unwrap_or_else(|| HooksOutcome {
            cut_off: self.hooks.len() + 1,
            left: Duration::ZERO,
        });
        report.hooks_cut_off = ended.cut_off;
        report.hooks = hooks_began.elapsed();
        let flush = if force.is_over {
            FLUSH_AT_LEAST
        } else {
            ended.left + FLUSH_AT_LEAST
        };
        ShutdownOutcome { report, flush }
    }

    fn enter_draining(&self) {
        self.lifecycle.advance(LifecycleState::Draining);
        self.lifecycle.connections.enter_stage(DrainStage::Draining);
    }
}

/// How the end went, but for the last record.
#[derive(Debug)]
pub(crate) struct ShutdownOutcome {
    pub(crate) report: ShutdownReport,
    /// How long the flush of the log may take.
    pub(crate) flush: Duration,
}

/// Somebody who may want it to be over at once.
#[derive(Debug)]
pub(crate) struct ForcedShutdown<F> {
    wanted: Pin<Box<F>>,
    is_over: bool,
}

impl<F: Future<Output = ()>> ForcedShutdown<F> {
    pub(crate) fn new(wanted: F) -> Self {
        Self {
            wanted: Box::pin(wanted),
            is_over: false,
        }
    }

    /// Waits for `work`; gives nothing if it is wanted to be over, now or before.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        if self.is_over {
            return None;
        }
        tokio::select! {
            biased;
            result = work => Some(result),
            () = &mut self.wanted => {
                self.is_over = true;
                None
            }
        }
    }
}
