//! Requests in flight and metrics of a service under test.

use harness::{Connection, Process, eventually};

/// Returns a request for a connection that is kept open.
pub(crate) fn ask(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Opens a connection and sends a request.
#[track_caller]
pub(crate) fn occupy(service: &Process, path: &str) -> Connection {
    let mut connection = service.connect();
    connection.send(ask(path));
    connection
}

/// Returns the value of a metric without labels.
#[track_caller]
pub(crate) fn value(service: &Process, name: &str) -> f64 {
    let value = service.metrics().value(name, &[]);
    value.unwrap_or_else(|| panic!("{name} is missing"))
}

/// Returns the number of requests in flight.
#[track_caller]
pub(crate) fn requests_in_flight(service: &Process) -> f64 {
    value(service, "http_requests_in_flight")
}

/// Waits until this many requests are in flight.
#[track_caller]
pub(crate) fn wait_for_in_flight(service: &Process, requests: f64) {
    eventually(&format!("{requests} requests are in flight"), || {
        (requests_in_flight(service) == requests).then_some(())
    });
}

/// Waits until nothing is in flight and only the scrape's connection is open.
#[track_caller]
pub(crate) fn wait_for_rest(service: &Process) {
    wait_for_in_flight(service, 0.0);
    eventually("only the scrape's connection is open", || {
        (value(service, "http_connections_open") == 1.0).then_some(())
    });
}
