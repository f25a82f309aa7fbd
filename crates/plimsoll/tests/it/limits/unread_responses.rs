//! Responses of HTTP/1 whose clients read nothing.

use harness::{Connection, Process, eventually};

use crate::support::{access_record, start};

/// Requests an endless body and reads only the head of the response.
fn unread(service: &Process) -> Connection {
    let mut connection = service.connect();
    connection.set_receive_buffer(4096);
    connection.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(connection.read_head().status, 200);
    connection
}

fn in_flight(service: &Process) -> Option<f64> {
    service.metrics().value("http_requests_in_flight", &[])
}

/// SRV-4
#[test]
fn unread_http1_responses_hold_no_slot() {
    let service = start(&[("MAX_IN_FLIGHT", "2")]);
    let _crowd = [(); 3].map(|()| unread(&service));
    for _ in 0..50 {
        assert_eq!(service.get("/hello").status, 200);
    }
    assert_eq!(in_flight(&service), Some(3.0));
}

/// SRV-4: the number of stalled responses is limited by the slots.
#[test]
fn stalled_http1_responses_are_closed_above_the_limit() {
    let service = start(&[("MAX_IN_FLIGHT", "1")]);
    let _crowd = [(); 2].map(|()| unread(&service));
    assert_eq!(in_flight(&service), Some(2.0));
    eventually("one of them is closed", || {
        (in_flight(&service) == Some(1.0)).then_some(())
    });
    assert_eq!(service.get("/hello").status, 200);
    let closed = access_record(&service, "/endless");
    assert_eq!(closed["aborted"], true);
    assert!(closed["latencyMs"].as_f64().unwrap() >= 1000.0, "{closed}");
}
