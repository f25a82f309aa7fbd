//! Slots of requests in flight, and load shedding.

use std::thread;

use harness::{eventually, request};

use crate::in_flight::{ask, occupy, value, wait_for_in_flight, wait_for_rest};
use crate::support::{assert_problem, start};

const SLOTS: usize = 100;

#[test]
fn responses_in_progress_hold_all_slots() {
    let service = start(&[("MAX_IN_FLIGHT", "100")]);
    let mut streams: Vec<_> = (0..SLOTS)
        .map(|_| occupy(&service, "/stream?chunks=100000&ms=50"))
        .collect();
    for stream in &mut streams {
        // The handler has returned, but the body is incomplete.
        stream.wait_for_bytes();
    }
    assert_eq!(value(&service, "http_requests_in_flight"), 100.0);
    assert_problem(&service.get("/hello"), 503);
    drop(streams.pop());
    wait_for_in_flight(&service, 99.0);
    assert_eq!(service.get("/hello").status, 200);
    drop(streams);
    wait_for_rest(&service);
}

#[test]
fn slots_are_released_after_panics_deadlines_disconnects() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 40;
    let service = start(&[("MAX_IN_FLIGHT", "100"), ("LOG_LEVEL", "CRITICAL")]);
    let threads = value(&service, "process_threads");
    let tasks = value(&service, "runtime_alive_tasks");
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    assert_eq!(service.get("/panic").status, 500);
                    drop(occupy(&service, "/panic-body").read_to_end());
                    assert_eq!(service.get("/evil-drop").status, 200);
                    // Clients that disconnect before, during and after the start of the response.
                    occupy(&service, "/hang").reset();
                    drop(occupy(&service, "/slow?ms=5"));
                    let mut stream = occupy(&service, "/stream?chunks=100000&ms=1");
                    stream.read_head();
                    stream.reset();
                    let mut upload = service.connect();
                    upload
                        .send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
                    upload.reset();
                    let large = "Content-Length: 5000\r\n";
                    assert_eq!(
                        service
                            .request(request("POST", "/limited/upload", large))
                            .status,
                        413
                    );
                    if round % 8 == 0 {
                        assert_eq!(service.get("/quick?ms=60000").status, 503);
                        assert!([500, 503].contains(&service.get("/quick-evil").status));
                    }
                    assert_eq!(service.get("/hello").status, 200);
                }
            });
        }
    });
    wait_for_rest(&service);
    assert_eq!(value(&service, "process_threads"), threads);
    eventually("no task is left", || {
        (value(&service, "runtime_alive_tasks") <= tasks).then_some(())
    });
    // All slots are available again, and no more.
    let all: Vec<_> = (0..SLOTS).map(|_| occupy(&service, "/hang")).collect();
    wait_for_in_flight(&service, 100.0);
    assert_problem(&service.get("/hello"), 503);
    drop(all);
    eventually("there are slots", || {
        let mut connection = service.connect();
        connection.send(ask("/hello"));
        (connection.read().status == 200).then_some(())
    });
}

/// SRV-4, RID-4
#[test]
fn requests_above_the_limit_are_shed_but_not_probes() {
    let service = start(&[("MAX_IN_FLIGHT", "3")]);
    let busy: Vec<_> = (0..3).map(|_| occupy(&service, "/hang")).collect();
    wait_for_in_flight(&service, 3.0);
    let shed = service.get("/hello");
    assert_problem(&shed, 503);
    assert_eq!(shed.header("retry-after"), Some("1"));
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    let metrics = service.metrics();
    assert_eq!(metrics.value("http_requests_shed_total", &[]), Some(1.0));
    assert_eq!(
        metrics.sum("http_requests_total", &[("status", "503")]),
        1.0
    );
    let record = service.wait_for_record(|record| record["status"] == 503);
    assert_eq!(record["levelname"], "ERROR");
    drop(busy);
    wait_for_in_flight(&service, 0.0);
    assert_eq!(service.get("/hello").status, 200, "slots are given back");
}

/// SRV-4
#[test]
fn slot_is_held_to_the_last_byte_except_by_event_streams() {
    let service = start(&[("MAX_IN_FLIGHT", "1")]);
    let mut stream = occupy(&service, "/stream?chunks=100000&ms=20");
    stream.read_head();
    assert_eq!(
        service.get("/hello").status,
        503,
        "the stream has begun and goes on"
    );
    drop(stream);
    wait_for_in_flight(&service, 0.0);
    let mut events = occupy(&service, "/sse");
    events.read_head();
    assert_eq!(service.get("/hello").status, 200);
    drop(events);
}

/// SRV-4
#[test]
fn nothing_is_shed_without_a_limit() {
    let service = start(&[("MAX_IN_FLIGHT", "0")]);
    let _busy: Vec<_> = (0..20).map(|_| occupy(&service, "/hang")).collect();
    wait_for_in_flight(&service, 20.0);
    assert_eq!(service.get("/hello").status, 200);
}
