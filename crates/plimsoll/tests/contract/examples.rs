//! The examples run, and do what their first lines say.

use harness::{Process, eventually, example};

use crate::support::request;

/// OUT-2
#[test]
fn the_example_of_outgoing_requests_carries_the_id() {
    let upstream = Process::start(example("minimal"), &[]);
    let url = format!("http://{}/hello", upstream.addr());
    let relay = Process::start(example("outgoing"), &[("UPSTREAM", &url)]);
    let answer = relay.request(request("GET", "/relayed", "X-Request-ID: one-id\r\n"));
    assert_eq!((answer.status, answer.text()), (200, "hello\n"));
    upstream.wait_for_record(|record| {
        record["message"] == "http_request" && record["request_id"] == "one-id"
    });
    let labels = [("peer", "upstream"), ("method", "GET"), ("status", "200")];
    let calls = relay.metrics().value("http_client_requests_total", &labels);
    assert_eq!(calls, Some(1.0));
    relay.terminate();
    upstream.terminate();
}

#[test]
fn the_example_of_embedding_serves_with_the_layer() {
    let program = Process::spawn(example("embedded"), &[]);
    eventually("a connection", || program.try_connect().ok());
    let answer = program.request(request("GET", "/hello", "X-Request-ID: one-id\r\n"));
    assert_eq!(answer.header("x-request-id"), Some("one-id"));
    let record = program.wait_for_record(|record| record["message"] == "http_request");
    assert_eq!(record["path"], "/hello");
    let labels = [("path", "/hello"), ("status", "200")];
    assert_eq!(program.metrics().sum("http_requests_total", &labels), 1.0);
}
