//! The names of metrics that mean the same: of the chassis, Micrometer, client_golang with promhttp,
//! the semantic conventions of OpenTelemetry, and django-prometheus.
//!
//! A name with a suffix is that of a sample, as the text has it.
//! `promhttp_metric_handler_…` measures the scrapes alone, and is therefore not read.

use plimsoll_scrape::Sample;

use crate::store::series::Chart;

/// Metrics of the requests of a server.
#[derive(Debug)]
pub(super) struct Family {
    /// The counter of requests.
    pub(super) requests: &'static str,
    /// The buckets of their durations.
    pub(super) buckets: &'static str,
    /// Milliseconds per unit of a bound.
    pub(super) ms: f64,
}

/// The families, the preferred one first. Only one is read, since several count the same requests.
pub(super) const FAMILIES: [Family; 7] = [
    // The chassis, and the usual names of client_golang.
    Family {
        requests: "http_requests_total",
        buckets: "http_request_duration_seconds_bucket",
        ms: 1000.0,
    },
    // OpenTelemetry, and its names before version 1.23.
    Family {
        requests: "http_server_request_duration_seconds_count",
        buckets: "http_server_request_duration_seconds_bucket",
        ms: 1000.0,
    },
    Family {
        requests: "http_server_duration_milliseconds_count",
        buckets: "http_server_duration_milliseconds_bucket",
        ms: 1.0,
    },
    // Micrometer.
    Family {
        requests: "http_server_requests_seconds_count",
        buckets: "http_server_requests_seconds_bucket",
        ms: 1000.0,
    },
    // django-prometheus.
    Family {
        requests: "django_http_responses_total_by_status_view_method_total",
        buckets: "django_http_requests_latency_seconds_by_view_method_bucket",
        ms: 1000.0,
    },
    // The example of promhttp.
    Family {
        requests: "api_requests_total",
        buckets: "request_duration_seconds_bucket",
        ms: 1000.0,
    },
    // A histogram alone.
    Family {
        requests: "http_request_duration_seconds_count",
        buckets: "http_request_duration_seconds_bucket",
        ms: 1000.0,
    },
];

/// Requests in flight. The three of Micrometer depend on its version and on its histograms.
pub(super) const IN_FLIGHT: [&str; 6] = [
    "http_requests_in_flight",
    "http_server_active_requests",
    "http_server_requests_active_seconds_count",
    "http_server_requests_active_seconds_gcount",
    "http_server_requests_active_seconds_active_count",
    "in_flight_requests",
];

/// Open connections.
pub(super) const CONNECTIONS: [&str; 4] = [
    "http_connections_open",
    "kestrel_active_connections",
    "tomcat_connections_current_connections",
    "jetty_connections_current_connections",
];

/// Memory in bytes. Values with different labels are parts of it.
pub(super) const MEMORY: [&str; 4] = [
    "process_resident_memory_bytes",
    "process_memory_usage_bytes",
    "jvm_memory_used_bytes",
    "dotnet_process_memory_working_set_bytes",
];

/// Processor time in seconds. Values with different labels are parts of it.
pub(super) const CPU_SECONDS: [&str; 3] = [
    "process_cpu_seconds_total",
    "process_cpu_time_seconds_total",
    "dotnet_process_cpu_time_seconds_total",
];

/// The used part of all processors (Micrometer), and their number.
pub(super) const CPU_PART: &str = "process_cpu_usage";
pub(super) const CPU_COUNT: &str = "system_cpu_count";

/// The busy time of each worker of the chassis.
pub(super) const WORKER_SECONDS: &str = "runtime_worker_busy_seconds_total";

/// Busy threads of Tomcat, and their limit.
pub(super) const THREADS_BUSY: &str = "tomcat_threads_busy_threads";
pub(super) const THREADS_MAX: &str = "tomcat_threads_config_max_threads";

pub(super) const STARTED: &str = "process_start_time_seconds";
pub(super) const STATE: &str = "service_state";
pub(super) const RECORDS_LOST: &str = "log_records_dropped_total";

const METHOD: [&str; 3] = ["method", "http_request_method", "http_method"];
const ROUTE: [&str; 7] = [
    "path",
    "http_route",
    "uri",
    "view",
    "handler",
    "route",
    "endpoint",
];
const STATUS: [&str; 5] = [
    "status",
    "http_response_status_code",
    "code",
    "http_status_code",
    "status_code",
];

/// A label that is missing.
pub(super) const NO_LABEL: &str = "–";

/// The route of a sample.
pub(super) struct Labels<'a> {
    pub(super) method: String,
    pub(super) route: &'a str,
    pub(super) status: Option<&'a str>,
}

impl<'a> Labels<'a> {
    pub(super) fn of(sample: &'a Sample<'_>) -> Self {
        let method = first(sample, &METHOD).unwrap_or(NO_LABEL);
        Self {
            // promhttp has its methods in lower case.
            method: method.to_ascii_uppercase(),
            route: first(sample, &ROUTE).unwrap_or(NO_LABEL),
            status: first(sample, &STATUS),
        }
    }
}

fn first<'a>(sample: &'a Sample<'_>, names: &[&str]) -> Option<&'a str> {
    let labels = names.iter().filter_map(|name| sample.label(name));
    labels.into_iter().find(|value| !value.is_empty())
}

/// Returns whether a route is a probe or the metrics.
///
/// The console requests them itself, and the chassis makes no access record of them (LOG-5).
pub(crate) fn is_infrastructure(route: &str) -> bool {
    const PATHS: [&str; 9] = [
        "/metrics",
        "/ready",
        "/health",
        "/livez",
        "/readyz",
        "/healthz",
        "/startupz",
        // The names of django-prometheus and of prometheus-client for views.
        "prometheus-django-metrics",
        "django_prometheus.exports.ExportToDjangoView",
    ];
    PATHS.contains(&route) || route.starts_with("/actuator/")
}

/// Returns the metrics from which a chart is computed, the preferred one first.
pub(super) fn looked_for(chart: Chart) -> Vec<&'static str> {
    match chart {
        Chart::Rate | Chart::Errors => FAMILIES.iter().map(|family| family.requests).collect(),
        Chart::P50 | Chart::P99 => {
            // The last family has the buckets of the first one.
            let families = FAMILIES[..FAMILIES.len() - 1].iter();
            families.map(|family| family.buckets).collect()
        }
        Chart::InFlight => IN_FLIGHT.to_vec(),
        Chart::Connections => CONNECTIONS.to_vec(),
        Chart::Workers => vec![WORKER_SECONDS, THREADS_BUSY],
        Chart::Memory => MEMORY.to_vec(),
        Chart::Cpu => CPU_SECONDS.into_iter().chain([CPU_PART]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chart_looks_for_distinct_names() {
        for chart in Chart::ALL {
            let mut names = looked_for(chart);
            assert!(!names.is_empty(), "{chart:?}");
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{chart:?}");
        }
    }

    #[test]
    fn probes_are_no_requests_of_the_service() {
        assert!(is_infrastructure("/metrics"));
        assert!(is_infrastructure("/actuator/prometheus"));
        assert!(!is_infrastructure("/orders/{id}"));
        assert!(!is_infrastructure(NO_LABEL));
    }
}
