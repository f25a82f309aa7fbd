//! The metrics of a service, beside those of the chassis.
//!
//! [`Metrics`], which [`Handle::metrics`](crate::Handle::metrics) returns, registers counters,
//! gauges and histograms. They appear in `/metrics` together with the chassis's own metrics, which
//! `docs/metrics.md` in the repository lists.
//!
//! | kind | without labels | label values of the service | label values of clients |
//! |---|---|---|---|
//! | [`Counter`] | [`Metrics::counter`] | [`Metrics::counter_family`] | [`Metrics::bounded_counter`] |
//! | [`Gauge`] | [`Metrics::gauge`] | [`Metrics::gauge_family`] | [`Metrics::bounded_gauge`] |
//! | [`Histogram`] | [`Metrics::histogram`] | [`Metrics::histogram_family`] | [`Metrics::bounded_histogram`] |
//!
//! Other registries are included with [`Metrics::append_exposition`].
//! [`TextFormat`] selects the format of [`EdgeLayer::metrics`](crate::EdgeLayer::metrics).

// The chassis's own metrics are cells found by index: a request adds to a cell of its thread, and
// no name is looked up. A service's metrics are those of prometheus-client, in newtypes, and are
// rendered into the same response.
//
// Invariants:
//
// * Series of requests are bounded by routes × methods × statuses, which are closed sets (MET-4).
// * The counter of a request is the sum of its histogram's buckets, so they are equal (MET-5).
// * No state is kept between scrapes (MET-8).

mod accept_error;
mod admin;
mod appended;
mod bounded;
#[cfg(feature = "client")]
mod calls;
mod causes;
mod cells;
mod checks;
mod definition;
#[cfg_attr(not(feature = "otlp"), path = "metrics/exemplars/disabled.rs")]
mod exemplars;
mod http;
mod literal_routes;
mod method;
mod process;
mod protocol;
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "public with the feature `testing`")
)]
pub(crate) mod reader;
mod rejection;
mod restarts;
mod routes;
mod shard;
mod spans;
mod text;
mod user;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

#[cfg(feature = "client")]
use self::calls::CallMetrics;
#[cfg(feature = "client")]
pub(crate) use self::calls::{CallOutcome, PeerId};
pub(crate) use self::{
    accept_error::AcceptError,
    admin::{AdminAction, AdminMetrics, Denial},
    causes::{Cause, CauseCounts},
    checks::{CheckCells, CheckMetrics, CheckResult},
    definition::FAMILIES,
    http::{HttpMetrics, RouteId, RouteSummary, STATUS_CLASSES},
    protocol::ProtocolError,
    rejection::Rejection,
    restarts::Restarts,
    routes::UNMATCHED,
    shard::ShardOwners,
    spans::SpanTotals,
};
pub(crate) use self::{literal_routes::LiteralRoutes, method::method_slot};
#[cfg(feature = "otlp")]
pub(crate) use self::{method::method_label, spans::SpanLoss};
#[cfg(feature = "prometheus-client")]
pub use prometheus_client;
use tokio::runtime::RuntimeMetrics;

pub use self::{
    bounded::BoundedFamily,
    text::TextFormat,
    user::{Counter, Family, Gauge, Histogram, MetricError, Metrics},
};
use self::{definition as families, text::TextEncoder};
use crate::{
    build_info::BuildInfo,
    request::{EntryId, InFlightTable},
    telemetry::Totals,
};

/// All metrics of one service.
#[derive(Debug)]
pub(crate) struct Registry {
    build: BuildInfo,
    pub(crate) http: HttpMetrics,
    #[cfg(feature = "client")]
    pub(crate) calls: CallMetrics,
    pub(crate) connections: ConnectionCounts,
    pub(crate) accept_errors: CauseCounts<AcceptError>,
    pub(crate) protocol_errors: CauseCounts<ProtocolError>,
    /// Panics that a guard caught and the panic hook did not count.
    pub(crate) panics: AtomicU64,
    pub(crate) shed: AtomicU64,
    /// The expiry of the certificate, in seconds since the epoch; 0 without TLS.
    pub(crate) certificate_expiry: AtomicU64,
    pub(crate) tls_reload_failures: AtomicU64,
    /// Restarts of background workers.
    pub(crate) restarts: Restarts,
    pub(crate) checks: CheckMetrics,
    pub(crate) admin: AdminMetrics,
    /// The requests in flight. Set before the first request, if there are operator controls.
    pub(crate) in_flight: OnceLock<Arc<InFlightTable>>,
    workers: Vec<RuntimeMetrics>,
    pub(crate) user: Metrics,
}

/// The counters of connections.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounts {
    pub(crate) accepted: AtomicU64,
    pub(crate) closed: AtomicU64,
    /// Connections that have reached `MAX_CONNECTION_AGE`.
    pub(crate) aged: AtomicU64,
    pub(crate) rejected: CauseCounts<Rejection>,
}

/// The load of a worker.
#[derive(Debug)]
pub(crate) struct WorkerLoad {
    /// The time in which it polled tasks.
    pub(crate) busy: Duration,
    pub(crate) tasks: usize,
    /// The number of tasks that other threads have woken and that it has not polled yet.
    pub(crate) queue_depth: usize,
}

/// Values of other modules, collected for one scrape.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) log: Totals,
    /// The name of each life-cycle state, and whether it is the current one.
    pub(crate) states: Vec<(&'static str, bool)>,
    /// Each kind of holder of readiness, and whether one holds it now.
    pub(crate) held_by: Vec<(&'static str, bool)>,
    /// Panics that the panic hook counted.
    pub(crate) hooked_panics: u64,
    /// The time since the last heartbeat of each worker.
    pub(crate) heartbeat_ages: Vec<Duration>,
    /// The number of request slots, and of taken ones, if there is a limit.
    pub(crate) slots: Option<(usize, usize)>,
    /// The counts of spans, if traces are on.
    pub(crate) spans: Option<SpanTotals>,
}

impl Registry {
    pub(crate) fn new(build: BuildInfo, shards: usize, workers: Vec<RuntimeMetrics>) -> Arc<Self> {
        Arc::new(Self {
            http: HttpMetrics::new(shards),
            #[cfg(feature = "client")]
            calls: CallMetrics::new(shards),
            connections: ConnectionCounts::default(),
            accept_errors: CauseCounts::default(),
            protocol_errors: CauseCounts::default(),
            panics: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            certificate_expiry: AtomicU64::new(0),
            tls_reload_failures: AtomicU64::new(0),
            restarts: Restarts::default(),
            checks: CheckMetrics::default(),
            admin: AdminMetrics::default(),
            in_flight: OnceLock::new(),
            workers,
            user: Metrics::default(),
            build,
        })
    }

    /// Returns the name and build of the service.
    pub(crate) const fn build(&self) -> &BuildInfo {
        &self.build
    }

    /// Returns the entry of a request in flight, if it has one, and the table.
    #[inline]
    pub(crate) fn in_flight_entry(
        &self,
        entry: Option<EntryId>,
    ) -> Option<(&Arc<InFlightTable>, EntryId)> {
        let entry = entry?;
        Some((self.in_flight.get()?, entry))
    }

    /// Returns the load of each worker: each is a runtime of one thread.
    pub(crate) fn workers(&self) -> impl ExactSizeIterator<Item = WorkerLoad> {
        self.workers.iter().map(|worker| WorkerLoad {
            busy: worker.worker_total_busy_duration(0),
            tasks: worker.num_alive_tasks(),
            queue_depth: worker.global_queue_depth(),
        })
    }

    /// Renders the current values of all metrics.
    ///
    /// `log` gets the reason for which the text of another registry is dropped.
    pub(crate) fn render(
        &self,
        format: TextFormat,
        gauges: &Gauges,
        log: &dyn Fn(&dyn fmt::Display),
    ) -> String {
        let mut out = TextEncoder::new(format);
        self.http.render(&mut out, self.build.service());
        #[cfg(feature = "client")]
        self.calls.render(&mut out);
        self.render_connections(&mut out, gauges);
        self.accept_errors
            .render(&mut out, &families::ACCEPT_ERRORS);
        self.protocol_errors
            .render(&mut out, &families::PROTOCOL_ERRORS);
        self.render_service(&mut out, gauges);
        process::render(&mut out);
        self.render_workers(&mut out, gauges);
        self.restarts.render(&mut out);
        out.family(&families::SERVICE_NOT_READY);
        for (kind, is_held) in &gauges.held_by {
            out.sample("", &[("by", kind)], u64::from(*is_held));
        }
        self.checks.render(&mut out);
        self.admin.render(&mut out);
        self.render_folded(&mut out);
        out.append_user(&self.user.render());
        self.user.render_appended(&mut out, log);
        out.finish()
    }

    fn render_connections(&self, out: &mut TextEncoder, gauges: &Gauges) {
        out.family(&families::SHED);
        out.sample("_total", &[], self.shed.load(Ordering::Relaxed));
        if let Some((all, taken)) = gauges.slots {
            out.family(&families::SLOTS);
            out.sample("", &[], all);
            out.family(&families::SLOTS_TAKEN);
            out.sample("", &[], taken);
        }
        // Closed first: a connection that opens and closes in between must not be subtracted only.
        let closed = self.connections.closed.load(Ordering::Acquire);
        let accepted = self.connections.accepted.load(Ordering::Acquire);
        out.family(&families::CONNECTIONS_OPEN);
        out.sample("", &[], accepted.saturating_sub(closed));
        out.family(&families::CONNECTIONS);
        out.sample("_total", &[], accepted);
        out.family(&families::CONNECTIONS_AGED);
        let aged = self.connections.aged.load(Ordering::Relaxed);
        out.sample("_total", &[], aged);
        self.connections
            .rejected
            .render(out, &families::CONNECTIONS_REJECTED);
    }

    fn render_service(&self, out: &mut TextEncoder, gauges: &Gauges) {
        out.family(&families::PANICS);
        out.sample(
            "_total",
            &[],
            self.panics.load(Ordering::Relaxed) + gauges.hooked_panics,
        );
        out.family(&families::LOG_RECORDS);
        for (level, count) in gauges.log.by_level() {
            out.sample("_total", &[("level", level)], count);
        }
        out.family(&families::LOG_RECORDS_DROPPED);
        out.sample("_total", &[], gauges.log.dropped);
        if let Some(spans) = &gauges.spans {
            spans.render(out);
        }
        out.family(&families::SERVICE_STATE);
        for (state, present) in &gauges.states {
            out.sample("", &[("state", state)], u64::from(*present));
        }
        let expiry = self.certificate_expiry.load(Ordering::Relaxed);
        if expiry > 0 {
            out.family(&families::CERTIFICATE);
            out.sample("", &[], expiry);
            out.family(&families::TLS_RELOAD_FAILURES);
            out.sample(
                "_total",
                &[],
                self.tls_reload_failures.load(Ordering::Relaxed),
            );
        }
        out.family(&families::BUILD_INFO);
        let labels = [
            ("service", self.build.service()),
            ("version", self.build.version()),
            ("build_time", self.build.build_time()),
        ];
        out.sample("", &labels, 1_u64);
    }

    /// Renders the counts of folded label values, if the service has bounded metrics.
    fn render_folded(&self, out: &mut TextEncoder) {
        let folded = self.user.folded();
        if !folded.is_empty() {
            out.family(&families::LABELS_FOLDED);
        }
        for (metric, count) in folded {
            out.sample("_total", &[("metric", &metric)], count);
        }
    }

    /// Renders the metrics of the workers: each is a runtime of one thread.
    ///
    /// A service on a runtime of the program has no workers.
    fn render_workers(&self, out: &mut TextEncoder, gauges: &Gauges) {
        let sum =
            |count: fn(&RuntimeMetrics) -> usize| self.workers.iter().map(count).sum::<usize>();
        out.family(&families::RUNTIME_WORKERS);
        out.sample("", &[], self.workers.len());
        out.family(&families::RUNTIME_TASKS);
        out.sample("", &[], sum(RuntimeMetrics::num_alive_tasks));
        out.family(&families::RUNTIME_QUEUE);
        out.sample("", &[], sum(RuntimeMetrics::global_queue_depth));
        out.family(&families::RUNTIME_BUSY);
        for (index, worker) in self.workers.iter().enumerate() {
            let busy = worker.worker_total_busy_duration(0).as_secs_f64();
            out.sample("_total", &[("worker", &index.to_string())], busy);
        }
        out.family(&families::RUNTIME_SILENCE);
        for (index, age) in gauges.heartbeat_ages.iter().enumerate() {
            out.sample("", &[("worker", &index.to_string())], age.as_secs_f64());
        }
        out.family(&families::RUNTIME_PARKS);
        for (index, worker) in self.workers.iter().enumerate() {
            out.sample(
                "_total",
                &[("worker", &index.to_string())],
                worker.worker_park_count(0),
            );
        }
    }
}
