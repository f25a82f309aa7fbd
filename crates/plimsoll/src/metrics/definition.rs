//! Every metric of the chassis, once: the scrape, `docs/metrics.md` and the check for clashes with
//! a service's own names are made from this table.

/// The kinds of metric that the chassis has.
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

/// One metric: a name, and what its series have in common.
#[derive(Debug)]
pub(crate) struct FamilyDefinition {
    /// Without the `_total` of counters, which OpenMetrics counts as part of the sample.
    pub(crate) name: &'static str,
    pub(crate) kind: FamilyKind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

impl FamilyDefinition {
    /// The name in the plain text format, and in queries.
    pub(crate) fn plain_name(&self) -> String {
        plain_name(self.name, self.kind)
    }
}

/// The name of a metric in the plain text format, and in queries.
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
        "Time from the request head to the last byte of the answer, in seconds.";
    IN_FLIGHT: Gauge "http_requests_in_flight" []
        "Requests that have begun and not ended, without probes and metrics.";
    CLIENT_REQUESTS: Counter "http_client_requests" ["peer", "method", "status"]
        "Requests to other services that have ended. The status is `error` if the client failed and `cancelled` if the call was dropped. Only with a `ClientLayer`.";
    CLIENT_DURATION: Histogram "http_client_request_duration_seconds" ["peer", "method", "status"]
        "Time from the request to the head of the response of another service, in seconds. Only with a `ClientLayer`.";
    SHED: Counter "http_requests_shed" []
        "Requests answered with 503 at once: too many in flight, or no connection left but the reserve.";
    SLOTS: Gauge "http_request_slots" []
        "Requests that may be handled at a time, MAX_IN_FLIGHT. Only with that limit.";
    SLOTS_TAKEN: Gauge "http_request_slots_taken" []
        "Requests that count against that limit: those in flight without event streams, upgraded connections and responses that wait for their clients.";
    CONNECTIONS_OPEN: Gauge "http_connections_open" []
        "Connections that are open now.";
    CONNECTIONS: Counter "http_connections" []
        "Connections accepted.";
    CONNECTIONS_REJECTED: Counter "http_connections_rejected" ["reason"]
        "Connections closed to make room for others, or not taken for want of room.";
    ACCEPT_ERRORS: Counter "http_accept_errors" ["kind"]
        "Connections that could not be accepted, and why.";
    PROTOCOL_ERRORS: Counter "http_protocol_errors" ["kind"]
        "Requests whose head was refused by the parser or never became complete.";
    PANICS: Counter "panics" []
        "Panics in handlers, bodies and background tasks.";
    LOG_RECORDS: Counter "log_records" ["level"]
        "Log records produced, whether written or dropped.";
    LOG_RECORDS_DROPPED: Counter "log_records_dropped" []
        "Log records lost because the reader of stdout was slow or stdout failed.";
    TRACE_SPANS: Counter "trace_spans" []
        "Spans of recorded requests. Only with traces.";
    TRACE_SPANS_EXPORTED: Counter "trace_spans_exported" []
        "Spans that the collector has taken. Only with traces.";
    TRACE_SPANS_DROPPED: Counter "trace_spans_dropped" ["reason"]
        "Spans that will not arrive: too many waited, or the collector failed or refused them. Only with traces.";
    SERVICE_STATE: Gauge "service_state" ["state"]
        "1 for the present state of the life cycle, 0 for the others.";
    CERTIFICATE: Gauge "tls_certificate_not_after_seconds" []
        "When the certificate expires, in seconds since the epoch. Only with TLS.";
    TLS_RELOAD_FAILURES: Counter "tls_reload_failures" []
        "Certificates that were to be renewed and could not be, so that the old one is still served. Only with TLS.";
    BUILD_INFO: Gauge "build_info" ["service", "version", "build_time"]
        "Always 1; the labels say what is running.";
    PROCESS_CPU: Counter "process_cpu_seconds" []
        "User and system time spent, in seconds.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "File descriptors in use.";
    PROCESS_MAX_FDS: Gauge "process_max_fds" []
        "File descriptors that the process may use.";
    PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" []
        "Virtual memory, in bytes.";
    PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" []
        "Resident memory, in bytes.";
    PROCESS_THREADS: Gauge "process_threads" []
        "Threads of the operating system.";
    PROCESS_START: Gauge "process_start_time_seconds" []
        "When the process started, in seconds since the epoch.";
    RUNTIME_WORKERS: Gauge "runtime_workers" []
        "Worker threads of the runtime.";
    RUNTIME_TASKS: Gauge "runtime_alive_tasks" []
        "Tasks that have been started and not ended.";
    RUNTIME_QUEUE: Gauge "runtime_global_queue_depth" []
        "Tasks that were woken from elsewhere and wait for their worker.";
    RUNTIME_BUSY: Counter "runtime_worker_busy_seconds" ["worker"]
        "Time a worker was not idle, in seconds.";
    RUNTIME_SILENCE: Gauge "runtime_worker_silence_seconds" ["worker"]
        "Time since a worker last showed that it runs, in seconds; above 1.5 it is stuck.";
    RUNTIME_PARKS: Counter "runtime_worker_parks" ["worker"]
        "How often a worker went to sleep for want of work.";
    WORKER_TASK_RESTARTS: Counter "worker_task_restarts" ["worker"]
        "Restarts of background workers, which had panicked or returned. Only with such workers.";
    LABELS_FOLDED: Counter "metrics_labels_folded" ["metric"]
        "How often a value of a label found no series of its own and was counted in `_other`, by metric. Only for the service's bounded metrics.";
    EXPOSITIONS_DROPPED: Counter "metrics_expositions_dropped" []
        "How often the text of another registry was left out of a scrape, for its form, its size or a panic. Only with `Metrics::append_exposition`.";
}
