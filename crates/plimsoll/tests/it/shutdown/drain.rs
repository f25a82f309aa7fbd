//! The drain: readiness, the drain delay, and connections that are accepted meanwhile.

use std::thread;

use harness::{Connection, Signal, eventually, eventually_within, request, timed};

use super::{MARGIN, in_flight, report};
use crate::in_flight::wait_for_in_flight;
use crate::support::{END, ms, shortest, start};

/// LIFE-1
#[test]
fn readiness_ends_within_100_ms() {
    let took = shortest(|| {
        let service = start(&[("DRAIN_DELAY", "5s")]);
        service.signal(Signal::Term);
        let (_, took) = timed(|| {
            eventually("the service is not ready", || {
                (service.get("/ready").status == 503).then_some(())
            })
        });
        took
    });
    assert!(took < ms(100), "{took:?}");
}

/// LIFE-1
#[test]
fn requests_are_accepted_during_the_drain_delay() {
    let service = start(&[("DRAIN_DELAY", "1500ms")]);
    service.signal(Signal::Term);
    let ((), took) = timed(|| {
        eventually("connections are refused", || match service.try_connect() {
            Ok(mut connection) => {
                // New connections are still served, except that the last may hit the closing
                // listener.
                let sent = connection.try_send(request("GET", "/hello", ""));
                if let Some(answer) = sent.ok().and_then(|()| connection.read_or_end()) {
                    assert_eq!(answer.status, 200);
                }
                None
            }
            Err(_) => Some(()),
        });
    });
    assert!((ms(1400)..ms(1500) + MARGIN).contains(&took), "{took:?}");
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    let lame_duck = report(&ended)["lameDuckMs"].as_f64().unwrap();
    assert!((1400.0..3000.0).contains(&lame_duck), "{lame_duck}");
}

/// LIFE-1, HTTP-3, HTTP-4
#[test]
fn health_is_200_and_ready_is_503_during_the_drain() {
    let service = start(&[("DRAIN_DELAY", "3s")]);
    service.signal(Signal::Term);
    eventually("the service is not ready", || {
        (service.get("/ready").status == 503).then_some(())
    });
    assert_eq!(service.get("/health").text(), "ok\n");
    assert_eq!(service.get("/hello").text(), "hello\n");
    assert_eq!(service.get("/startupz").status, 200);
    let problem = service.get("/readyz");
    assert_eq!(
        problem.header("content-type"),
        Some("application/problem+json")
    );
}

/// LIFE-1
#[test]
fn listener_closes_at_once_without_a_drain_delay() {
    let service = start(&[("DRAIN_DELAY", "0"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = in_flight(&service, "/slow?ms=2500");
    service.signal(Signal::Term);
    let refused = eventually_within(ms(2000), || service.try_connect().is_err().then_some(()));
    assert!(refused.is_some() && service.is_alive());
    assert_eq!(slow.read().text(), "slow\n");
}

/// LIFE-2
#[test]
fn responses_during_the_drain_close_their_connections() {
    let service = start(&[("DRAIN_DELAY", "3s")]);
    let mut kept = service.connect();
    assert_eq!(kept.get("/hello").header("connection"), None);
    service.signal(Signal::Term);
    eventually("the service is not ready", || {
        (service.get("/ready").status == 503).then_some(())
    });
    // On an old connection and on a new one, without a request by the client.
    let mut fresh = service.connect();
    for connection in [&mut kept, &mut fresh] {
        let answer = connection.get("/hello");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(connection.ends_within(ms(1000)));
    }
}

/// LIFE-2
#[test]
fn response_begun_after_the_signal_closes_its_connection() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut connection = service.connect();
    connection.send("GET /slow?ms=800 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_in_flight(&service, 1.0);
    service.signal(Signal::Term);
    let answer = connection.read();
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(connection.read_to_end(), b"");
}

/// LIFE-2, LIFE-5
#[test]
fn connection_accepted_just_before_the_drain_is_served() {
    let service = start(&[("DRAIN_DELAY", "300ms"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = in_flight(&service, "/slow?ms=2500");
    service.signal(Signal::Term);
    // Silent connections, until the listener is closed.
    let mut newest = std::collections::VecDeque::new();
    while let Ok(connection) = service.try_connect() {
        newest.push_back(connection);
        if newest.len() > 10 {
            newest.pop_front();
        }
        thread::sleep(ms(1));
    }
    let served = newest
        .iter_mut()
        .filter_map(|connection| {
            connection
                .try_send(
                    "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nnew",
                )
                .ok()?;
            connection.read_or_end()
        })
        .inspect(|answer| assert_eq!(answer.header("connection"), Some("close")))
        .filter(|answer| answer.text() == "3\n")
        .count();
    // The system resets connections that arrive during the close of the listener.
    assert!(served >= 9, "{served} of 10");
    assert_eq!(slow.read().text(), "slow\n");
}

/// LIFE-1
#[test]
fn request_that_arrived_before_the_drain_is_answered() {
    let service = start(&[("WORKERS", "1"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut kept = service.connect();
    assert_eq!(kept.get("/hello").text(), "hello\n");
    let mut blocker = service.connect();
    blocker.send("GET /blocking?ms=4000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    service.wait_for_record(|record| record["message"] == "worker_stuck");

    // The only worker reads neither the request nor the signal until the handler returns.
    kept.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let ended = service.terminate();
    let answer = kept.read();
    assert_eq!(answer.text(), "hello\n");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(ended.code, Some(0));
}

/// Returns whether a connection that `before` has used gets a response to `rest` during the drain.
#[track_caller]
fn is_answered_in_the_drain(before: impl Fn(&mut Connection), rest: &str) -> bool {
    // The time is short and may be over on a busy machine before it is used.
    (0..10).any(|_| {
        let service = start(&[]);
        let mut connection = service.connect();
        before(&mut connection);
        service.signal(Signal::Term);
        service.wait_for_record(|record| record["message"] == "shutdown_started");
        let closed = eventually_within(ms(200), || service.try_connect().is_err().then_some(()));
        // By then every connection has seen the drain, which is not observable.
        thread::sleep(ms(50));
        let sent = connection.try_send(rest);
        let answer = sent.ok().and_then(|()| connection.read_or_end());
        if let Some(answer) = &answer {
            assert_eq!(answer.text(), "hello\n");
            assert_eq!(answer.header("connection"), Some("close"));
        }
        let ended = service.wait(END);
        assert_eq!(ended.code, Some(0));
        closed.is_some() && answer.is_some()
    })
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// LIFE-1: a new client is about to send its request.
#[test]
fn request_in_transit_when_the_drain_begins_is_answered() {
    assert!(is_answered_in_the_drain(|_| {}, HELLO));
}

/// LIFE-1: a client may take longer than the drain gives it between connect and request.
#[test]
fn old_silent_connection_is_served_during_the_drain() {
    assert!(is_answered_in_the_drain(|_| thread::sleep(ms(300)), HELLO));
}

/// LIFE-1: no response has announced the close yet.
#[test]
fn idle_connection_gets_a_last_response_during_the_drain() {
    let before = |kept: &mut Connection| assert_eq!(kept.get("/hello").status, 200);
    assert!(is_answered_in_the_drain(before, HELLO));
}

/// LIFE-1
#[test]
fn partial_head_before_the_drain_is_answered() {
    let (first, rest) = HELLO.split_at(20);
    let before = |kept: &mut Connection| {
        assert_eq!(kept.get("/hello").status, 200);
        kept.send(first);
    };
    assert!(is_answered_in_the_drain(before, rest));
}

/// LIFE-1: a stuck worker does not keep the port open.
#[test]
fn stuck_worker_does_not_keep_the_port_open() {
    let service = start(&[("WORKERS", "2"), ("SHUTDOWN_TIMEOUT", "3s")]);
    let mut stuck = service.connect();
    stuck.send("GET /blocking?ms=5000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    service.wait_for_record(|record| record["message"] == "worker_stuck");
    service.signal(Signal::Term);
    eventually("the port is closed", || {
        service.try_connect().is_err().then_some(())
    });
    assert!(service.is_alive(), "it waits for the request in flight");
}

/// LIFE-1
#[test]
fn port_can_be_bound_again_at_once() {
    let service = start(&[]);
    let port = service.addr().port().to_string();
    // A connection that the service closes first leaves its port in TIME_WAIT.
    assert_eq!(service.get("/hello").status, 200);
    assert_eq!(service.terminate().code, Some(0));
    let again = start(&[("PORT", &port)]);
    assert_eq!(again.get("/hello").status, 200);
}
