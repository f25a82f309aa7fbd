//! Responses: problems, headers and panics.

mod headers;
pub(crate) mod panics;
mod problems;

use harness::{Process, Response, request};

use crate::support::{post, start};

/// The paths that the chassis serves itself.
pub(crate) const PROBES: [&str; 7] = [
    "/health",
    "/ready",
    "/metrics",
    "/livez",
    "/readyz",
    "/healthz",
    "/startupz",
];

/// Returns a response of each kind that the chassis makes itself.
fn chassis_errors(service: &Process) -> Vec<(u16, Response)> {
    let mut stalled = service.connect();
    stalled.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
    vec![
        (404, service.get("/no/such/path")),
        (405, service.request(request("DELETE", "/hello", ""))),
        (408, stalled.read()),
        (
            413,
            service.request(post("/limited/upload", &"x".repeat(2000))),
        ),
        (500, service.get("/panic")),
        (503, service.get("/hang")),
    ]
}

/// Starts a service with limits so low that every kind of error is quick to cause.
fn with_short_limits(debug: &str) -> Process {
    start(&[
        ("READ_TIMEOUT", "300ms"),
        ("REQUEST_TIMEOUT", "1s"),
        ("DEBUG", debug),
    ])
}
