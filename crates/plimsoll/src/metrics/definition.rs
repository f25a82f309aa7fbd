//! The table of all metrics of the chassis.
//!
//! The scrape, `docs/metrics.md` and the check for collisions with a service's own names use it.

/// The type of a metric of the chassis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

impl FamilyKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The definition of a metric family.
#[derive(Debug)]
pub(crate) struct FamilyDefinition {
    /// The name without the `_total` of counters, which is part of the sample in OpenMetrics.
    pub(crate) name: &'static str,
    pub(crate) kind: FamilyKind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

impl FamilyDefinition {
    /// Returns the name in the plain format and in queries.
    pub(crate) fn plain_name(&self) -> String {
        plain_name(self.name, self.kind)
    }
}

/// Returns the name of a metric in the plain format and in queries.
pub(super) fn plain_name(name: &str, kind: FamilyKind) -> String {
    match kind {
        FamilyKind::Counter => format!("{name}_total"),
        FamilyKind::Gauge | FamilyKind::Histogram => name.to_owned(),
    }
}

macro_rules! families {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            pub(super) const $id: FamilyDefinition = FamilyDefinition {
                name: $name,
                kind: FamilyKind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// All families, in the order of the scrape.
        pub(crate) const FAMILIES: &[FamilyDefinition] = &[$($id),*];
    };
}

families! {
    REQUESTS: Counter "http_requests" ["service", "method", "path", "status"]
        "Requests that have ended, by route pattern.";
    DURATION: Histogram "http_request_duration_seconds" ["service", "method", "path", "status"]
        "Time from the request head to the last byte of the response, in seconds.";
    IN_FLIGHT: Gauge "http_requests_in_flight" []
        "Requests that have begun and not ended, without probes and metrics.";
    CLIENT_REQUESTS: Counter "http_client_requests" ["peer", "method", "status"]
        "Requests to other services that have ended. The status is `error` if the client failed and `cancelled` if the call was dropped. Only with a `ClientLayer`.";
    CLIENT_DURATION: Histogram "http_client_request_duration_seconds" ["peer", "method", "status"]
        "Time from the request to the head of the response of another service, in seconds. Only with a `ClientLayer`.";
    SHED: Counter "http_requests_shed" []
        "Requests rejected with 503 immediately: too many in flight, or only the reserve of connections left.";
    SLOTS: Gauge "http_request_slots" []
        "Maximum number of requests in flight, MAX_IN_FLIGHT. Only with that limit.";
    SLOTS_TAKEN: Gauge "http_request_slots_taken" []
        "Requests that count towards that limit: requests in flight without event streams, upgraded connections and responses that wait for their clients.";
    CONNECTIONS_OPEN: Gauge "http_connections_open" []
        "Connections that are open now.";
    CONNECTIONS: Counter "http_connections" []
        "Connections accepted.";
    CONNECTIONS_AGED: Counter "http_connections_aged" []
        "Connections that reached MAX_CONNECTION_AGE.";
    CONNECTIONS_REJECTED: Counter "http_connections_rejected" ["reason"]
        "Connections evicted or rejected at the connection limit, MAX_CONNECTIONS.";
    ACCEPT_ERRORS: Counter "http_accept_errors" ["kind"]
        "Errors of accept, by kind.";
    PROTOCOL_ERRORS: Counter "http_protocol_errors" ["kind"]
        "Request heads rejected by the parser or never completed.";
    PANICS: Counter "panics" []
        "Panics in handlers, bodies and background tasks.";
    LOG_RECORDS: Counter "log_records" ["level"]
        "Log records produced, written or dropped.";
    LOG_RECORDS_DROPPED: Counter "log_records_dropped" []
        "Log records lost because the reader of stdout was slow or stdout failed.";
    TRACE_SPANS: Counter "trace_spans" []
        "Spans of recorded requests. Only with traces.";
    TRACE_SPANS_EXPORTED: Counter "trace_spans_exported" []
        "Spans accepted by the collector. Only with traces.";
    TRACE_SPANS_DROPPED: Counter "trace_spans_dropped" ["reason"]
        "Spans lost: the queue was full, or the collector failed or rejected them. Only with traces.";
    SERVICE_STATE: Gauge "service_state" ["state"]
        "1 for the current state of the life cycle, 0 for the others.";
    CERTIFICATE: Gauge "tls_certificate_not_after_seconds" []
        "Expiry of the certificate, in seconds since the epoch. Only with TLS.";
    TLS_RELOAD_FAILURES: Counter "tls_reload_failures" []
        "Certificate reloads that failed, so that the old certificate is still in use. Only with TLS.";
    BUILD_INFO: Gauge "build_info" ["service", "version", "build_time"]
        "Always 1; the labels identify the running program.";
    PROCESS_CPU: Counter "process_cpu_seconds" []
        "User and system time spent, in seconds.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "Open file descriptors.";
    PROCESS_MAX_FDS: Gauge "process_max_fds" []
        "Maximum number of open file descriptors.";
    PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" []
        "Virtual memory, in bytes.";
    PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" []
        "Resident memory, in bytes.";
    PROCESS_THREADS: Gauge "process_threads" []
        "Threads of the operating system.";
    PROCESS_START: Gauge "process_start_time_seconds" []
        "Start time of the process, in seconds since the epoch.";
    RUNTIME_WORKERS: Gauge "runtime_workers" []
        "Worker threads of the runtime.";
    RUNTIME_TASKS: Gauge "runtime_alive_tasks" []
        "Tasks that have started and not ended.";
    RUNTIME_QUEUE: Gauge "runtime_global_queue_depth" []
        "Tasks in the global queues: woken from other threads and waiting for their worker.";
    RUNTIME_BUSY: Counter "runtime_worker_busy_seconds" ["worker"]
        "Busy time of a worker, in seconds.";
    RUNTIME_SILENCE: Gauge "runtime_worker_silence_seconds" ["worker"]
        "Time since the last heartbeat of a worker, in seconds; above 1.5 it is stuck.";
    RUNTIME_PARKS: Counter "runtime_worker_parks" ["worker"]
        "Times that a worker slept because it had no work.";
    WORKER_TASK_RESTARTS: Counter "worker_task_restarts" ["worker"]
        "Restarts of background workers that panicked or returned. Only with such workers.";
    SERVICE_NOT_READY: Gauge "service_not_ready" ["by"]
        "1 if a part of the service holds readiness: its `code`, the `operator`, `checks` or background `workers`.";
    CHECK_UP: Gauge "check_up" ["check", "policy"]
        "1 if a health check is up, 0 if it is down. Only from its first result on.";
    CHECK_RESULTS: Counter "check_results" ["check", "result"]
        "Runs of health checks that have ended, by result: `ok`, `failed`, `timeout` or `panicked`. Only with checks.";
    CHECK_AGE: Gauge "check_age_seconds" ["check"]
        "Time since the last run of a health check ended, in seconds. Only with checks.";
    CHECK_DURATION: Gauge "check_duration_seconds" ["check"]
        "Duration of the last run of a health check, in seconds. Only with checks.";
    ADMIN_REQUESTS: Counter "admin_requests" ["path", "status"]
        "Requests to the operator controls that have ended. Only with an admin listener.";
    ADMIN_DENIED: Counter "admin_denied" ["reason"]
        "Requests to the operator controls that were denied. Only with an admin listener.";
    ADMIN_CHANGES: Counter "admin_changes" ["action"]
        "Changes by operators. Only with an admin listener.";
    ADMIN_CHANGES_ACTIVE: Gauge "admin_changes_active" ["action"]
        "Changes by operators that are in force. Only with an admin listener.";
    LABELS_FOLDED: Counter "metrics_labels_folded" ["metric"]
        "Look-ups of label values that have no series of their own and count in `_other`, by metric. Only for the service's bounded metrics.";
    EXPOSITIONS_DROPPED: Counter "metrics_expositions_dropped" []
        "Texts of other registries dropped from a scrape because of their form, their size or a panic. Only with `Metrics::append_exposition`.";
}
