//! LOG-13 over HTTP/2: what h2 refuses by itself is counted.

use harness::{Process, eventually};

use super::{
    ON,
    bare::{Bare, GOAWAY, RST_STREAM, get, head, request},
};
use crate::support::start;

#[track_caller]
fn wait_for(service: &Process, kind: &str, count: f64) {
    eventually("as many are counted", || {
        let kind = [("kind", kind)];
        let found = service.metrics().sum("http_protocol_errors_total", &kind);
        (found == count).then_some(())
    });
    let all = service.metrics().sum("http_protocol_errors_total", &[]);
    assert_eq!(all, count, "{kind} alone");
}

/// LOG-13, H2-3
#[test]
fn refused_streams_are_counted_one_by_one() {
    let service = start(&[ON]);
    let mut client = Bare::connect(service.addr());
    let last = 2 * 100 + 2 * 300;
    for stream in (1..last).step_by(2) {
        let path = if stream < 200 { "/hang" } else { "/hello" };
        client.send(get(stream, path));
    }
    let mut refused = 0;
    while refused < 300 {
        let next = client.next().expect("the connection is open");
        refused += u32::from(next.kind == RST_STREAM);
    }
    wait_for(&service, "refused_stream", 300.0);
}

/// LOG-13, H2-2
#[test]
fn stream_errors_are_counted_and_others_go_on() {
    let service = start(&[ON]);
    let mut client = Bare::connect(service.addr());
    for stream in (1..=9).step_by(2) {
        let mut fields = request("GET", "/hello");
        fields.push(("connection", "close"));
        client.send(head(stream, &fields, true));
    }
    client.send(get(11, "/hello"));
    let answer = client
        .until(|frame| frame.stream == 11)
        .expect("it is answered");
    assert_eq!(answer.status(), Some(200));
    wait_for(&service, "stream_error", 5.0);
}

/// LOG-13: h2 ends the whole connection.
#[test]
fn malformed_field_ends_the_connection_and_is_counted() {
    let service = start(&[ON]);
    for field in [("X-Upper", "a"), ("a", "b\nc"), (":unknown", "a")] {
        let mut fields = request("GET", "/hello");
        fields.push(field);
        let mut client = Bare::connect(service.addr());
        client.send(head(1, &fields, true));
        let end = client.until(|frame| frame.stream == 1 || frame.kind == GOAWAY);
        assert!(end.is_some_and(|end| end.kind == GOAWAY), "{field:?}");
    }
    wait_for(&service, "http2", 3.0);
}
