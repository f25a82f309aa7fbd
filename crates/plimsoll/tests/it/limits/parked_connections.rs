//! Connections that have been idle for a second, and have no buffers then.

use std::io::{Read as _, Write as _};

use harness::{Connection, Process, Signal};

use super::LATE;
use crate::{
    http2::attacks::memory,
    support::{ms, start, time_to_end},
    tls::{Identity, handshake},
};

/// Sends a request over each connection, and waits until all have been idle for more than a second.
fn park(connections: &mut [Connection]) {
    for connection in &mut *connections {
        assert_eq!(connection.get("/hello").status, 200);
    }
    if let [.., last] = connections {
        assert!(!last.ends_within(ms(1300)), "it was closed");
    }
}

fn parked(service: &Process) -> Connection {
    let mut connection = [service.connect()];
    park(&mut connection);
    let [connection] = connection;
    connection
}

/// SRV-1
#[test]
fn parked_connection_serves_later_requests() {
    let service = start(&[]);
    let mut connection = parked(&service);
    connection.send("GET /hel");
    assert!(!connection.ends_within(ms(1300)), "a head has begun");
    connection.send("lo HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.read().text(), "hello\n");
    // A body, then an idle time, then two requests in one segment.
    connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(connection.read().text(), "3\n");
    assert!(!connection.ends_within(ms(1300)), "it was closed");
    connection.send("GET /items/a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
    assert_eq!(connection.read().text(), "a");
    assert_eq!(connection.read().text(), "a");
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.records_with("http_request").len(), 5);
}

/// TLS-1
#[test]
fn parked_connection_with_tls_serves_later_requests() {
    let identity = Identity::new("parked");
    let service = identity.service(&[]);
    let mut stream = handshake(&service, &identity.der, &[]).unwrap();
    for pause in [0, 1300] {
        std::thread::sleep(ms(pause));
        stream
            .write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let (mut text, mut chunk) = (Vec::new(), [0; 1024]);
        while !text.ends_with(b"hello\n") {
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the connection was closed");
            text.extend_from_slice(&chunk[..count]);
        }
    }
    identity.remove();
}

/// SRV-1, LIFE-2
#[test]
fn parked_connection_is_closed_by_client_timeout_or_drain() {
    let service = start(&[]);
    let mut half_closed = parked(&service);
    half_closed.finish_sending();
    assert!(half_closed.ends_within(LATE));

    let timed_out = start(&[("IDLE_TIMEOUT", "2s")]);
    let mut connection = timed_out.connect();
    assert_eq!(connection.get("/hello").status, 200);
    let (said, took) = time_to_end(&mut connection);
    assert_eq!(said, b"");
    assert!((ms(1900)..LATE).contains(&took), "{took:?}");

    let [mut used, mut silent] = [parked(&service), service.connect()];
    // The request has arrived when the drain begins.
    service.signal(Signal::Stop);
    service.signal(Signal::Term);
    used.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    service.signal(Signal::Cont);
    assert_eq!(used.read().status, 200);
    assert!(used.ends_within(LATE) && silent.ends_within(LATE));
}

/// SRV-1: a part of the next head in the segment of a request neither keeps the worker busy nor is lost.
#[test]
fn part_of_a_head_is_kept_over_an_idle_time() {
    let service = start(&[("WORKERS", "1")]);
    let first = "GET /items/a HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut connection = service.connect();
    connection.send(format!("{first}GET /items/b HT"));
    assert_eq!(connection.read().text(), "a");
    assert!(!connection.ends_within(ms(1300)), "it was closed");
    assert_eq!(service.get("/hello").status, 200);
    connection.send("TP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.read().text(), "b");
}

/// SRV-3: a task may still read the body of a request that is answered, so the connection is not idle.
#[test]
fn rest_of_a_body_after_its_response_is_no_request() {
    let service = start(&[]);
    let mut connection = service.connect();
    let head = "POST /upload-later HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\n";
    connection.send(format!("{head}abc"));
    assert_eq!(connection.read().status, 202);
    assert!(!connection.ends_within(ms(1300)), "it was closed");
    connection.send("GET /items/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    service.wait_for_record(|record| record["message"] == "upload_read");
    let ended = service.terminate();
    assert_eq!(ended.records_with("http_request").len(), 1);
}

/// SRV-4: the buffers of parked connections serve other connections.
#[test]
fn parked_connections_give_their_buffers_back() {
    const BATCH: usize = 150;
    let service = start(&[]);
    let mut all = Vec::new();
    let mut grown = Vec::new();
    for _ in 0..3 {
        let before = memory(&service);
        let mut batch: Vec<_> = (0..BATCH).map(|_| service.connect()).collect();
        park(&mut batch);
        grown.push(memory(&service).saturating_sub(before));
        all.push(batch);
    }
    let [first, .., last] = grown[..] else {
        unreachable!("three batches")
    };
    // Without that, each batch would need as much as the first.
    assert!(last < first / 2, "{grown:?}");
}
