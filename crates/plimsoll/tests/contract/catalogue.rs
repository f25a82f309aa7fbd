//! The rest of the catalogue of tests (`docs/reliability.md`): what no clause of the contract asks
//! for by itself, and what was not shown elsewhere. Ids like T-RT-01 are those of the catalogue.
//! Everything is at about a tenth of the scale that it has there.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod connections;
mod ends;
mod load;
mod panics;
mod signals;
mod stuck;
mod tls;

use harness::{Connection, Process, eventually};

/// A request over a connection that is kept.
fn ask(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A connection with a request that has been sent.
#[track_caller]
fn occupy(service: &Process, path: &str) -> Connection {
    let mut connection = service.connect();
    connection.send(ask(path));
    connection
}

/// The value of a metric that has no labels.
#[track_caller]
fn value(service: &Process, name: &str) -> f64 {
    let value = service.metrics().value(name, &[]);
    value.unwrap_or_else(|| panic!("{name} is missing"))
}

/// Waits until this many requests are in flight.
#[track_caller]
fn wait_for_in_flight(service: &Process, requests: f64) {
    eventually("as many are in flight", || {
        (value(service, "http_requests_in_flight") == requests).then_some(())
    });
}

/// Waits until nothing is in flight and only the scrape's connection is open.
#[track_caller]
fn wait_for_rest(service: &Process) {
    wait_for_in_flight(service, 0.0);
    eventually("only the scrape's connection is open", || {
        (value(service, "http_connections_open") == 1.0).then_some(())
    });
}
