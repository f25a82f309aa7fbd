//! Exemplars, in OpenMetrics only.

use std::collections::BTreeSet;

use harness::{Process, Scrape, eventually};

use super::collector::{Collector, Manner, hex};
use super::traced;
use crate::support::{access_record, request, require_or_skip, scratch_file};

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
    const BOUNDS: [f64; 16] = [
        0.0,
        0.005,
        0.01,
        0.025,
        0.05,
        0.075,
        0.1,
        0.25,
        0.5,
        0.75,
        1.0,
        2.5,
        5.0,
        7.5,
        10.0,
        f64::INFINITY,
    ];
    let (_, bound) = sample.split_once("le=\"").unwrap();
    let upper = bound.split_once('"').unwrap().0.parse().unwrap();
    let index = BOUNDS.iter().position(|it| *it == upper).unwrap();
    (BOUNDS[index - 1], upper)
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
    access_record(&service, "/slow");
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
    if !require_or_skip("prometheus") {
        return;
    }
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    drop(service.get("/hello"));
    let span = collector.span("GET /hello");
    let config = format!(
        "scrape_configs:\n- job_name: fixture\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  \
         static_configs:\n  - targets: ['{}']\n",
        service.addr()
    );
    let config = scratch_file("prometheus-exemplars.yml", &config);
    // The harness has reserved the port of Prometheus.
    let script = format!(
        "exec prometheus --config.file={config} --storage.tsdb.path={config}.data \
         --enable-feature=exemplar-storage --web.listen-address=127.0.0.1:$PORT"
    );
    let prometheus = Process::spawn_with("/bin/sh", &["-c", &script], &[]);
    let query = "/api/v1/query_exemplars?query=http_request_duration_seconds_bucket\
                 &start=1700000000&end=4000000000";
    let found = eventually("Prometheus has the exemplar", || {
        let answer = prometheus.try_connect().ok()?.get(query);
        let text = (answer.status == 200).then(|| answer.text().to_owned())?;
        text.contains("trace_id").then_some(text)
    });
    assert!(found.contains(&hex(&span.trace_id)), "{found}");
    std::fs::remove_dir_all(format!("{config}.data")).unwrap_or_default();
}
