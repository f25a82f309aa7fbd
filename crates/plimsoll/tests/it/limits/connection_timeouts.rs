//! Timeouts of a connection: head, idle, write stalls.

use harness::{eventually, timed};

use super::LATE;
use crate::support::{ms, start, time_to_end};

/// SRV-1
#[test]
fn silent_connection_is_closed_without_response() {
    let service = start(&[("READ_TIMEOUT", "300ms")]);
    let (said, took) = time_to_end(&mut service.connect());
    assert_eq!(said, b"");
    assert!((ms(250)..LATE).contains(&took), "{took:?}");
}

/// SRV-1
#[test]
fn slow_head_is_closed_without_response() {
    let service = start(&[("READ_TIMEOUT", "500ms")]);
    let mut connection = service.connect();
    connection.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n");
    let ((), took) = timed(|| {
        // A byte every 50 ms is progress, but not a head.
        while !connection.ends_within(ms(50)) {
            if connection.try_send("x").is_err() {
                break;
            }
        }
    });
    assert_eq!(connection.read_to_end(), b"");
    assert!((ms(400)..LATE).contains(&took), "{took:?}");
}

/// SRV-1
#[test]
fn head_in_pieces_within_the_timeout_is_answered() {
    let service = start(&[("READ_TIMEOUT", "5s")]);
    let mut connection = service.connect();
    for piece in [
        "GE",
        "T /hello HTT",
        "P/1.1\r\nHo",
        "st: localhost\r",
        "\n\r",
        "\n",
    ] {
        connection.send(piece);
        assert!(!connection.ends_within(ms(10)));
    }
    assert_eq!(connection.read().text(), "hello\n");
}

/// SRV-1
#[test]
fn head_timeout_applies_to_later_requests() {
    let service = start(&[("READ_TIMEOUT", "300ms"), ("IDLE_TIMEOUT", "60s")]);
    let mut connection = service.connect();
    assert_eq!(connection.get("/hello").status, 200);
    connection.send("GET /hello HT");
    let (said, took) = time_to_end(&mut connection);
    assert_eq!(said, b"");
    assert!((ms(250)..LATE).contains(&took), "{took:?}");
}

/// SRV-1
#[test]
fn idle_connection_is_closed_after_idle_timeout() {
    let service = start(&[("READ_TIMEOUT", "60s"), ("IDLE_TIMEOUT", "400ms")]);
    let mut connection = service.connect();
    assert_eq!(connection.get("/hello").status, 200);
    let (said, took) = time_to_end(&mut connection);
    assert_eq!(said, b"");
    assert!((ms(350)..LATE).contains(&took), "{took:?}");
}

/// SRV-1
#[test]
fn idle_timeout_may_exceed_head_timeout() {
    let service = start(&[("READ_TIMEOUT", "200ms"), ("IDLE_TIMEOUT", "60s")]);
    let mut connection = service.connect();
    for _ in 0..2 {
        assert_eq!(connection.get("/hello").status, 200);
        assert!(
            !connection.ends_within(ms(800)),
            "closed as if a head were late"
        );
    }
    assert_eq!(connection.get("/hello").status, 200);
}

/// SRV-1, LOG-13
#[test]
fn incomplete_head_is_counted_without_response() {
    let service = start(&[("READ_TIMEOUT", "200ms")]);
    let mut late = service.connect();
    late.send("GET / HTTP/1.1\r\nHo");
    assert_eq!(late.read_to_end(), b"");
    let mut short = service.connect();
    short.send("GET / HT");
    short.finish_sending();
    short.read_to_end();
    eventually("both are counted", || {
        let metrics = service.metrics();
        let count = |kind| metrics.value("http_protocol_errors_total", &[("kind", kind)]);
        (count("head_timeout") == Some(1.0) && count("incomplete") == Some(1.0)).then_some(())
    });
}

/// SRV-1
#[test]
fn client_that_reads_nothing_is_closed_at_write_timeout() {
    let service = start(&[("WRITE_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    connection.set_receive_buffer(4096);
    connection.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.read_head();
    eventually(
        "its connection is closed, and only the scrape's is open",
        || (service.metrics().value("http_connections_open", &[]) == Some(1.0)).then_some(()),
    );
    drop(connection);
}

/// SRV-1
#[test]
fn slow_reader_gets_the_whole_response() {
    let service = start(&[("WRITE_TIMEOUT", "300ms")]);
    // Each pause is longer than the limit, and the client reads every byte at once.
    let answer = service.get("/stream?chunks=3&ms=500");
    assert_eq!(answer.body.len(), 3 * 1024);
}
