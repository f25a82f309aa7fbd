//! Metrics: requests, labels, gauges and the exposition.

mod exposition;
mod gauges;
mod labels;
mod process;
pub(crate) mod prometheus;
mod requests;

use harness::Process;

use crate::support::SERVICE;

/// Returns the labels of a request series.
pub(crate) fn labels<'a>(
    method: &'a str,
    path: &'a str,
    status: &'a str,
) -> [(&'a str, &'a str); 4] {
    [
        ("service", SERVICE),
        ("method", method),
        ("path", path),
        ("status", status),
    ]
}

/// Waits until a metric has this value: a request is counted shortly after its last byte.
#[track_caller]
pub(crate) fn wait_for_value(
    service: &Process,
    name: &str,
    labels: &[(&str, &str)],
    expected: f64,
) {
    let mut last = None;
    let found = harness::eventually_within(std::time::Duration::from_secs(10), || {
        last = service.metrics().value(name, labels);
        (last == Some(expected)).then_some(())
    });
    assert!(
        found.is_some(),
        "{name}{labels:?} is {last:?}, not {expected}"
    );
}

/// Returns the number of label sets of the request counter.
fn label_sets(service: &Process) -> usize {
    service.metrics().series("http_requests_total")
}

/// Upper limits of the duration histogram, in seconds.
pub(crate) const BUCKETS: [f64; 15] = [
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
