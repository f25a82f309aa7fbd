//! Request bodies that the handler does not read.

use std::time::Duration;

use harness::{Connection, Process, Response, timed};

use crate::support::{END, assert_problem, ms, start};

const SMUGGLED: &str = "GET /items/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

const NEXT: &str = "GET /items/next HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A body too long to be in the connection's buffer when its head is read.
const LENGTH: usize = 50_000;

/// Returns the head of a request, and a body that consists of requests which must not be handled.
fn request(line: &str, headers: &str, length: usize) -> (String, String) {
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let mut body = SMUGGLED.repeat(length / SMUGGLED.len() + 1);
    body.truncate(length);
    (head, body)
}

fn with_length(line: &str, length: usize) -> (String, String) {
    request(line, &format!("Content-Length: {length}\r\n"), length)
}

fn announces_close(answer: &Response) -> bool {
    answer.header("connection") == Some("close")
}

/// Sends a head and part of its body, reads the response, then sends the rest and another request.
#[track_caller]
fn goes_on_behind(connection: &mut Connection, (head, body): (String, String)) -> Response {
    let (first, rest) = body.split_at(body.len() / 5);
    connection.send(head + first);
    let answer = connection.read();
    assert!(!announces_close(&answer), "{answer:?}");
    connection.send(format!("{rest}{NEXT}"));
    assert_eq!(connection.read().text(), "next");
    answer
}

#[track_caller]
fn nothing_was_smuggled(service: Process) {
    let ended = service.terminate();
    assert!(!ended.stdout.contains("smuggled"));
}

/// SRV-3
#[test]
fn unread_body_keeps_the_connection_open() {
    let service = start(&[]);
    let mut connection = service.connect();
    for _ in 0..3 {
        let ignored = goes_on_behind(&mut connection, with_length("POST /ignore-body", LENGTH));
        assert_eq!(ignored.text(), "ignored\n");
        for (line, status) in [("POST /nowhere", 404), ("POST /hello", 405)] {
            let refused = goes_on_behind(&mut connection, with_length(line, LENGTH));
            assert_eq!(refused.status, status);
        }
        // The body of a probe is not read either.
        let probe = goes_on_behind(&mut connection, with_length("GET /health", LENGTH));
        assert_eq!(probe.status, 200);
    }
    nothing_was_smuggled(service);
}

/// SRV-3, SRV-5
#[test]
fn unread_body_of_a_panic_keeps_the_connection() {
    let service = start(&[]);
    let mut connection = service.connect();
    let panicked = goes_on_behind(&mut connection, with_length("GET /panic", LENGTH));
    assert_problem(&panicked, 500);
    nothing_was_smuggled(service);
}

/// SRV-2, SRV-3
#[test]
fn unread_body_of_a_timeout_keeps_the_connection() {
    let service = start(&[("REQUEST_TIMEOUT", "100ms")]);
    let mut connection = service.connect();
    let late = goes_on_behind(&mut connection, with_length("GET /hang", LENGTH));
    assert_problem(&late, 503);
    nothing_was_smuggled(service);
}

/// SRV-3
#[test]
fn unread_rest_of_a_partly_read_body_is_discarded() {
    let service = start(&[]);
    let mut connection = service.connect();
    let worked = goes_on_behind(&mut connection, with_length("POST /look-and-work", LENGTH));
    assert_eq!(worked.text(), "worked\n");
    nothing_was_smuggled(service);
}

/// SRV-3: RFC 9112, 9.6.
#[test]
fn large_unread_body_announces_the_close() {
    let service = start(&[]);
    for length in [65 * 1024, 1024 * 1024] {
        let mut connection = service.connect();
        let (head, body) = with_length("POST /ignore-body", length);
        connection.send(head);
        let answer = connection.read();
        assert_eq!(answer.text(), "ignored\n");
        assert!(announces_close(&answer), "{length}");
        // The response is not lost if the client continues to send.
        drop(connection.try_send(body + NEXT));
        assert_eq!(connection.read_to_end(), b"");
    }
    nothing_was_smuggled(service);
}

/// SRV-3
#[test]
fn unread_chunked_body_keeps_or_announces_the_close() {
    let service = start(&[]);
    let (head, body) = request("POST /ignore-body", "Transfer-Encoding: chunked\r\n", 1000);
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    let mut connection = service.connect();
    // The whole body has arrived.
    connection.send(format!("{head}{}0\r\n\r\n{NEXT}", chunk.repeat(5)));
    let whole = connection.read();
    assert_eq!(whole.text(), "ignored\n");
    assert!(!announces_close(&whole));
    assert_eq!(connection.read().text(), "next");
    // The end of the body has not arrived.
    connection.send(format!("{head}{}", chunk.repeat(2)));
    let open = connection.read();
    assert_eq!(open.text(), "ignored\n");
    assert!(announces_close(&open));
    connection.send(format!("0\r\n\r\n{NEXT}"));
    assert_eq!(connection.read_to_end(), b"");
    // The body is too long to be discarded.
    let mut connection = service.connect();
    connection.send(format!("{head}{}0\r\n\r\n", chunk.repeat(100)));
    let long = connection.read();
    assert_eq!(long.text(), "ignored\n");
    assert!(announces_close(&long));
    nothing_was_smuggled(service);
}

/// SRV-3: without a 100 Continue the client may send the body or not, and cannot indicate which.
#[test]
fn unanswered_100_continue_announces_the_close() {
    let service = start(&[]);
    let (head, _) = request(
        "POST /ignore-body",
        "Content-Length: 10\r\nExpect: 100-continue\r\n",
        0,
    );
    let mut connection = service.connect();
    connection.send(head);
    let answer = connection.read();
    assert_eq!(answer.text(), "ignored\n", "no 100 Continue was sent");
    assert!(announces_close(&answer));
    drop(connection.try_send(NEXT));
    assert_eq!(connection.read_to_end(), b"");
}

/// SRV-3: the connection ends for a client that waits for its end.
#[test]
fn unread_body_does_not_keep_a_last_response_open() {
    let service = start(&[]);
    for (version, header) in [("1.1", "Connection: close\r\n"), ("1.0", "")] {
        let mut connection = service.connect();
        connection.send(format!(
            "POST /ignore-body HTTP/{version}\r\nHost: localhost\r\n{header}Content-Length: 1000\r\n\r\nfirst"
        ));
        let answer = connection.read();
        assert_eq!(answer.text(), "ignored\n");
        let (ends, took) = timed(|| connection.ends_within(END));
        assert!(ends && took < Duration::from_secs(1), "{took:?}");
    }
}

/// SRV-1, SRV-3
#[test]
fn unread_body_that_never_comes_closes_the_connection() {
    let service = start(&[("READ_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    let (head, _) = with_length("POST /ignore-body", LENGTH);
    connection.send(head);
    assert_eq!(connection.read().text(), "ignored\n");
    // A trickle of bytes does not extend the time.
    let (rest, took) = timed(|| {
        while !connection.ends_within(ms(50)) {
            drop(connection.try_send("x"));
        }
    });
    let () = rest;
    assert!(took >= ms(250) && took < Duration::from_secs(2), "{took:?}");
    let errors = service.metrics();
    assert_eq!(errors.sum("http_protocol_errors_total", &[]), 0.0);
}

/// LIFE-2, SRV-3
#[test]
fn unread_body_does_not_delay_the_end() {
    let service = start(&[("DRAIN_DELAY", "0")]);
    let mut connection = service.connect();
    let (head, _) = with_length("POST /ignore-body", LENGTH);
    connection.send(head);
    assert_eq!(connection.read().text(), "ignored\n");
    assert!(!connection.ends_within(ms(100)));
    let (ended, took) = timed(|| service.terminate());
    assert_eq!(ended.code, Some(0));
    assert!(took < ms(1500), "{took:?}");
}

/// SRV-3, SRV-4
#[test]
fn unread_body_is_no_reason_to_keep_a_connection() {
    let service = start(&[("MAX_CONNECTIONS", "2")]);
    let mut idle = service.connect();
    assert_eq!(idle.get("/hello").status, 200);
    let mut discarding = service.connect();
    let (head, _) = with_length("POST /ignore-body", LENGTH);
    discarding.send(head);
    assert_eq!(discarding.read().text(), "ignored\n");
    // The body is incomplete, so this connection is evicted before the idle one.
    assert_eq!(service.connect().get("/hello").status, 200);
    assert!(discarding.ends_within(END));
    assert_eq!(idle.get("/hello").status, 200);
}

/// SRV-3
#[test]
fn unread_body_does_not_desynchronize_the_connection() {
    let service = start(&[]);
    let smuggled = "GET /items/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let body = smuggled.repeat(2000);
    let mut connection = service.connect();
    connection.send(format!(
        "POST /ignore-body HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(connection.read().text(), "ignored\n");
    // The connection continues after the body, or it ends.
    let sent = connection.try_send("GET /items/next HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if let Some(answer) = sent.ok().and_then(|()| connection.read_or_end()) {
        assert_eq!(answer.text().trim_end(), "next");
    }
    let ended = service.terminate();
    assert!(!ended.stdout.contains("smuggled"));
}
