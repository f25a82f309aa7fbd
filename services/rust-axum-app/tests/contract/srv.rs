//! SRV: limits of time and size, bad requests.

use std::time::Duration;

use harness::timed;

use crate::support::start;

/// SRV-1
#[test]
fn half_a_head_is_closed_in_time() {
    let service = start(&[("READ_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    connection.send("GET / HTTP/1.1\r\nHost: local");
    let (said, took) = timed(|| connection.read_to_end());
    assert_eq!(said, b"");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// SRV-3
#[test]
fn a_request_without_host_is_a_400() {
    let service = start(&[]);
    assert_eq!(service.request("GET / HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(service.request("GET / HTTP/1.0\r\n\r\n").status, 200);
}
