//! Counter and histogram of requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use harness::{MetricType, Scrape, request};

use super::{BUCKETS, labels, wait_for_value};
use crate::support::{pipeline, post, start};

/// MET-1
#[test]
fn requests_are_counted_by_service_method_path_and_status() {
    let service = start(&[]);
    for _ in 0..3 {
        assert_eq!(service.get("/hello").status, 200);
    }
    assert_eq!(service.get("/missing").status, 404);
    assert_eq!(service.request(post("/upload", "abc")).status, 200);
    drop(service.request(request("HEAD", "/hello", "")));
    for (method, path, status, count) in [
        ("GET", "/hello", "200", 3.0),
        ("GET", "/missing", "404", 1.0),
        ("POST", "/upload", "200", 1.0),
        ("HEAD", "/hello", "200", 1.0),
    ] {
        wait_for_value(
            &service,
            "http_requests_total",
            &labels(method, path, status),
            count,
        );
    }
    let kind = service
        .metrics()
        .family("http_requests_total")
        .unwrap()
        .kind;
    assert_eq!(kind, MetricType::Counter);
}

/// MET-2
#[test]
fn durations_have_the_buckets_of_the_contract() {
    let service = start(&[]);
    assert_eq!(service.get("/slow?ms=120").status, 200);
    let labels = labels("GET", "/slow", "200");
    wait_for_value(
        &service,
        "http_request_duration_seconds_count",
        &labels,
        1.0,
    );
    let metrics = service.metrics();
    assert_eq!(
        metrics
            .family("http_request_duration_seconds")
            .unwrap()
            .kind,
        MetricType::Histogram
    );
    let sum = metrics
        .value("http_request_duration_seconds_sum", &labels)
        .unwrap();
    assert!((0.12..10.0).contains(&sum), "{sum}");
    let buckets: Vec<(f64, f64)> = metrics
        .samples("http_request_duration_seconds_bucket")
        .filter(|sample| sample.labels["path"] == "/slow")
        .map(|sample| {
            let limit = match sample.labels["le"].as_str() {
                "+Inf" => f64::INFINITY,
                limit => limit.parse().unwrap(),
            };
            (limit, sample.value)
        })
        .collect();
    let limits: Vec<f64> = buckets.iter().map(|(limit, _)| *limit).collect();
    assert_eq!(limits, BUCKETS);
    for (limit, count) in buckets {
        assert_eq!(
            count,
            if limit >= sum { 1.0 } else { 0.0 },
            "le {limit}, sum {sum}"
        );
    }
}

/// Returns the counts of every request series in one scrape, from counter and histogram.
fn counts(metrics: &Scrape, name: &str) -> BTreeMap<String, f64> {
    metrics
        .samples(name)
        .map(|sample| (format!("{:?}", sample.labels), sample.value))
        .collect()
}

/// MET-5
#[test]
fn counts_are_exact_with_any_number_of_workers() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 250;
    let service = start(&[("WORKERS", "4"), ("LOG_LEVEL", "ERROR")]);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut connection = service.connect();
            scope.spawn(move || {
                pipeline(
                    &mut connection,
                    REQUESTS,
                    |_| "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                    |answer| assert_eq!(answer.status, 200),
                );
            });
        }
    });
    let labels = labels("GET", "/hello", "200");
    wait_for_value(&service, "http_requests_total", &labels, 2000.0);
    wait_for_value(
        &service,
        "http_request_duration_seconds_count",
        &labels,
        2000.0,
    );
    wait_for_value(&service, "http_requests_in_flight", &[], 0.0);
}

/// MET-5
#[test]
fn counters_never_decrease_and_equal_their_histograms() {
    let service = start(&[("WORKERS", "4"), ("LOG_LEVEL", "CRITICAL")]);
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let mut connection = service.connect();
                scope.spawn(move || {
                    pipeline(
                        &mut connection,
                        1000,
                        |index| {
                            let path = ["/hello", "/error", "/nowhere"][index % 3];
                            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        },
                        |_| {},
                    );
                })
            })
            .collect();
        let scraper = scope.spawn(|| {
            let mut before: BTreeMap<String, f64> = BTreeMap::new();
            let mut scrapes = 0;
            while !finished.load(Ordering::Relaxed) {
                let metrics = service.metrics();
                let totals = counts(&metrics, "http_requests_total");
                assert_eq!(
                    totals,
                    counts(&metrics, "http_request_duration_seconds_count")
                );
                for (series, value) in &before {
                    let now = totals.get(series).copied().unwrap_or(f64::NAN);
                    assert!(now >= *value, "{series} fell from {value} to {now}");
                }
                before = totals;
                scrapes += 1;
            }
            scrapes
        });
        for client in clients {
            client.join().unwrap();
        }
        finished.store(true, Ordering::Relaxed);
        assert!(scraper.join().unwrap() > 0);
    });
}
