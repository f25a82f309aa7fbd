//! The end of HTTP/2 connections: the shutdown, and the maximum age.

use std::thread;

use harness::{Process, Signal};
use http::StatusCode;

use super::ON;
use super::client::{Client, PREFACE_AND_SETTINGS, block_on, get_hello};
use super::raw::{
    DATA, Frame, GOAWAY, HEADERS, RawClient, SETTINGS, get, head, request, window_update,
};
use crate::in_flight::wait_for_in_flight;
use crate::support::{END, ms, start};

/// LIFE-1, LIFE-2, H2-5
#[test]
fn drain_sends_goaway_and_completes_every_stream() {
    let service = start(&[ON, ("DRAIN_DELAY", "500ms"), ("SHUTDOWN_TIMEOUT", "20s")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let idle = Client::connect(service.addr()).await;
        let mut streams = Vec::new();
        for _ in 0..50 {
            let stream = client.begin("/stream?chunks=40&ms=25").await;
            streams.push(tokio::spawn(stream.finish()));
        }
        wait_for_in_flight(&service, 50.0);
        service.signal(Signal::Term);
        idle.ended().await;
        for stream in streams {
            assert_eq!(stream.await.unwrap().body.len(), 40 * 1024);
        }
        client.ended().await;
    });
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    let complete = ended.records_with("http_request");
    assert_eq!(complete.len(), 50);
    assert!(complete.iter().all(|record| record["aborted"].is_null()));
}

/// LIFE-2, H2-5: also clients that do not respond.
#[test]
fn idle_http2_connections_do_not_delay_the_exit() {
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut deaf = service.connect();
    deaf.send(PREFACE_AND_SETTINGS);
    deaf.send(get_hello());
    service.wait_for_record(|record| record["rawPath"] == "/hello");
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let drain = ended.records_with("shutdown_complete")[0]["drainMs"]
        .as_f64()
        .unwrap();
    assert!(drain < 5000.0, "{drain}");
    drop(deaf);
}

fn stop(service: &Process) {
    service.signal(Signal::Term);
    service.wait_for_record(|record| record["message"] == "shutdown_started");
}

/// LIFE-1, H2-5, LIFE-2: a partial head does not affect earlier requests.
#[test]
fn partial_head_during_the_drain_ends_no_other_stream() {
    let service = start(&[ON]);
    let mut client = RawClient::connect(service.addr());
    client.send(get(1, "/slow?ms=3500"));
    client.send(get(3, "/hello"));
    client.until(|frame| frame.stream == 3 && frame.ends_stream());
    stop(&service);
    // Longer than the wait for a partial head alone.
    thread::sleep(ms(2500));
    let late = head(5, &request("GET", "/hello"), true);
    client.send(&late[..12]);
    thread::sleep(ms(300));
    client.send(&late[12..]);
    let answer = client.until(|frame| frame.stream == 1 && frame.kind == DATA);
    assert!(answer.is_some_and(|answer| answer.payload == b"slow\n"));
    drop(client);
    assert_eq!(service.wait(END).code, Some(0));
}

/// LIFE-1, H2-5, LIFE-2: data in the kernel's send buffer may be unsent, and a slow reader sends
/// more window updates. An early close would reset the connection and lose the rest.
#[test]
fn slow_reader_gets_all_responses_during_the_drain() {
    const STREAMS: u32 = 24;
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "30s")]);
    let mut client = RawClient::connect(service.addr());
    for stream in 0..STREAMS {
        client.send(get(2 * stream + 1, "/stream?chunks=60"));
    }
    client.send(window_update(0, 10 << 20));
    // All responses fit into windows and buffers, so they are complete for the service.
    service.wait_for_record(|record| {
        record["message"] == "http_request" && record["rawPath"] == "/stream"
    });
    stop(&service);
    let mut whole = 0;
    let mut length = 0;
    while whole < STREAMS {
        let frame = client.next().expect("no answer is cut short");
        if frame.kind == DATA {
            length += frame.payload.len();
            thread::sleep(ms(frame.payload.len() as u64 / 1024));
        }
        whole += u32::from(frame.ends_stream());
    }
    assert_eq!(length, STREAMS as usize * 60 * 1024);
    drop(client);
    assert_eq!(service.wait(END).code, Some(0));
}

/// LIFE-1, LIFE-2, H2-5
#[test]
fn two_hundred_streams_complete_during_the_drain() {
    let service = start(&[ON, ("DRAIN_DELAY", "300ms"), ("SHUTDOWN_TIMEOUT", "60s")]);
    block_on(async {
        let mut streams = Vec::new();
        for _ in 0..4 {
            let mut client = Client::connect(service.addr()).await;
            for _ in 0..50 {
                let stream = client.begin("/stream?chunks=1024").await;
                streams.push(tokio::spawn(stream.finish_slowly(ms(2))));
            }
        }
        stop(&service);
        for stream in streams {
            let answer = stream.await.expect("the answer is whole");
            assert_eq!(answer.body.len(), 1 << 20);
        }
    });
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    let records = ended.records_with("http_request");
    assert_eq!(records.len(), 200);
    assert!(records.iter().all(|record| record["aborted"].is_null()));
}

/// LIFE-2, H2-5
#[test]
fn stream_after_goaway_is_handled_fully_or_not_at_all() {
    let service = start(&[ON]);
    let mut client = RawClient::connect(service.addr());
    client.send(get(1, "/slow?ms=1500"));
    client.until(|frame| frame.kind == SETTINGS);
    stop(&service);
    client.until(|frame| frame.kind == GOAWAY);
    let mut last = None;
    let mut whole = Vec::new();
    client.send(get(3, "/id"));
    while let Some(frame) = client.next() {
        if frame.kind == GOAWAY {
            last = frame.payload.get(..4).map(<[u8]>::to_vec);
            client.send(get(5, "/id"));
        } else if frame.ends_stream() {
            whole.push(frame.stream);
        }
    }
    drop(client);
    whole.sort_unstable();
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    let records = ended.records_with("http_request");
    assert_eq!(records.len(), whole.len(), "{whole:?}, {last:?}");
    assert!(whole.starts_with(&[1]) && !whole.contains(&5), "{whole:?}");
    assert!(records.iter().all(|record| record["aborted"].is_null()));
}

/// LIFE-1, H2-5, LIFE-2: until the delay ends all clients are served, also those that wait for
/// SETTINGS.
#[test]
fn connection_during_the_drain_delay_is_served_once() {
    let service = start(&[ON, ("DRAIN_DELAY", "3s")]);
    stop(&service);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        client.ping().await;
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
        client.ended().await;
    });
    assert_eq!(service.wait(END).code, Some(0));
}

/// LIFE-2, H2-5: also clients with a very recent response.
#[test]
fn client_that_stays_connected_delays_the_exit_by_seconds() {
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "25s")]);
    let mut client = RawClient::connect(service.addr());
    client.send(get(1, "/hello"));
    client.until(|frame| frame.stream == 1 && frame.ends_stream());
    let began = tokio::time::Instant::now();
    stop(&service);
    let said = client.rest();
    assert!(said.iter().any(|frame| frame.kind == GOAWAY), "{said:?}");
    assert!(said.iter().all(|frame| frame.kind != HEADERS));
    let ended = service.wait(END);
    assert!(began.elapsed() < ms(12_000), "{:?}", began.elapsed());
    assert_eq!(ended.code, Some(0));
}

/// SRV-8
#[test]
fn aged_http2_connection_finishes_its_streams_after_goaway() {
    let service = start(&[ON, ("MAX_CONNECTION_AGE", "300ms")]);
    let mut client = RawClient::connect(service.addr());
    client.send(get(1, "/slow?ms=1500"));
    client.until(|frame| frame.kind == GOAWAY);
    let rest = client.rest();
    let answer = rest.iter().find(|frame| frame.kind == DATA);
    assert!(
        answer.is_some_and(|answer| answer.payload == b"slow\n"),
        "{rest:?}"
    );
    let aged = service.metrics().value("http_connections_aged_total", &[]);
    assert_eq!(aged, Some(1.0));
}

/// SRV-8: also if the client does not close it.
#[test]
fn idle_http2_connection_of_that_age_is_closed() {
    let service = start(&[ON, ("MAX_CONNECTION_AGE", "300ms")]);
    for polite in [true, false] {
        let mut client = RawClient::connect(service.addr());
        client.polite = polite;
        client.send(get(1, "/hello"));
        let said = client.rest();
        assert!(said.iter().any(|frame| frame.kind == GOAWAY), "{said:?}");
        let mut of_stream = said.iter().filter(|frame| frame.stream == 1);
        assert!(of_stream.any(Frame::ends_stream), "{said:?}");
    }
}

/// SRV-8
#[test]
fn http2_clients_lose_no_request_at_the_age() {
    let service = start(&[ON, ("MAX_CONNECTION_AGE", "300ms")]);
    let mut answered = 0.0;
    block_on(async {
        for _ in 0..3 {
            let mut client = Client::connect(service.addr()).await;
            while let Some(request) = client.try_begin("/hello").await {
                // GOAWAY may cross a request. Its client may send it again.
                let Some(answer) = request.finish_unless_excluded().await else {
                    break;
                };
                assert_eq!(answer.status, StatusCode::OK);
                answered += 1.0;
            }
            client.ended().await;
        }
    });
    let handled = [("path", "/hello")];
    assert_eq!(
        service.metrics().sum("http_requests_total", &handled),
        answered
    );
}
