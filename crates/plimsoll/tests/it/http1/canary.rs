//! Detection of request smuggling: a second request that must not be handled.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::{Process, eventually};

use crate::support::start;

/// Follows each invalid request on its connection, and must never be handled as a request.
pub(super) const CANARY: &[u8] = b"GET /hello?canary HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Returns [`CANARY`] as text.
pub(super) fn canary() -> &'static str {
    std::str::from_utf8(CANARY).expect("it is ASCII")
}

/// No timeout of the service closes a connection earlier. An earlier close is a reaction to the
/// request.
pub(super) const SOON: Duration = Duration::from_secs(5);

/// Starts a service whose timeouts are longer than any test.
#[track_caller]
pub(crate) fn patient() -> Process {
    start(&[("READ_TIMEOUT", "60s"), ("IDLE_TIMEOUT", "60s")])
}

/// Runs `check` for every item, several at a time, and returns all findings.
pub(super) fn complaints<T: Sync>(
    items: &[T],
    at_once: usize,
    check: impl Fn(&T) -> Option<String> + Sync,
) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(complaint) = check(item) {
                        found
                            .lock()
                            .expect("no check panics while it complains")
                            .push(complaint);
                    }
                }
            });
        }
    });
    found
        .into_inner()
        .expect("no check panics while it complains")
}

/// Sends bytes and returns the statuses of all responses, or `None` if the connection stays open.
pub(super) fn statuses_of(service: &Process, raw: &[u8]) -> Option<Vec<u16>> {
    let mut connection = service.connect();
    // The service may close before everything is sent.
    drop(connection.try_send(raw));
    if !connection.ends_within(SOON) {
        return None;
    }
    let said = connection.read_to_end();
    let said = String::from_utf8_lossy(&said);
    let answers = said.split("HTTP/1.1 ").skip(1);
    Some(
        answers
            .map(|answer| answer[..3].parse().unwrap_or(0))
            .collect(),
    )
}

/// Returns the form of a request in a finding.
pub(super) fn shown(raw: &[u8]) -> String {
    let cut = &raw[..raw.len().min(150)];
    format!("{:?}", String::from_utf8_lossy(cut))
}

/// Checks that the canary was not handled.
#[track_caller]
pub(super) fn assert_no_canary(service: &Process) {
    let handled = [("path", "/hello"), ("status", "200")];
    assert_eq!(service.metrics().sum("http_requests_total", &handled), 0.0);
    let records = service.terminate().records_with("http_request");
    assert!(!records.is_empty());
    assert!(records.iter().all(|record| record["query"] != "canary"));
}

/// Waits until this many heads have been rejected, of one kind or in total. They are counted when
/// their connections have ended.
#[track_caller]
pub(super) fn wait_for_rejections(service: &Process, kind: &[(&str, &str)], count: usize) {
    eventually("as many have been refused", || {
        let refused = service.metrics().sum("http_protocol_errors_total", kind);
        (refused == count as f64).then_some(())
    });
}

pub(super) const MALFORMED: &[(&str, &str)] = &[("kind", "malformed")];

pub(super) const TOO_LARGE: &[(&str, &str)] = &[("kind", "head_too_large")];
