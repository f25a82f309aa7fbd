//! Responses of HTTP/1 whose clients read nothing.

use harness::{Connection, Process, access_record};

use crate::in_flight::{requests_in_flight, wait_for_in_flight};
use crate::support::start;

/// Requests an endless body and reads only the head of the response.
fn unread(service: &Process) -> Connection {
    let mut connection = service.connect();
    connection.set_receive_buffer(4096);
    connection.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(connection.read_head().status, 200);
    connection
}

/// SRV-4
#[test]
fn unread_http1_responses_hold_no_slot() {
    let service = start(&[("MAX_IN_FLIGHT", "2")]);
    let _crowd = [(); 3].map(|()| unread(&service));
    for _ in 0..50 {
        assert_eq!(service.get("/hello").status, 200);
    }
    assert_eq!(requests_in_flight(&service), 3.0);
}

/// SRV-4: the number of stalled responses is limited by the slots.
#[test]
fn stalled_http1_responses_are_closed_above_the_limit() {
    let service = start(&[("MAX_IN_FLIGHT", "1")]);
    let _crowd = [(); 2].map(|()| unread(&service));
    assert_eq!(requests_in_flight(&service), 2.0);
    // One of them is closed.
    wait_for_in_flight(&service, 1.0);
    assert_eq!(service.get("/hello").status, 200);
    let closed = access_record(&service, "/endless");
    assert_eq!(closed["aborted"], true);
    assert!(closed["latencyMs"].as_f64().unwrap() >= 1000.0, "{closed}");
}
