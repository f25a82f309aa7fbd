//! Limits over HTTP/2: idle connections, bodies, and windows that stay closed.

use harness::{Process, access_record, eventually};
use http::StatusCode;

use super::attacks::{MEMORY_BOUND, REFUSED_STREAM, memory, warm};
use super::client::{Client, block_on, frame};
use super::raw::{
    DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM, RawClient, SETTINGS, block, get, request, reset,
};
use super::{ON, streams};
use crate::in_flight::{requests_in_flight, wait_for_in_flight};
use crate::support::{ms, start};

/// Connects a client that sends a request on each stream and opens no window.
fn stall(service: &Process, streams: &[u32]) -> RawClient {
    let mut client = RawClient::connect(service.addr());
    client.polite = false;
    for stream in streams {
        client.send(get(*stream, "/large"));
        let head = client.until(|next| next.stream == *stream && next.status() == Some(200));
        assert!(head.is_some());
    }
    client
}

/// SRV-1
#[test]
fn idle_http2_connection_is_closed_at_idle_timeout() {
    let service = start(&[ON, ("READ_TIMEOUT", "300ms"), ("IDLE_TIMEOUT", "1500ms")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        for _ in 0..3 {
            assert_eq!(client.get("/hello").await.status, StatusCode::OK);
            // Frames without a request do not start one.
            client.ping().await;
            tokio::time::sleep(ms(500)).await;
        }
        client.ended().await;
    });
}

/// SRV-2, SRV-3, H2-2
#[test]
fn body_limits_over_http2_keep_the_connection() {
    let service = start(&[ON, ("READ_TIMEOUT", "500ms"), ("MAX_BODY_BYTES", "1KiB")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        assert_eq!(client.post("/upload", &[b'x'; 1024]).await.text(), "1024\n");
        let large = client.post("/upload", &[b'x'; 40_000]).await;
        assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
        let stalled = client.post_half("/upload", b"half").await;
        assert_eq!(stalled.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
}

/// SRV-1, SRV-4, H2-4: a request lasts until its client has read the response, and times out if the
/// client reads nothing.
#[test]
fn closed_window_holds_no_slot_and_ends_at_write_timeout() {
    let service = start(&[ON, ("WRITE_TIMEOUT", "1500ms"), ("MAX_IN_FLIGHT", "1")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let stalled = client.begin("/big").await;
        wait_for_in_flight(&service, 1.0);
        eventually("its slot is free", || {
            (service.get("/hello").status == 200).then_some(())
        });
        let record = access_record(&service, "/big");
        assert_eq!(
            (&record["status"], &record["aborted"]),
            (&200.into(), &true.into())
        );
        assert!(record["latencyMs"].as_f64().unwrap() >= 1500.0, "{record}");
        // Unread data fills the window of the connection.
        drop(stalled);
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
}

/// SRV-4
#[test]
fn unread_http2_responses_hold_no_slot() {
    let service = start(&[ON, ("MAX_IN_FLIGHT", "4")]);
    let _client = stall(&service, &[1, 3, 5, 7, 9, 11, 13]);
    for _ in 0..50 {
        assert_eq!(service.get("/hello").status, 200);
    }
    assert_eq!(requests_in_flight(&service), 7.0);
}

/// SRV-4: a request takes its slot when its handler starts, not when its head is read.
#[test]
fn burst_of_streams_needs_no_slot_before_its_handlers() {
    let service = start(&[ON, ("MAX_IN_FLIGHT", "2")]);
    let mut client = RawClient::connect(service.addr());
    let streams: Vec<u32> = (0..100).map(|number| 2 * number + 1).collect();
    let requests = streams.iter().map(|stream| get(*stream, "/hello"));
    client.send(requests.collect::<Vec<_>>().concat());
    for _ in &streams {
        let head = client.until(|next| next.kind == HEADERS);
        assert_eq!(head.and_then(|head| head.status()), Some(200));
    }
    let shed = service.metrics().value("http_requests_shed_total", &[]);
    assert_eq!(shed, Some(0.0));
}

/// SRV-4: the number of stalled responses is limited by the slots.
#[test]
fn stalled_http2_responses_are_reset_above_the_limit() {
    let service = start(&[ON, ("MAX_IN_FLIGHT", "2")]);
    let mut client = stall(&service, &[1, 3, 5, 7]);
    let mut resets = Vec::new();
    while resets.len() < 2 {
        let reset = client.until(|next| next.kind == RST_STREAM);
        resets.push(reset.expect("the connection goes on").stream);
    }
    wait_for_in_flight(&service, 2.0);
    assert_eq!(service.get("/hello").status, 200);
}

/// SRV-1, LOG-13, H2-4
#[test]
fn head_timeout_applies_beside_a_busy_stream() {
    let service = start(&[ON, ("READ_TIMEOUT", "500ms")]);
    let mut client = RawClient::connect(service.addr());
    client.send(get(1, "/hang"));
    let half = block(&request("GET", "/hello"));
    client.send(frame(HEADERS, END_STREAM, 3, &half));
    client.rest();
    // The close happens before the count, so a fast scrape may miss it.
    eventually("it is counted", || {
        let metrics = service.metrics();
        let late = metrics.value("http_protocol_errors_total", &[("kind", "head_timeout")]);
        (late == Some(1.0)).then_some(())
    });
    wait_for_in_flight(&service, 0.0);
}

/// SRV-1, LOG-9, H2-4
#[test]
fn streams_with_closed_windows_time_out() {
    let service = warm(&[ON, ("WRITE_TIMEOUT", "1500ms")]);
    let before = memory(&service);
    let mut client = RawClient::connect(service.addr());
    client.send(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for stream in streams(100) {
        client.send(get(stream, "/stream?chunks=1024&shut"));
    }
    let mut reset = 0;
    while reset < 100 {
        let next = client.next().expect("the connection goes on");
        reset += usize::from(next.kind == RST_STREAM);
        assert!(next.kind != DATA || next.payload.is_empty(), "{next:?}");
    }
    let grown = memory(&service).saturating_sub(before);
    assert!(grown <= MEMORY_BOUND, "{grown} bytes more");
    let given_up = eventually("all have their records", || {
        let records = service.records_with("http_request");
        let shut = records
            .into_iter()
            .filter(|r| r["query"] == "chunks=1024&shut");
        let shut: Vec<_> = shut.collect();
        (shut.len() == 100).then_some(shut)
    });
    assert!(given_up.iter().all(|record| record["aborted"] == true));
    wait_for_in_flight(&service, 0.0);
}

/// SRV-6, H2-3
#[test]
fn stream_above_the_limit_is_refused() {
    let service = start(&[ON]);
    let mut client = RawClient::connect(service.addr());
    for stream in streams(100) {
        client.send(get(stream, "/hang"));
    }
    client.send(get(201, "/hello"));
    let refused = client
        .until(|frame| frame.stream > 0)
        .expect("the stream gets a frame");
    assert_eq!((refused.kind, refused.stream), (RST_STREAM, 201));
    assert_eq!(refused.payload, REFUSED_STREAM);
    wait_for_in_flight(&service, 100.0);
    client.send([reset(1), get(203, "/hello")].concat());
    let answer = client
        .until(|frame| frame.stream > 0)
        .expect("it is answered");
    assert_eq!((answer.status(), answer.stream), (Some(200), 203));
    drop(client);
    wait_for_in_flight(&service, 0.0);
}

/// SRV-4
#[test]
fn idle_http2_connections_are_evicted() {
    let service = start(&[ON, ("MAX_CONNECTIONS", "2")]);
    let mut idle = RawClient::connect(service.addr());
    idle.send(get(1, "/hello"));
    assert!(idle.until(|frame| frame.ends_stream()).is_some());
    let mut silent = RawClient::connect(service.addr());
    silent.until(|frame| frame.kind == SETTINGS);
    let mut first = RawClient::connect(service.addr());
    first.send(get(1, "/hang"));
    silent.rest();
    let mut second = RawClient::connect(service.addr());
    second.send(get(1, "/hello"));
    idle.rest();
    let answer = second.until(|frame| frame.kind == HEADERS);
    assert_eq!(answer.and_then(|answer| answer.status()), Some(200));
}

/// SRV-4
#[test]
fn reserve_answers_one_http2_probe_and_sends_goaway() {
    let service = start(&[ON, ("MAX_CONNECTIONS", "2")]);
    let busy = [(); 2].map(|()| {
        let mut client = RawClient::connect(service.addr());
        client.send(get(1, "/stream?chunks=100000&ms=50"));
        assert!(client.until(|frame| frame.kind == HEADERS).is_some());
        client
    });
    for polite in [true, false] {
        let mut client = RawClient::connect(service.addr());
        client.polite = polite;
        client.send(get(1, "/health"));
        let said = client.rest();
        assert!(
            said.iter().any(|frame| frame.status() == Some(200)),
            "{said:?}"
        );
        assert!(said.iter().any(|frame| frame.kind == GOAWAY), "{said:?}");
    }
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let other = client.get("/hello").await;
        assert_eq!(other.status, StatusCode::SERVICE_UNAVAILABLE);
        client.ended().await;
    });
    drop(busy);
}
