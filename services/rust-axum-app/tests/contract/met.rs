//! MET: metrics.

use harness::{Process, eventually};

use crate::support::{SERVICE, start};

#[track_caller]
fn wait_for_count(service: &Process, path: &str, status: &str, count: f64) {
    let labels = [
        ("service", SERVICE),
        ("method", "GET"),
        ("path", path),
        ("status", status),
    ];
    eventually("the requests are counted", || {
        let metrics = service.metrics();
        let counted = metrics.value("http_requests_total", &labels);
        let observed = metrics.value("http_request_duration_seconds_count", &labels);
        (counted == Some(count) && observed == Some(count)).then_some(())
    });
}

/// MET-1, MET-2, MET-4
#[test]
fn endpoints_and_unknown_paths_are_counted() {
    let service = start(&[]);
    for _ in 0..2 {
        for path in ["/", "/info", "/health", "/nowhere", "/elsewhere"] {
            drop(service.get(path));
        }
    }
    wait_for_count(&service, "/", "200", 2.0);
    wait_for_count(&service, "/info", "200", 2.0);
    wait_for_count(&service, "/health", "200", 2.0);
    wait_for_count(&service, "__unmatched__", "404", 4.0);
}

/// MET-3, CFG-1
#[test]
fn build_info_has_the_configured_build() {
    let service = start(&[("VERSION", "1.0.0"), ("BUILD_TIME", "now")]);
    let labels = [
        ("service", SERVICE),
        ("version", "1.0.0"),
        ("build_time", "now"),
    ];
    assert_eq!(service.metrics().value("build_info", &labels), Some(1.0));
}
