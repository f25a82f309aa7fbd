//! A service that accepts connections, and its shutdown.

#[cfg(feature = "testing")]
use std::net::SocketAddr;
use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    runtime,
    time::{Instant, timeout},
};

use super::admin::AdminListener;
#[cfg(feature = "testing")]
use crate::check::Checks;
use crate::{
    config::Level,
    lifecycle::{
        ForcedShutdown, Hooks, Lifecycle, MIN_FLUSH, ShutdownOutcome, ShutdownReport,
        ShutdownSequence, Stop,
    },
    metrics::Registry,
    otlp::Tracer,
    telemetry::Log,
};

/// How long the export of the last spans may take, so that a collector that hangs delays the shutdown
/// no longer.
const SPAN_FLUSH_LIMIT: Duration = Duration::from_millis(1900);

/// A service that accepts connections.
#[derive(Debug)]
pub(crate) struct Running {
    #[cfg(feature = "testing")]
    pub(crate) local_addr: Option<SocketAddr>,
    #[cfg(feature = "testing")]
    pub(crate) checks: Checks,
    pub(crate) log: Log,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) registry: Arc<Registry>,
    pub(super) hooks: Hooks,
    /// It answers until the log ends, so that the records of its requests are written.
    pub(super) admin: Option<AdminListener>,
    pub(super) drain_delay: Duration,
    pub(super) shutdown_timeout: Duration,
    /// The runtime of the service's own code, hooks included.
    pub(super) runtime: runtime::Handle,
    pub(super) tracer: Tracer,
}

impl Running {
    /// Shuts the service down: lame duck, drain, hooks, admin listener, flush. `force` makes it skip to
    /// the flush.
    ///
    /// Do not wait for the runtime afterwards: the flush may still hang in it.
    pub(crate) async fn end(self, stop: Stop, force: impl Future<Output = ()>) -> ShutdownReport {
        let sequence = ShutdownSequence {
            lifecycle: &self.lifecycle,
            registry: &self.registry,
            log: &self.log,
            hooks: &self.hooks,
            drain_delay: self.drain_delay,
            shutdown_timeout: self.shutdown_timeout,
            runtime: &self.runtime,
        };
        let mut force = ForcedShutdown::new(force);
        let ShutdownOutcome { report, flush } = sequence.run(stop, &mut force).await;
        let flush = flush_spans(&self.tracer, &self.log, flush, &mut force).await;
        let began = Instant::now();
        if let Some(drained) = self.admin.as_ref().map(AdminListener::drain) {
            force.or(drained).await;
        }
        // Requests that have not ended are dropped, and write their records.
        drop(self.admin);
        let flush = flush.saturating_sub(began.elapsed());
        let record_report = report.clone();
        // The thread of the log writes the last record, because no other thread may be available. If
        // the reader of stdout has stopped, the thread hangs, and the record is missing.
        let mut flushed =
            self.log
                .begin_finish(Level::Info, "shutdown_complete", move |record, totals| {
                    record_report.write(record, totals);
                });
        if force.or(timeout(flush, &mut flushed)).await.is_none() {
            let _ = timeout(flush.min(MIN_FLUSH), flushed).await;
        }
        report
    }
}

/// Sends the remaining spans, and logs the totals. Returns the time that is left for the log.
async fn flush_spans(
    tracer: &Tracer,
    log: &Log,
    flush: Duration,
    force: &mut ForcedShutdown<impl Future<Output = ()>>,
) -> Duration {
    let began = Instant::now();
    let limit = SPAN_FLUSH_LIMIT.min(flush.saturating_sub(MIN_FLUSH));
    if force.or(tracer.close(limit)).await.is_none() {
        // Drops and counts the spans that were not sent.
        tracer.close(Duration::ZERO).await;
    }
    let Some(spans) = tracer.totals() else {
        return flush;
    };
    log.infra(Level::Info, "trace_export_ended", |record| {
        record.number("spansProduced", spans.produced);
        record.number("spansExported", spans.exported);
        record.number("spansDropped", spans.total_dropped());
    });
    flush.saturating_sub(began.elapsed()).max(MIN_FLUSH)
}
