//! Exemplars, in OpenMetrics only.

use std::collections::BTreeSet;

use harness::{Process, Scrape, eventually, request};

use super::collector::{Collector, Manner, hex};
use super::traced;
use crate::metrics::prometheus::Prometheus;
use crate::metrics::{BUCKETS, labels, wait_for_value};

const OPEN_METRICS: &str = "Accept: application/openmetrics-text; version=1.0.0\r\n";

#[track_caller]
fn scrape(service: &Process, headers: &str) -> String {
    let answer = service.request(request("GET", "/metrics", headers));
    assert_eq!(answer.status, 200);
    answer.text().to_owned()
}

/// Returns the exemplars of a scrape: series, labels, value and time.
fn exemplars(text: &str) -> Vec<(&str, &str, f64, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (sample, exemplar) = line.split_once(" # {")?;
            let (labels, rest) = exemplar.split_once("} ").unwrap();
            let (value, time) = rest.split_once(' ').unwrap();
            Some((
                sample,
                labels,
                value.parse().unwrap(),
                time.parse().unwrap(),
            ))
        })
        .collect()
}

/// Returns the bounds of a bucket, `0` and `+Inf` included.
fn bounds(sample: &str) -> (f64, f64) {
    let (_, bound) = sample.split_once("le=\"").unwrap();
    let upper = bound.split_once('"').unwrap().0.parse().unwrap();
    let index = BUCKETS.iter().position(|it| *it == upper).unwrap();
    let lower = index.checked_sub(1).map_or(0.0, |below| BUCKETS[below]);
    (lower, upper)
}

/// Waits until this many requests for `/hello` are counted.
#[track_caller]
fn wait_for_hello(service: &Process, requests: f64) {
    let name = "http_request_duration_seconds_count";
    wait_for_value(service, name, &labels("GET", "/hello", "200"), requests);
}

/// TRC-8
#[test]
fn last_sampled_request_of_a_bucket_is_its_exemplar() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    drop(service.get("/slow?ms=30"));
    drop(service.get("/hello"));
    drop(service.get("/hello"));
    let slow = collector.span("GET /slow");
    let of_slow = labels("GET", "/slow", "200");
    let count = "http_request_duration_seconds_count";
    wait_for_value(&service, count, &of_slow, 1.0);
    wait_for_hello(&service, 2.0);
    let text = scrape(&service, OPEN_METRICS);
    let exemplars = exemplars(&text);
    for (sample, labels, value, time) in &exemplars {
        assert!(
            sample.starts_with("http_request_duration_seconds_bucket{"),
            "{sample}"
        );
        let (lower, upper) = bounds(sample);
        assert!(lower < *value && *value <= upper, "{sample} {value}");
        assert!(*time > 1_700_000_000.0);
        assert_eq!(labels.len(), "trace_id=\"\",span_id=\"\"".len() + 48);
        let count: u64 = sample.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!(count > 0, "{sample}");
    }
    let of_slow: Vec<_> = exemplars
        .iter()
        .filter(|(sample, ..)| sample.contains("path=\"/slow\""))
        .collect();
    assert_eq!(of_slow.len(), 1);
    let ids = format!(
        "trace_id=\"{}\",span_id=\"{}\"",
        hex(&slow.trace_id),
        hex(&slow.span_id)
    );
    assert_eq!(of_slow[0].1, ids);

    // The text format has no exemplars, and this strict reader would reject them.
    let plain = scrape(&service, "");
    assert!(Scrape::parse(&plain).is_ok());
    assert!(!plain.contains("trace_id"));
    service.terminate();
}

/// TRC-8
#[test]
fn unsampled_requests_leave_no_exemplar() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[("OTEL_TRACES_SAMPLER", "always_off")]);
    drop(service.get("/hello"));
    wait_for_hello(&service, 1.0);
    assert!(exemplars(&scrape(&service, OPEN_METRICS)).is_empty());
    service.terminate();
}

/// TRC-8
#[test]
fn each_bucket_has_at_most_one_exemplar() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    let mut connection = service.connect();
    for _ in 0..300 {
        connection.get("/hello");
    }
    wait_for_hello(&service, 300.0);
    let text = scrape(&service, OPEN_METRICS);
    let exemplars = exemplars(&text);
    let buckets: BTreeSet<_> = exemplars
        .iter()
        .map(|(sample, ..)| sample.split_once("} ").unwrap().0)
        .collect();
    assert_eq!(buckets.len(), exemplars.len());
    assert!((1..=15).contains(&exemplars.len()));
    service.terminate();
}

/// TRC-8
#[test]
fn prometheus_accepts_the_exemplars() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    let storage = "--enable-feature=exemplar-storage";
    let name = "prometheus-exemplars";
    let Some(prometheus) = Prometheus::start_or_skip(&service, name, storage) else {
        return;
    };
    drop(service.get("/hello"));
    let span = collector.span("GET /hello");
    let query = "query_exemplars?query=http_request_duration_seconds_bucket\
                 &start=1700000000&end=4000000000";
    let found = eventually("Prometheus has the exemplar", || {
        let text = prometheus.api(query)?.to_string();
        text.contains("trace_id").then_some(text)
    });
    assert!(found.contains(&hex(&span.trace_id)), "{found}");
    prometheus.remove();
}
