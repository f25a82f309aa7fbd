//! Gauges and counters of the server.

use harness::{Scrape, Signal, eventually};

use super::wait_for_value;
use crate::support::{post, start};

/// MET-6
#[test]
fn metrics_without_labels_exist_from_the_start() {
    let metrics = start(&[]).metrics();
    for name in [
        "http_requests_in_flight",
        "http_connections_aged_total",
        "panics_total",
        "log_records_dropped_total",
    ] {
        assert_eq!(metrics.value(name, &[]), Some(0.0), "{name}");
    }
    // The connection of the scrape.
    for name in ["http_connections_open", "http_connections_total"] {
        assert_eq!(metrics.value(name, &[]), Some(1.0), "{name}");
    }
}

/// MET-6
#[test]
fn requests_take_slots_and_event_streams_release_them() {
    let service = start(&[("MAX_IN_FLIGHT", "7")]);
    assert_eq!(
        service.metrics().value("http_request_slots", &[]),
        Some(7.0)
    );
    assert_eq!(
        service.metrics().value("http_request_slots_taken", &[]),
        Some(0.0)
    );
    let mut hanging = service.connect();
    hanging.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut streaming = service.connect();
    streaming.send("GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_value(&service, "http_requests_in_flight", &[], 2.0);
    wait_for_value(&service, "http_request_slots_taken", &[], 1.0);
    drop(hanging);
    wait_for_value(&service, "http_request_slots_taken", &[], 0.0);
    let unlimited = start(&[("MAX_IN_FLIGHT", "0")]).metrics();
    assert_eq!(unlimited.value("http_request_slots", &[]), None);
    assert_eq!(unlimited.value("http_request_slots_taken", &[]), None);
}

/// MET-6
#[test]
fn requests_in_flight_are_counted_to_their_last_byte() {
    let service = start(&[]);
    let mut hanging = service.connect();
    hanging.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut streaming = service.connect();
    streaming.send("GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_value(&service, "http_requests_in_flight", &[], 2.0);
    drop(streaming);
    wait_for_value(&service, "http_requests_in_flight", &[], 1.0);
    drop(hanging);
    wait_for_value(&service, "http_requests_in_flight", &[], 0.0);
}

/// MET-6
#[test]
fn probes_and_scrapes_are_not_in_flight() {
    let service = start(&[]);
    for _ in 0..20 {
        let metrics = service.metrics();
        assert_eq!(metrics.value("http_requests_in_flight", &[]), Some(0.0));
    }
}

/// MET-6
#[test]
fn connections_are_counted() {
    let service = start(&[]);
    let idle: Vec<_> = (0..3)
        .map(|_| {
            let mut connection = service.connect();
            assert_eq!(connection.get("/hello").status, 200);
            connection
        })
        .collect();
    // Three idle connections, and that of the scrape.
    wait_for_value(&service, "http_connections_open", &[], 4.0);
    assert!(
        service
            .metrics()
            .value("http_connections_total", &[])
            .unwrap()
            >= 4.0
    );
    drop(idle);
    wait_for_value(&service, "http_connections_open", &[], 1.0);
    let total = service
        .metrics()
        .value("http_connections_total", &[])
        .unwrap();
    assert!(total >= 6.0, "{total}");
}

/// MET-6, SRV-5
#[test]
fn panics_are_counted() {
    let service = start(&[]);
    for expected in [1.0, 2.0] {
        assert_eq!(service.get("/panic").status, 500);
        wait_for_value(&service, "panics_total", &[], expected);
    }
    drop(service.get("/spawn-panic"));
    wait_for_value(&service, "panics_total", &[], 3.0);
}

/// MET-6, LOG-12
#[test]
fn records_are_counted_by_level() {
    let service = start(&[("LOG_LEVEL", "DEBUG")]);
    for path in [
        "/log",
        "/log/debug",
        "/log/warn",
        "/log/error",
        "/nowhere",
        "/error",
        "/panic",
    ] {
        drop(service.get(path));
    }
    // Only a scrape follows, and it is not logged, so lines and counts agree.
    eventually("the counts are those of the lines", || {
        let counted = service.metrics();
        let records = service.records();
        let agree = ["DEBUG", "INFO", "WARNING", "ERROR"].iter().all(|level| {
            let lines = records
                .iter()
                .filter(|record| record["levelname"] == *level)
                .count();
            let count = counted.value("log_records_total", &[("level", level)]);
            lines > 0 && count == u32::try_from(lines).ok().map(f64::from)
        });
        (agree && counted.value("log_records_dropped_total", &[]) == Some(0.0)).then_some(())
    });
}

/// Returns the state with value 1, and checks that the others are 0.
#[track_caller]
fn state(metrics: &Scrape) -> String {
    let states: Vec<_> = metrics.samples("service_state").collect();
    assert!(
        states
            .iter()
            .all(|state| state.value == 0.0 || state.value == 1.0),
        "{states:?}"
    );
    let current: Vec<&str> = states
        .iter()
        .filter(|state| state.value == 1.0)
        .map(|state| state.labels["state"].as_str())
        .collect();
    assert_eq!(current.len(), 1, "{states:?}");
    current[0].to_owned()
}

/// MET-6
#[test]
fn service_state_is_a_metric() {
    let service = start(&[("DRAIN_DELAY", "2s")]);
    assert_eq!(state(&service.metrics()), "ready");
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    assert_eq!(state(&service.metrics()), "not_ready");
    assert_eq!(service.request(post("/readiness/on", "")).status, 200);
    assert_eq!(state(&service.metrics()), "ready");
    service.signal(Signal::Term);
    eventually("the drain delay has begun", || {
        (state(&service.metrics()) == "lame_duck").then_some(())
    });
}

/// MET-6
#[test]
fn shed_and_rejection_counters_exist_from_the_start() {
    let metrics = start(&[]).metrics();
    assert_eq!(metrics.value("http_requests_shed_total", &[]), Some(0.0));
    for kind in [
        "malformed",
        "head_too_large",
        "uri_too_long",
        "head_timeout",
        "proxy_header",
        "incomplete",
    ] {
        assert_eq!(
            metrics.value("http_protocol_errors_total", &[("kind", kind)]),
            Some(0.0)
        );
    }
    for reason in ["no_request", "idle", "full"] {
        let labels = [("reason", reason)];
        assert_eq!(
            metrics.value("http_connections_rejected_total", &labels),
            Some(0.0)
        );
    }
}
