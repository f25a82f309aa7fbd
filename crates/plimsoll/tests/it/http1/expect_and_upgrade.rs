//! Expectations and upgrades.

use super::canary::{CANARY, SOON, assert_no_canary, patient};
use crate::support::ms;

/// SRV-3
#[test]
fn unsupported_upgrade_is_an_ordinary_request() {
    let service = patient();
    let h2c =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__";
    for fields in [
        "Connection: Upgrade\r\nUpgrade: foo",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
        h2c,
    ] {
        let mut connection = service.connect();
        let first = format!("GET /hello HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let body =
            format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n{fields}\r\n\r\nabc");
        let last = "GET /items/last HTTP/1.1\r\nHost: a\r\n\r\n";
        connection.send([first.as_str(), &body, last].concat());
        let answers = [connection.read(), connection.read(), connection.read()];
        let got = answers.each_ref().map(|it| (it.status, it.text()));
        assert_eq!(
            got,
            [(200, "hello\n"), (200, "3\n"), (200, "last")],
            "{fields}"
        );
    }
}

/// SRV-3
#[test]
fn bytes_after_an_upgrade_are_not_parsed_as_http() {
    let service = patient();
    let mut connection = service.connect();
    let upgrade =
        b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    connection.send([upgrade, CANARY].concat());
    assert_eq!(connection.read_head().status, 101);
    connection.finish_sending();
    assert_eq!(connection.read_to_end(), CANARY);
    assert_no_canary(&service);
}

/// SRV-3
#[test]
fn unread_body_sends_no_100_continue() {
    let service = patient();
    let expecting = "Host: a\r\nExpect: 100-continue\r\n";
    for (line, status) in [
        ("POST /ignore-body HTTP/1.1", 200),
        ("GET /hello HTTP/1.1", 200),
        ("POST /nowhere HTTP/1.1", 404),
        ("POST /health HTTP/1.1", 405),
    ] {
        for body in ["Content-Length: 500\r\n", "Transfer-Encoding: chunked\r\n"] {
            // The client does not send its body after the final response. What follows is
            // ambiguous, so the connection must end.
            let raw = [
                format!("{line}\r\n{expecting}{body}\r\n").as_bytes(),
                CANARY,
            ]
            .concat();
            let mut connection = service.connect();
            let head = raw.len() - CANARY.len();
            connection.send(&raw[..head]);
            assert_eq!(connection.read().status, status, "{line} {body}");
            drop(connection.try_send(CANARY));
            assert!(connection.ends_within(SOON), "{line} {body}");
            assert_eq!(connection.read_to_end(), b"", "{line} {body}");
        }
    }
    let records = service.terminate().records_with("http_request");
    assert!(records.iter().all(|record| record["query"] != "canary"));
}

/// SRV-3
#[test]
fn one_100_continue_is_sent_and_only_in_http_1_1() {
    let service = patient();
    let expecting = "Host: a\r\nExpect: 100-Continue\r\n";
    let mut connection = service.connect();
    for _ in 0..3 {
        let head = "POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
        connection.send(format!("{head}{expecting}\r\n"));
        assert_eq!(connection.read().status, 100);
        connection.send("3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(connection.read().text(), "3\n");
    }
    let mut old = service.connect();
    let head = "POST /upload HTTP/1.0\r\nContent-Length: 3\r\n";
    old.send(format!("{head}{expecting}\r\n"));
    assert!(!old.ends_within(ms(100)));
    old.send("abc");
    assert_eq!(old.read().text(), "3\n");
}
