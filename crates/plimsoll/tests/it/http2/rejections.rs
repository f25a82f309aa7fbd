//! Malformed requests and stream errors over HTTP/2.

use harness::{Process, eventually};

use super::ON;
use super::client::frame;
use super::raw::{DATA, END_STREAM, GOAWAY, RST_STREAM, RawClient, get, head, request};
use crate::in_flight::{value, wait_for_in_flight};
use crate::support::start;

/// SRV-3, LOG-13
#[test]
fn malformed_http2_requests_are_not_handled() {
    let service = start(&[ON]);
    let valid = request("GET", "/count");
    let with = |more: &[(&'static str, &'static str)]| [valid.as_slice(), more].concat();
    let without = |name| {
        let fields = valid.iter().copied().filter(move |field| field.0 != name);
        fields.collect::<Vec<_>>()
    };
    let authority = |authority| {
        let mut fields = without(":authority");
        fields.push((":authority", authority));
        fields
    };
    let heads = [
        with(&[("X-Upper", "a")]),
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("keep-alive", "1")]),
        with(&[("upgrade", "h2c")]),
        with(&[("te", "gzip")]),
        with(&[(":method", "GET")]),
        with(&[(":status", "200")]),
        with(&[(":unknown", "a")]),
        with(&[("a b", "c")]),
        with(&[("a", "b\nc")]),
        with(&[("host", "b")]),
        [vec![("a", "b")], valid.clone()].concat(),
        without(":path"),
        without(":method"),
        without(":scheme"),
        authority("user@a"),
        authority("a:b"),
        authority("a/b"),
        authority(""),
        vec![(":method", "CONNECT"), (":authority", "a:80")],
        with(&[("content-length", "5")]),
        with(&[("content-length", "x")]),
    ];
    for fields in heads {
        let mut client = RawClient::connect(service.addr());
        client.send(head(1, &fields, true));
        assert_rejected(client, &format!("{fields:?}"));
    }
    for (announced, sent) in [("5", "abc"), ("5", "abcdefgh"), ("x", "a")] {
        let mut fields = request("POST", "/upload");
        fields.push(("content-length", announced));
        let mut client = RawClient::connect(service.addr());
        client.send(head(1, &fields, false));
        client.send(frame(DATA, END_STREAM, 1, sent.as_bytes()));
        assert_rejected(client, &format!("{announced} for {sent}"));
    }
    assert_eq!(value(&service, "fixture_hits_total"), 0.0);
    assert_eq!(service.metrics().sum("panics_total", &[]), 0.0);
    wait_for_in_flight(&service, 0.0);
}

/// Checks that stream 1 is rejected, and that the connection ends or stays usable.
#[track_caller]
fn assert_rejected(mut client: RawClient, what: &str) {
    let refusal = client.until(|frame| frame.stream == 1 || frame.kind == GOAWAY);
    let refused = refusal.as_ref().is_none_or(|refusal| {
        matches!(refusal.kind, RST_STREAM | GOAWAY) || matches!(refusal.status(), Some(400 | 404))
    });
    assert!(refused, "{what}: {refusal:?}");
    if client.send(get(3, "/hello")) {
        let next = client.until(|frame| frame.stream == 3 || frame.kind == GOAWAY);
        let usable = next
            .as_ref()
            .is_none_or(|next| next.kind == GOAWAY || next.status() == Some(200));
        assert!(usable, "{what}: {next:?}");
    }
}

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
fn refused_streams_are_counted_exactly() {
    let service = start(&[ON]);
    let mut client = RawClient::connect(service.addr());
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
fn stream_errors_are_counted_and_others_continue() {
    let service = start(&[ON]);
    let mut client = RawClient::connect(service.addr());
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
        let mut client = RawClient::connect(service.addr());
        client.send(head(1, &fields, true));
        let end = client.until(|frame| frame.stream == 1 || frame.kind == GOAWAY);
        assert!(end.is_some_and(|end| end.kind == GOAWAY), "{field:?}");
    }
    wait_for(&service, "http2", 3.0);
}
