//! Whether the telemetry of a service is complete: its log, its scrapes, its rules.

use super::model::{Dashboard, Panel, row, series, stacked, stat};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "plimsoll-telemetry",
        title: "Logs and telemetry",
        about: "Whether the telemetry of a service is complete: its log, its scrapes, its rules.",
        rows: vec![
            row("Logs", logs()),
            row("Traces", traces()),
            row("Scrapes", scrapes()),
            row("Rules and alerts", rules()),
        ],
    }
}

fn logs() -> Vec<Panel> {
    vec![
        stacked(
            "Records by level",
            "ops",
            "Records produced, whether written or dropped.",
        )
        .query(
            "sum by (level) (rate(log_records_total{@all}[@rate]))",
            "{{level}}",
        )
        .colour("DEBUG", "blue")
        .colour("INFO", "green")
        .colour("WARNING", "orange")
        .colour("ERROR", "red")
        .colour("CRITICAL", "purple"),
        series(
            "Errors in the log",
            "ops",
            "Records of ERROR and CRITICAL. Those that are no access records have no \
                 5xx beside them.",
        )
        .query(
            r#"sum by (instance) (rate(log_records_total{@all,
                   level=~"ERROR|CRITICAL"}[@rate]))"#,
            "{{instance}}",
        ),
        series(
            "Records dropped",
            "ops",
            "Lost because stdout is read too slowly or fails. LogRecordsDropped fires \
                 at the first.",
        )
        .query(
            "sum by (instance) (rate(log_records_dropped_total{@all}[@rate]))",
            "{{instance}}",
        ),
        stat(
            "Lost of all",
            "percentunit",
            "Share of the records in this range of time that were lost.",
        )
        .query(
            "sum(increase(log_records_dropped_total{@all}[$__range])) / \
                 sum(increase(log_records_total{@all}[$__range]))",
            "lost",
        )
        .wide(8)
        .from(0.000_001, "red"),
        series(
            "Records a request",
            "none",
            "One is the access record alone. More are events of the service's own: what \
                 a log costs.",
        )
        .query(
            "sum by (instance) (rate(log_records_total{@all}[@rate])) / sum by \
                 (instance) (rate(http_requests_total{@users}[@rate]))",
            "{{instance}}",
        ),
        series(
            "Panics",
            "none",
            "Panics within ten minutes; each has a record with its place. \
                 HandlerPanicked fires at the first.",
        )
        .query(
            "sum by (instance) (increase(panics_total{@all}[10m]))",
            "{{instance}}",
        ),
    ]
}

fn traces() -> Vec<Panel> {
    vec![
        series(
            "Spans",
            "ops",
            "Spans of recorded requests, and those that a collector has taken.",
        )
        .query(
            "sum by (instance) (rate(trace_spans_total{@all}[@rate]))",
            "{{instance}} made",
        )
        .query(
            "sum by (instance) (rate(trace_spans_exported_total{@all}[@rate]))",
            "{{instance}} exported",
        ),
        series(
            "Spans dropped",
            "ops",
            "Spans that no collector took, by reason. No request waits for them.",
        )
        .query(
            "sum by (instance, reason) (rate(trace_spans_dropped_total{@all}[@rate]))",
            "{{instance}} {{reason}}",
        ),
    ]
}

fn scrapes() -> Vec<Panel> {
    vec![
        series(
            "Expositions dropped",
            "ops",
            "Texts of other registries that were left out of a scrape. The record \
                 metrics_exposition_dropped names the first reason.",
        )
        .query(
            "sum by (instance) (rate(metrics_expositions_dropped_total{@all}[@rate]))",
            "{{instance}}",
        ),
        series(
            "Labels folded",
            "ops",
            "Values beyond the number that a bounded metric of the service's own keeps: \
                 they count as _other.",
        )
        .query(
            "sum by (metric) (rate(metrics_labels_folded_total{@all}[@rate]))",
            "{{metric}}",
        ),
        series("Up", "none", "1 while an instance answers Prometheus.")
            .query("up{@all}", "{{instance}}")
            .wide(6),
        series(
            "Time of a scrape",
            "s",
            "Time that an instance takes for a scrape. Prometheus waits 5 s.",
        )
        .query("scrape_duration_seconds{@all}", "{{instance}}")
        .wide(6)
        .from(5.0, "red"),
        series(
            "Series",
            "none",
            "Series of an instance. Routes, methods and statuses are bounded sets, so this line becomes flat.",
        )
        .query("scrape_samples_scraped{@all}", "{{instance}}")
        .wide(6),
        series(
            "New series",
            "none",
            "Series that were not there before, within an hour. It is high after a \
                 start and then near 0; labels made from what clients send would show here.",
        )
        .query(
            "sum by (instance) (sum_over_time(scrape_series_added{@all}[1h]))",
            "{{instance}}",
        )
        .wide(6),
    ]
}

fn rules() -> Vec<Panel> {
    vec![
        stacked(
            "Alerts by state",
            "none",
            "Alerts of this service, pending and firing.",
        )
        .query(
            "sum by (alertname, alertstate) (ALERTS{@job})",
            "{{alertname}} {{alertstate}}",
        ),
        series(
            "Rules that fail",
            "ops",
            "Evaluations that Prometheus could not do: alerts of those groups are \
                 blind.",
        )
        .query(
            "sum by (rule_group) \
                 (rate(prometheus_rule_evaluation_failures_total[@rate]))",
            "{{rule_group}}",
        ),
        series(
            "Alerts not delivered",
            "ops",
            "Alerts that Prometheus could not deliver to Alertmanager.",
        )
        .query(
            "sum(rate(prometheus_notifications_dropped_total[@rate]))",
            "dropped",
        )
        .query(
            "sum(rate(prometheus_notifications_errors_total[@rate]))",
            "errors",
        ),
    ]
}
