//! Detection of the protocol of a connection.

use harness::eventually;

use super::ON;
use crate::support::{ms, start};

/// H2-1: HTTP/1 is served on the same port, even if its first bytes match the preface.
#[test]
fn http1_is_served_beside_http2() {
    let service = start(&[ON]);
    assert_eq!(service.get("/hello").status, 200);
    let mut connection = service.connect();
    connection.send("P");
    connection.send("OST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    assert_eq!(connection.read().text(), "2\n");
    assert_eq!(connection.get("/hello").status, 200);
}

/// LOG-13, H2-1
#[test]
fn cleartext_http2_is_rejected_unless_enabled() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    // The recorded preface was sent.
    assert_eq!(connection.read().status, 400);
    assert_eq!(connection.read_to_end(), b"");
    eventually("it is counted", || {
        (service.metrics().sum("http_protocol_errors_total", &[]) == 1.0).then_some(())
    });
    let records = service.terminate().records_with("http_request");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["status"], 400);
    assert_eq!(records[0]["protocolError"], "malformed");
}

/// LOG-13: the setting has no effect on an incomplete preface.
#[test]
fn partial_preface_is_counted_with_and_without_http2() {
    for env in [
        &[ON, ("READ_TIMEOUT", "300ms")][..],
        &[("READ_TIMEOUT", "300ms")],
    ] {
        let service = start(env);
        let half = "PRI * HTTP/2.0\r\n";
        let mut silent = service.connect();
        silent.send(half);
        assert!(silent.ends_within(ms(3000)));
        let mut closed = service.connect();
        closed.send(half);
        closed.finish_sending();
        closed.read_to_end();
        // Without a byte nothing is counted.
        service.connect().finish_sending();
        assert!(service.connect().ends_within(ms(3000)));
        for kind in ["head_timeout", "incomplete"] {
            eventually("half a preface is counted", || {
                let kind = [("kind", kind)];
                let count = service.metrics().sum("http_protocol_errors_total", &kind);
                (count == 1.0).then_some(())
            });
        }
        let all = service.metrics().sum("http_protocol_errors_total", &[]);
        assert_eq!(all, 2.0, "{env:?}");
    }
}

/// SRV-1: from the accept, also while the protocol is unknown.
#[test]
fn head_timeout_applies_to_an_undetected_protocol() {
    let service = start(&[ON, ("READ_TIMEOUT", "300ms")]);
    for said in ["", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut connection = service.connect();
        connection.send(said);
        assert!(connection.ends_within(ms(3000)), "{said:?}");
    }
}
