//! The service as its users see it: traffic, errors, latency, and the remaining error budget.

use super::model::{Dashboard, Panel, heatmap, row, series, stacked, stat, table};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "plimsoll-overview",
        title: "Service overview",
        about: "A service as its users see it: traffic, errors, latency, objectives. Probes and scrapes are left out.",
        rows: vec![
            row("Now", now()),
            row("Objectives", objectives()),
            row("Traffic", traffic()),
            row("Errors", errors()),
            row("Latency", latency()),
            row("Other services", clients()),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        stat(
            "Instances ready",
            "none",
            "Instances that are ready for traffic.",
        )
        .query(r#"sum(service_state{@all, state="ready"})"#, "ready")
        .below("red")
        .from(1.0, "green"),
        stat("Requests", "reqps", "Requests that ended, a second.")
            .query("sum(rate(http_requests_total{@users}[@rate]))", "requests"),
        stat(
            "Failed",
            "percentunit",
            "Share of requests that ended with 5xx. The objective is 0.1 %.",
        )
        .query(
            r#"(sum(rate(http_requests_total{@users, status=~"5.."}[@rate])) or vector(0))
                   / sum(rate(http_requests_total{@users}[@rate]))"#,
            "failed",
        )
        .from(0.001, "orange")
        .from(0.01, "red"),
        stat(
            "p99",
            "s",
            "99 of 100 requests took this time at most, to the last byte of their \
                 answer.",
        )
        .query(
            "histogram_quantile(0.99, sum by (le) \
                 (rate(http_request_duration_seconds_bucket{@users}[@rate])))",
            "p99",
        )
        .from(0.25, "orange")
        .from(1.0, "red"),
        stat(
            "In flight",
            "none",
            "Requests that have begun and not ended.",
        )
        .query("sum(http_requests_in_flight{@all})", "in flight"),
        stat("Alerts", "none", "Alerts of this service that fire.")
            .query(
                r#"count(ALERTS{@job, alertstate="firing"}) or vector(0)"#,
                "firing",
            )
            .from(1.0, "red"),
        table(
            "Firing",
            "Which alerts fire; each has a runbook in docs/runbooks.",
        )
        .wide(12)
        .query(r#"ALERTS{@job, alertstate="firing"}"#, ""),
        table("Running", "Which build runs where.")
            .wide(12)
            .query("build_info{@all}", ""),
    ]
}

fn objectives() -> Vec<Panel> {
    vec![
        stat(
            "Failures left",
            "percentunit",
            "Share of the failures that three days may have which is still there. Below \
                 0 there were more.",
        )
        .query(
            "1 - job:http_requests_failed:ratio_rate3d{@job} / on (job) \
                 job:slo_availability:error_budget",
            "left",
        )
        .below("red")
        .from(0.0, "orange")
        .from(0.25, "green")
        .wide(4),
        stat(
            "Slow requests left",
            "percentunit",
            "Share of the slow requests that three days may have which is still there. \
                 Below 0 there were more.",
        )
        .query(
            "1 - job:http_requests_slow:ratio_rate3d{@job} / on (job) \
                 job:slo_latency:error_budget",
            "left",
        )
        .below("red")
        .from(0.0, "orange")
        .from(0.25, "green")
        .wide(4),
        series(
            "Burn of failures",
            "none",
            "How many times faster than allowed failures are used up; from 1 on the \
                 objective is missed if it goes on. AvailabilityBurnFast is at 14.4 (1 h) \
                 and 6 (6 h), AvailabilityBurnSlow at 3 (1 d) and 1 (3 d).",
        )
        .query(
            "job:http_requests_failed:ratio_rate1h{@job} / on (job) \
                 job:slo_availability:error_budget",
            "1 h",
        )
        .query(
            "job:http_requests_failed:ratio_rate6h{@job} / on (job) \
                 job:slo_availability:error_budget",
            "6 h",
        )
        .query(
            "job:http_requests_failed:ratio_rate1d{@job} / on (job) \
                 job:slo_availability:error_budget",
            "1 d",
        )
        .query(
            "job:http_requests_failed:ratio_rate3d{@job} / on (job) \
                 job:slo_availability:error_budget",
            "3 d",
        )
        .from(1.0, "orange")
        .from(14.4, "red"),
        series(
            "Burn of slow requests",
            "none",
            "How many times faster than allowed slow requests (more than 250 ms) are \
                 used up. The alerts LatencyBurnFast and LatencyBurnSlow have the same \
                 limits.",
        )
        .query(
            "job:http_requests_slow:ratio_rate1h{@job} / on (job) \
                 job:slo_latency:error_budget",
            "1 h",
        )
        .query(
            "job:http_requests_slow:ratio_rate6h{@job} / on (job) \
                 job:slo_latency:error_budget",
            "6 h",
        )
        .query(
            "job:http_requests_slow:ratio_rate1d{@job} / on (job) \
                 job:slo_latency:error_budget",
            "1 d",
        )
        .query(
            "job:http_requests_slow:ratio_rate3d{@job} / on (job) \
                 job:slo_latency:error_budget",
            "3 d",
        )
        .from(1.0, "orange")
        .from(14.4, "red"),
    ]
}

fn traffic() -> Vec<Panel> {
    vec![
        stacked(
            "Requests by status",
            "reqps",
            "By class of status. 499 is a client that disconnected before the response.",
        )
        .query(
            r#"sum by (class) (label_replace(rate(http_requests_total{@users}[@rate]),
                   "class", "${1}xx", "status", "(.).."))"#,
            "{{class}}",
        )
        .colour("2xx", "green")
        .colour("3xx", "blue")
        .colour("4xx", "orange")
        .colour("5xx", "red"),
        stacked(
            "Requests by route",
            "reqps",
            "By route pattern; __unmatched__ is what no route was found for, or not \
                 looked for.",
        )
        .query(
            "sum by (path) (rate(http_requests_total{@users}[@rate]))",
            "{{path}}",
        ),
        series(
            "Requests by instance",
            "reqps",
            "Whether the balancer is fair.",
        )
        .query(
            "sum by (instance) (rate(http_requests_total{@users}[@rate]))",
            "{{instance}}",
        ),
    ]
}

fn errors() -> Vec<Panel> {
    vec![
        series(
            "Failed share",
            "percentunit",
            "Share of 5xx among all requests. The objective allows 0.1 %.",
        )
        .query(
            r#"(sum(rate(http_requests_total{@users, status=~"5.."}[@rate])) or vector(0))
                   / sum(rate(http_requests_total{@users}[@rate]))"#,
            "failed",
        )
        .wide(6)
        .from(0.001, "orange"),
        series(
            "Failed by route",
            "reqps",
            "5xx by route and status. 503 at __unmatched__ is shed, 503 at a route \
                 mostly a handler out of time.",
        )
        .query(
            r#"sum by (method, path, status) (rate(http_requests_total{@users,
                   status=~"5.."}[@rate]))"#,
            "{{status}} {{method}} {{path}}",
        )
        .wide(6),
        series(
            "Failed by instance",
            "reqps",
            "5xx by instance: one alone can be taken out.",
        )
        .query(
            r#"sum by (instance) (rate(http_requests_total{@users, status=~"5.."}[@rate]))"#,
            "{{instance}}",
        )
        .wide(6),
        series(
            "Refused by route",
            "reqps",
            "4xx by route and status: what clients get wrong, or a deployment that \
                 broke a route.",
        )
        .query(
            r#"sum by (method, path, status) (rate(http_requests_total{@users,
                   status=~"4.."}[@rate]))"#,
            "{{status}} {{method}} {{path}}",
        )
        .wide(6),
    ]
}

fn latency() -> Vec<Panel> {
    vec![
        series(
            "Quantiles",
            "s",
            "Time from the head of a request to the last byte of its answer. The \
                 objective is 250 ms for 99 of 100.",
        )
        .query(
            "histogram_quantile(0.5, sum by (le) \
                 (rate(http_request_duration_seconds_bucket{@users}[@rate])))",
            "p50",
        )
        .query(
            "histogram_quantile(0.9, sum by (le) \
                 (rate(http_request_duration_seconds_bucket{@users}[@rate])))",
            "p90",
        )
        .query(
            "histogram_quantile(0.99, sum by (le) \
                 (rate(http_request_duration_seconds_bucket{@users}[@rate])))",
            "p99",
        )
        .wide(6)
        .from(0.25, "orange"),
        series("p99 by route", "s", "Which route is slow.")
            .query(
                "histogram_quantile(0.99, sum by (le, path) \
                 (rate(http_request_duration_seconds_bucket{@users}[@rate])))",
                "{{path}}",
            )
            .wide(6),
        series("p99 by instance", "s", "Which instance is slow.")
            .query(
                "histogram_quantile(0.99, sum by (le, instance) \
                 (rate(http_request_duration_seconds_bucket{@users}[@rate])))",
                "{{instance}}",
            )
            .wide(6),
        heatmap(
            "All durations",
            "s",
            "How many requests took how long: two clouds are two kinds of requests.",
        )
        .query(
            "sum by (le) \
                 (increase(http_request_duration_seconds_bucket{@users}[@rate]))",
            "{{le}}",
        )
        .wide(6),
    ]
}

fn clients() -> Vec<Panel> {
    vec![
        series(
            "Requests to other services",
            "reqps",
            "By peer, for clients with a ClientLayer.",
        )
        .query(
            "sum by (peer) (rate(http_client_requests_total{@all}[@rate]))",
            "{{peer}}",
        ),
        stacked(
            "Requests that failed",
            "reqps",
            "5xx of the other service, error of the client, and cancelled: dropped before \
                 the response head, for example at a deadline.",
        )
        .query(
            r#"sum by (peer, status) (rate(http_client_requests_total{@all,
                   status=~"5..|error|cancelled"}[@rate]))"#,
            "{{peer}} {{status}}",
        ),
        series(
            "p99 by peer",
            "s",
            "Time from the request to the head of the response.",
        )
        .query(
            "histogram_quantile(0.99, sum by (le, peer) \
                 (rate(http_client_request_duration_seconds_bucket{@all}[@rate])))",
            "{{peer}}",
        ),
    ]
}
