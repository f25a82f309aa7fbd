//! The limit of a request body.

use std::time::Duration;

use harness::{request, timed};

use super::LATE;
use crate::in_flight::wait_for_in_flight;
use crate::support::{assert_problem, ms, post, start, time_to_end};

/// SRV-3
#[test]
fn body_of_the_limit_is_accepted() {
    let service = start(&[]);
    for path in ["/limited/upload", "/limited/upload-stream"] {
        let fits = service.request(post(path, &"x".repeat(1000)));
        assert_eq!((fits.status, fits.text()), (200, "1000\n"), "{path}");
        assert_problem(&service.request(post(path, &"x".repeat(1001))), 413);
    }
}

/// SRV-3
#[test]
fn chunked_body_of_the_limit_is_accepted() {
    let service = start(&[]);
    for path in ["/limited/upload", "/limited/upload-stream"] {
        let chunked = |last: &str| {
            let chunks = format!("1f4\r\n{}\r\n", "x".repeat(500)).repeat(2);
            let head = request("POST", path, "Transfer-Encoding: chunked\r\n");
            format!("{head}{chunks}{last}0\r\n\r\n")
        };
        let fits = service.request(chunked(""));
        assert_eq!((fits.status, fits.text()), (200, "1000\n"), "{path}");
        assert_problem(&service.request(chunked("1\r\nx\r\n")), 413);
    }
}

/// SRV-3
#[test]
fn declared_length_over_the_limit_is_rejected_early() {
    let service = start(&[("READ_TIMEOUT", "60s")]);
    let mut connection = service.connect();
    connection.send(
        "POST /limited/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
    );
    // The first response is the final one: no 100 Continue was sent.
    assert_problem(&connection.read(), 413);
}

/// SRV-3
#[test]
fn expect_continue_is_answered_when_the_body_is_read() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(connection.read().status, 100);
    connection.send("abc");
    assert_eq!(connection.read().text(), "3\n");
}

/// SRV-3
#[test]
fn client_that_sends_everything_first_reads_the_413() {
    let service = start(&[]);
    // More than all buffers hold, so a close with unread bytes would reset the connection.
    let body = "x".repeat(8 * 1024 * 1024);
    let piece = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    let chunked = request("POST", "/limited/upload", "Transfer-Encoding: chunked\r\n")
        + &piece.repeat(8)
        + "0\r\n\r\n";
    for raw in [
        post("/limited/upload", &body),
        post("/limited/upload-stream", &body),
        chunked,
    ] {
        let mut connection = service.connect();
        connection.send(raw);
        let answer = connection.read();
        assert_problem(&answer, 413);
        let (rest, took) = time_to_end(&mut connection);
        assert_eq!(rest, b"");
        assert!(took < LATE, "still open after {took:?}");
    }
}

/// SRV-3
#[test]
fn client_that_keeps_sending_after_a_413_is_closed() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send(
        "POST /limited/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
    );
    assert_problem(&connection.read(), 413);
    let ((), took) = timed(|| {
        while connection.try_send([b'x'; 1000]).is_ok() && !connection.ends_within(ms(20)) {}
    });
    // Discarding takes 2 s at most.
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// SRV-2, SRV-3
#[test]
fn route_has_its_own_body_limit() {
    let service = start(&[]);
    let three = "x".repeat(3 * 1024 * 1024);
    assert_eq!(service.request(post("/upload", &three)).status, 413);
    assert_eq!(
        service.request(post("/upload-large", &three)).text(),
        "3145728\n"
    );
    let nine = "x".repeat(9 * 1024 * 1024);
    let refused = service.request(post("/upload-large", &nine));
    assert_problem(&refused, 413);
    assert_eq!(
        refused.json()["detail"],
        "this route takes request bodies of 8388608 bytes at most"
    );
    for (path, limit) in [("/upload", "MAX_BODY_BYTES"), ("/upload-large", "route")] {
        service.wait_for_record(|record| {
            record["rawPath"] == path && record["status"] == 413 && record["limit"] == limit
        });
    }
}

/// SRV-3, SRV-4: a client that is rejected before its body is read can read the response.
#[test]
fn early_rejection_is_readable_after_a_whole_upload() {
    let service = start(&[("MAX_IN_FLIGHT", "1")]);
    let mut busy = service.connect();
    busy.send("GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    busy.read_head();
    let mut hanging = service.connect();
    hanging.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_in_flight(&service, 2.0);
    let body = "x".repeat(8 << 20);
    for (path, status) in [("/hello", 503), ("/health", 405)] {
        let mut connection = service.connect();
        connection.send(post(path, &body));
        assert_eq!(connection.read().status, status, "{path}");
    }
}

/// HTTP-7: the 413 page of a handler is not replaced.
#[test]
fn handlers_own_413_page_is_kept() {
    let service = start(&[]);
    let answer = service.request(post("/limited/own-413", &"x".repeat(2000)));
    assert_eq!((answer.status, answer.text()), (413, "own 413\n"));
    assert_problem(
        &service.request(post("/limited/upload", &"x".repeat(2000))),
        413,
    );
}
