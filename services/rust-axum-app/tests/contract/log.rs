//! LOG: structured records on standard output.

use harness::{access_record, field_names};

use crate::support::{SERVICE, start};

/// LOG-2, LOG-3
#[test]
fn access_record_has_the_fields_of_the_django_service() {
    let service = start(&[("VERSION", "1.0.0"), ("BUILD_TIME", "2025-12-19T09:18:13Z")]);
    assert_eq!(service.get("/info").status, 200);
    let record = access_record(&service, "/info");
    for (name, value) in [
        ("levelname", "INFO"),
        ("name", "http"),
        ("message", "http_request"),
        ("service", SERVICE),
        ("version", "1.0.0"),
        ("buildTime", "2025-12-19T09:18:13Z"),
        ("method", "GET"),
        ("path", "/info"),
        ("rawPath", "/info"),
        ("query", ""),
        ("ip", "127.0.0.1"),
    ] {
        assert_eq!(record[name], value, "{name}");
    }
    assert_eq!(record["status"], 200);
    assert_eq!(record["process"], service.pid());
    let line = service.wait_for_line(|line| line.contains("http_request"));
    assert_eq!(
        field_names(&line),
        [
            "asctime",
            "levelname",
            "name",
            "process",
            "threadName",
            "message",
            "request_id",
            "service",
            "version",
            "buildTime",
            "status",
            "method",
            "path",
            "rawPath",
            "query",
            "ip",
            "latencyMs",
            "userAgent",
        ]
    );
}

/// LOG-1, LOG-5, LOG-6, LOG-7
#[test]
fn log_contains_exactly_the_expected_records() {
    let service = start(&[]);
    for path in [
        "/health",
        "/ready",
        "/metrics",
        "/livez",
        "/",
        "/nowhere",
        "/startupz",
    ] {
        drop(service.get(path));
    }
    let ended = service.terminate();
    let records = ended.records();
    assert_eq!(records.last().unwrap()["message"], "shutdown_complete");
    let mut seen: Vec<String> = records
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {} {}",
                text("levelname"),
                text("name"),
                text("message"),
                text("path")
            )
        })
        .collect();
    // Records of different threads have no defined order.
    seen.sort();
    assert_eq!(
        seen,
        [
            "INFO http http_request /",
            "INFO infra infra_app_ready ",
            "INFO infra shutdown_complete ",
            "INFO infra shutdown_started ",
            "WARNING http http_request __unmatched__",
        ]
    );
    assert_eq!(ended.stderr, "");
}
