//! A log whose reader is slow or stops: requests continue, dropped records are counted.

use std::time::Duration;

use harness::{Connection, Process, Signal, eventually, timed};

use super::raw_request;
use crate::support::{pipeline, start};

/// Returns a request whose access record has about 2 kB.
fn bulky(path: &str, number: usize) -> String {
    let filler = "f".repeat(1000);
    format!(
        "GET {path}?{number}-{filler} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {filler}\r\n\r\n"
    )
}

/// Sends bulky requests to a service with an unread log until records are dropped. Returns their
/// number.
#[track_caller]
fn fill_log(service: &Process, connection: &mut Connection, path: &str, status: u16) -> usize {
    const BATCH: usize = 500;
    const MOST: usize = 60_000;
    let mut sent = 0;
    while sent < MOST {
        pipeline(
            connection,
            BATCH,
            |index| bulky(path, sent + index),
            |answer| assert_eq!(answer.status, status),
        );
        sent += BATCH;
        let dropped = service.metrics().value("log_records_dropped_total", &[]);
        if dropped.expect("the counter is there") > 0.0 {
            return sent;
        }
    }
    panic!("no record was dropped after {MOST} requests with an unread log");
}

/// LOG-11
#[test]
fn requests_are_answered_while_the_log_is_not_read() {
    let service = start(&[]);
    service.pause_reading();
    let mut connection = service.connect();
    fill_log(&service, &mut connection, "/hello", 200);
    // With a full buffer every response still arrives at once.
    let (answer, took) = timed(|| service.get("/hello"));
    assert_eq!(answer.status, 200);
    assert!(took < Duration::from_secs(2), "{took:?}");
    for path in ["/health", "/ready", "/log", "/panic"] {
        let (_, took) = timed(|| service.get(path));
        assert!(took < Duration::from_secs(2), "{path}: {took:?}");
    }
}

/// LOG-11, LOG-12
#[test]
fn dropped_records_are_counted_exactly_and_logged() {
    let service = start(&[]);
    service.pause_reading();
    let mut connection = service.connect();
    let sent = fill_log(&service, &mut connection, "/hello", 200);
    service.resume_reading();
    let announcement = service.wait_for_record(|record| record["message"] == "log_records_dropped");
    assert_eq!(announcement["levelname"], "WARNING");
    assert_eq!(announcement["name"], "infra");
    let ended = service.terminate();
    let written = ended.records_with("http_request").len();
    let announced: u64 = ended
        .records_with("log_records_dropped")
        .iter()
        .map(|record| record["dropped"].as_u64().unwrap())
        .sum();
    assert!(announced > 0);
    assert_eq!(
        written + usize::try_from(announced).unwrap(),
        sent,
        "written + dropped = produced"
    );
    let report = ended.records_with("shutdown_complete");
    assert_eq!(report[0]["logRecordsDropped"], announced);
}

/// LOG-11
#[test]
fn warnings_are_kept_longer_than_access_records() {
    const EVENTS: usize = 10;
    // One worker, so that all records share one buffer.
    let service = start(&[("WORKERS", "1")]);
    service.pause_reading();
    let mut connection = service.connect();
    // These access records have level ERROR.
    fill_log(&service, &mut connection, "/error", 500);
    for _ in 0..EVENTS {
        for path in ["/log/warn", "/log/error"] {
            assert_eq!(connection.get(path).status, 200);
        }
    }
    service.resume_reading();
    let ended = service.terminate();
    for level in ["WARNING", "ERROR"] {
        let events = ended.records_with("fixture_event");
        let of_level = events
            .iter()
            .filter(|record| record["levelname"] == level)
            .count();
        assert_eq!(of_level, EVENTS, "{level}");
    }
}

/// LOG-11, LIFE-1
#[test]
fn shutdown_does_not_wait_for_an_unread_log() {
    let service = start(&[("DRAIN_DELAY", "0"), ("SHUTDOWN_TIMEOUT", "1s")]);
    service.pause_reading();
    let mut connection = service.connect();
    fill_log(&service, &mut connection, "/hello", 200);
    service.signal(Signal::Term);
    let ((), took) = timed(|| {
        eventually("the service has ended", || {
            (!service.is_alive()).then_some(())
        });
    });
    // DRAIN_DELAY + SHUTDOWN_TIMEOUT + 3 s, and a second of tolerance.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// LOG-11
#[test]
fn nothing_is_written_to_standard_error_after_start() {
    let service = start(&[("REQUEST_TIMEOUT", "300ms")]);
    for path in ["/panic", "/spawn-panic", "/hang", "/error", "/log/error"] {
        drop(service.get(path));
    }
    raw_request(&service, b"/panic-body", b"agent");
    drop(service.request("NONSENSE\r\n\r\n"));
    let ended = service.terminate();
    assert_eq!(ended.stderr, "");
}

/// LOG-12
#[test]
fn every_response_has_a_record_with_a_fast_reader() {
    const REQUESTS: usize = 2000;
    let service = start(&[("WORKERS", "2")]);
    let mut answered = 0;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let mut connection = service.connect();
                scope.spawn(move || {
                    let mut answers = 0;
                    pipeline(
                        &mut connection,
                        REQUESTS / 4,
                        |index| {
                            let path = ["/hello", "/items/1", "/nowhere", "/error"][index % 4];
                            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        },
                        |_| answers += 1,
                    );
                    answers
                })
            })
            .collect();
        for client in clients {
            answered += client.join().unwrap();
        }
    });
    let ended = service.terminate();
    assert_eq!(answered, REQUESTS);
    assert_eq!(ended.records_with("http_request").len(), REQUESTS);
    assert_eq!(ended.records_with("log_records_dropped").len(), 0);
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["logRecordsDropped"],
        0
    );
}

/// LOG-12
#[test]
fn records_before_the_exit_are_not_lost() {
    let service = start(&[]);
    let mut connection = service.connect();
    pipeline(
        &mut connection,
        300,
        |_| "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        |answer| assert_eq!(answer.status, 200),
    );
    // No pause between the last response and the signal.
    let ended = service.terminate();
    assert_eq!(ended.records_with("http_request").len(), 300);
    assert_eq!(ended.records_with("fixture_event").len(), 300);
}
