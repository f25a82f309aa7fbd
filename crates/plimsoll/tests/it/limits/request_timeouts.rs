//! Timeouts of a request: handler and body.

use harness::{access_record, timed};

use super::LATE;
use crate::in_flight::wait_for_in_flight;
use crate::support::{assert_problem, ms, start};

/// SRV-1
#[test]
fn handler_may_exceed_head_timeout() {
    let service = start(&[("READ_TIMEOUT", "200ms"), ("IDLE_TIMEOUT", "200ms")]);
    let mut connection = service.connect();
    assert_eq!(connection.get("/slow?ms=900").text(), "slow\n");
    assert_eq!(service.get("/stream?chunks=9&ms=100").body.len(), 9 * 1024);
}

/// SRV-1, SRV-2
#[test]
fn stalled_body_is_a_408() {
    let service = start(&[("READ_TIMEOUT", "300ms")]);
    for path in ["/upload", "/upload-stream"] {
        let mut connection = service.connect();
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nten bytes!"
        ));
        let (answer, took) = timed(|| connection.read());
        assert_problem(&answer, 408);
        assert!((ms(250)..LATE).contains(&took), "{path}: {took:?}");
        // The rest of the body would follow on this connection.
        assert_eq!(connection.read_to_end(), b"", "{path}");
    }
}

/// SRV-1
#[test]
fn slow_steady_body_is_read() {
    let service = start(&[("READ_TIMEOUT", "1s")]);
    for path in ["/upload", "/upload-stream"] {
        let mut connection = service.connect();
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n"
        ));
        for _ in 0..12 {
            // The total exceeds the limit.
            assert!(!connection.ends_within(ms(150)));
            connection.send("x");
        }
        let answer = connection.read();
        assert_eq!((answer.status, answer.text()), (200, "12\n"), "{path}");
    }
}

/// SRV-2
#[test]
fn handler_over_its_deadline_is_a_503_and_cancelled() {
    let service = start(&[("REQUEST_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    let (answer, took) = timed(|| connection.get("/hang"));
    assert_problem(&answer, 503);
    assert!((ms(250)..LATE).contains(&took), "{took:?}");
    let record = access_record(&service, "/hang");
    assert_eq!(record["status"], 503);
    assert_eq!(record["levelname"], "ERROR");
    // The cancelled handler neither counts in the gauge nor delays the exit.
    wait_for_in_flight(&service, 0.0);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["requestsCutOff"],
        0
    );
}

/// SRV-2
#[test]
fn handler_deadline_does_not_cover_the_body() {
    let service = start(&[("REQUEST_TIMEOUT", "300ms")]);
    let answer = service.get("/stream?chunks=8&ms=100");
    assert_eq!((answer.status, answer.body.len()), (200, 8 * 1024));
}

/// SRV-2
#[test]
fn route_has_its_own_deadline() {
    let service = start(&[("REQUEST_TIMEOUT", "30s")]);
    let (answer, took) = timed(|| service.get("/quick?ms=8000"));
    assert_problem(&answer, 503);
    assert!(took < LATE, "{took:?}");
    assert_eq!(service.get("/quick?ms=1").status, 200);
}

/// SRV-2, CFG-2
#[test]
fn zero_deadline_disables_the_limit() {
    let service = start(&[("REQUEST_TIMEOUT", "0")]);
    assert_eq!(service.get("/slow?ms=500").text(), "slow\n");
}

/// SRV-2: the limit of a route also applies behind a layer that waits.
#[test]
fn route_deadline_applies_behind_a_slow_layer() {
    let service = start(&[("REQUEST_TIMEOUT", "200ms")]);
    assert_eq!(service.get("/patient?ms=500").status, 200);
    assert_eq!(service.get("/slow?ms=500").status, 503);
}
