//! SRV: timeouts, size limits, invalid requests.

use std::time::Duration;

use harness::timed;

use crate::support::start;

/// SRV-1, SRV-6
#[test]
fn partial_head_is_closed_after_read_timeout() {
    let service = start(&[("READ_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    connection.send("GET / HTTP/1.1\r\nHost: local");
    let (received, took) = timed(|| connection.read_to_end());
    assert_eq!(received, b"");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// SRV-3
#[test]
fn request_without_host_returns_400() {
    let service = start(&[]);
    assert_eq!(service.request("GET / HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(service.request("GET / HTTP/1.0\r\n\r\n").status, 200);
}
