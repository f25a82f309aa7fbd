//! HTTP/2: the same contract over streams, with prior knowledge and no TLS.

mod attacks;
mod bare;
pub(crate) mod client;
mod drain;
mod refused;
mod tunnel;

use harness::{Process, Signal, eventually};
use http::StatusCode;

use self::bare::{Bare, RST_STREAM, get};
use self::client::{Client, block_on};
use crate::support::{END, access_record, ms, start};

const ON: (&str, &str) = ("HTTP2_CLEARTEXT", "true");

fn gauge(service: &Process, name: &str) -> f64 {
    service.metrics().value(name, &[]).unwrap_or(-1.0)
}

/// HTTP-1, HTTP-9, RID-1, LOG-3, H2-2
#[test]
fn a_request_over_http2_is_answered_and_recorded_like_any_other() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let answer = client.get("/hello?a=b").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello\n"));
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(!answer.headers.contains_key("connection"));
        let record = access_record(&service, "/hello");
        assert_eq!(
            record["request_id"],
            answer.headers["x-request-id"].to_str().unwrap()
        );
        assert_eq!(
            (&record["query"], &record["ip"]),
            (&"a=b".into(), &"127.0.0.1".into())
        );
        let probe = client.get("/ready").await;
        assert_eq!(probe.status, StatusCode::OK);
        let missing = client.get("/nowhere").await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        assert_eq!(missing.headers["content-type"], "application/problem+json");
    });
}

/// HTTP-2, HTTP-6, DIF-7: hyper would send the body, which is a breach that ends the stream.
#[test]
fn what_has_no_body_has_none_over_http2() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        for (path, status) in [
            ("/health", 200),
            ("/hello", 200),
            ("/panic", 500),
            ("/nowhere", 404),
            ("/not-modified", 304),
        ] {
            let request = client.request("HEAD", path);
            let answer = client.send(request).await;
            assert_eq!(answer.status, status, "{path}");
            assert!(answer.body.is_empty(), "{path}");
        }
        let answer = client.get("/not-modified").await;
        assert!(answer.body.is_empty());
    });
    let ended = service.terminate();
    assert_eq!(ended.records_with("http_request").len(), 5);
}

/// H2-1: HTTP/1 is understood on the same port, even if it begins alike.
#[test]
fn http1_goes_on_where_http2_is_spoken_too() {
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
fn http2_without_tls_is_refused_unless_it_is_switched_on() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    // What is recorded has been sent.
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

/// LOG-13: the setting changes nothing for a preface that does not become complete.
#[test]
fn half_a_preface_is_counted_with_and_without_http2() {
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

/// SRV-1: from the first moment, also while it is unknown what is spoken.
#[test]
fn whoever_does_not_say_what_it_speaks_has_the_time_of_a_head() {
    let service = start(&[ON, ("READ_TIMEOUT", "300ms")]);
    for said in ["", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut connection = service.connect();
        connection.send(said);
        assert!(connection.ends_within(ms(3000)), "{said:?}");
    }
}

/// SRV-1
#[test]
fn an_idle_connection_of_http2_has_the_time_between_two_requests() {
    let service = start(&[ON, ("READ_TIMEOUT", "300ms"), ("IDLE_TIMEOUT", "1500ms")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        for _ in 0..3 {
            assert_eq!(client.get("/hello").await.status, StatusCode::OK);
            // Frames that are no requests are no beginning of one.
            client.ping().await;
            tokio::time::sleep(ms(500)).await;
        }
        client.ended().await;
    });
}

/// SRV-2, SRV-3, H2-2
#[test]
fn bodies_have_their_limits_over_http2_and_the_connection_goes_on() {
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

/// HTTP-7, H2-2, DIF-9
#[test]
fn the_crumbs_of_a_cookie_are_one_header_to_the_service() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let request = client
            .request("GET", "/cookie")
            .header("cookie", "a=1")
            .header("cookie", "b=2");
        let answer = client.send(request).await;
        assert_eq!(answer.text(), "a=1; b=2");
    });
}

/// SRV-3, H2-2
#[test]
fn a_host_that_is_not_the_authority_is_refused() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let request = client.request("GET", "/hello").header("host", "other");
        assert_eq!(client.send(request).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
}

/// LOG-9, H2-2
#[test]
fn a_stream_that_its_client_resets_is_a_499_and_others_go_on() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let hanging = client.begin("/hang").await;
        eventually("it is in flight", || {
            (gauge(&service, "http_requests_in_flight") == 1.0).then_some(())
        });
        drop(hanging);
        let record = access_record(&service, "/hang");
        assert_eq!(
            (&record["status"], &record["aborted"]),
            (&499.into(), &true.into())
        );
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
}

/// SRV-1, SRV-4, H2-4: a request lasts until its client has taken the answer, and a client that
/// takes nothing is given up.
#[test]
fn closed_window_holds_no_slot_and_ends_at_write_timeout() {
    let service = start(&[ON, ("WRITE_TIMEOUT", "1500ms"), ("MAX_IN_FLIGHT", "1")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let stalled = client.begin("/big").await;
        eventually("it is in flight", || {
            (gauge(&service, "http_requests_in_flight") == 1.0).then_some(())
        });
        eventually("its slot is free", || {
            (service.get("/hello").status == 200).then_some(())
        });
        let record = access_record(&service, "/big");
        assert_eq!(
            (&record["status"], &record["aborted"]),
            (&200.into(), &true.into())
        );
        assert!(record["latencyMs"].as_f64().unwrap() >= 1500.0, "{record}");
        // What it has not taken fills the window that all its streams share.
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
    assert_eq!(gauge(&service, "http_requests_in_flight"), 7.0);
}

/// A client that asks on each of the streams and opens no window.
fn stall(service: &Process, streams: &[u32]) -> Bare {
    let mut client = Bare::connect(service.addr());
    client.polite = false;
    for stream in streams {
        client.send(get(*stream, "/large"));
        let head = client.until(|next| next.stream == *stream && next.status() == Some(200));
        assert!(head.is_some());
    }
    client
}

/// SRV-4: no more responses may stall than there are slots.
#[test]
fn stalled_http2_responses_are_reset_above_the_limit() {
    let service = start(&[ON, ("MAX_IN_FLIGHT", "2")]);
    let mut client = stall(&service, &[1, 3, 5, 7]);
    let mut resets = Vec::new();
    while resets.len() < 2 {
        let reset = client.until(|next| next.kind == RST_STREAM);
        resets.push(reset.expect("the connection goes on").stream);
    }
    eventually("the others are in flight", || {
        (gauge(&service, "http_requests_in_flight") == 2.0).then_some(())
    });
    assert_eq!(service.get("/hello").status, 200);
}

/// LOG-9, H2-2
#[test]
fn a_large_answer_over_http2_comes_whole_and_is_one_record() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let answer = client.get("/big").await;
        assert_eq!(answer.body.len(), 32 << 20);
        assert_eq!(answer.headers["content-length"], (32 << 20).to_string());
        let record = access_record(&service, "/big");
        assert_eq!(
            (&record["status"], &record["aborted"]),
            (&200.into(), &serde_json::Value::Null)
        );
    });
}

/// LIFE-1, LIFE-2, H2-5
#[test]
fn a_drain_says_goaway_and_every_stream_is_finished() {
    let service = start(&[ON, ("DRAIN_DELAY", "500ms"), ("SHUTDOWN_TIMEOUT", "20s")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let idle = Client::connect(service.addr()).await;
        let mut streams = Vec::new();
        for _ in 0..50 {
            let stream = client.begin("/stream?chunks=40&ms=25").await;
            streams.push(tokio::spawn(stream.finish()));
        }
        eventually("all are in flight", || {
            (gauge(&service, "http_requests_in_flight") == 50.0).then_some(())
        });
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

/// LIFE-2, H2-5: also those that do not answer.
#[test]
fn idle_connections_of_http2_do_not_delay_the_end() {
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut deaf = service.connect();
    deaf.send(client::PREFACE_AND_SETTINGS);
    deaf.send(client::get_hello());
    service.wait_for_record(|record| record["rawPath"] == "/hello");
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let drain = ended.records_with("shutdown_complete")[0]["drainMs"]
        .as_f64()
        .unwrap();
    assert!(drain < 5000.0, "{drain}");
    drop(deaf);
}
