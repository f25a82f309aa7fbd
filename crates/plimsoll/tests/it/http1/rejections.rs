//! Rejected heads in log and metrics.

use crate::support::{assert_problem, is_generated_id, ms, start};

/// LOG-13
#[test]
fn requests_rejected_by_the_parser_are_logged_and_counted() {
    let service = start(&[]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(70_000));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(200_000));
    let cases = [
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "malformed"),
        (long.as_str(), 414, "uri_too_long"),
        (large.as_str(), 431, "head_too_large"),
    ];
    for (raw, status, kind) in cases {
        let mut connection = service.connect();
        // The service may respond and close before everything is sent.
        drop(connection.try_send(raw));
        let said = connection.read_to_end();
        let line = format!("HTTP/1.1 {status} ");
        assert!(
            said.starts_with(line.as_bytes()),
            "{kind}: {:?}",
            String::from_utf8_lossy(&said)
        );
        let record = service.wait_for_record(|record| record["protocolError"] == kind);
        assert_eq!(record["message"], "http_request", "{record}");
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["ip"], "127.0.0.1", "{record}");
        assert_eq!(
            (&record["method"], &record["rawPath"]),
            (&"-".into(), &"-".into())
        );
        assert_eq!(record["path"], "__unmatched__", "{record}");
        assert!(
            is_generated_id(record["request_id"].as_str().unwrap()),
            "{record}"
        );
        let metrics = service.metrics();
        assert_eq!(
            metrics.value("http_protocol_errors_total", &[("kind", kind)]),
            Some(1.0)
        );
        let labels = [("method", "_OTHER"), ("status", &*status.to_string())];
        assert_eq!(metrics.sum("http_requests_total", &labels), 1.0);
    }
}

/// LOG-13
#[test]
fn rejection_after_a_valid_request_is_logged_and_counted() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\nNONSENSE\r\n\r\n");
    assert_eq!(connection.read().status, 200);
    assert_eq!(connection.read().status, 400);
    let record = service.wait_for_record(|record| record["protocolError"] == "malformed");
    assert_eq!(
        (&record["status"], &record["ip"]),
        (&400.into(), &"127.0.0.1".into())
    );
    let kind = [("kind", "malformed")];
    let metrics = service.metrics();
    assert_eq!(
        metrics.value("http_protocol_errors_total", &kind),
        Some(1.0)
    );
}

/// LOG-13
#[test]
fn rejection_after_parsing_is_counted_by_kind() {
    let service = start(&[]);
    let answer = service.request("GET /items/1 HTTP/1.1\r\nHost: a b\r\n\r\n");
    assert_problem(&answer, 400);
    let record = service.wait_for_record(|record| record["protocolError"] == "malformed");
    assert_eq!(record["request_id"], answer.header("x-request-id").unwrap());
    assert_eq!(
        (&record["method"], &record["rawPath"]),
        (&"GET".into(), &"/items/1".into())
    );
    let kind = [("kind", "malformed")];
    let metrics = service.metrics();
    assert_eq!(
        metrics.value("http_protocol_errors_total", &kind),
        Some(1.0)
    );
    let labels = [("method", "GET"), ("status", "400")];
    assert_eq!(metrics.sum("http_requests_total", &labels), 1.0);
}

/// LOG-13
#[test]
fn connection_closed_before_its_first_byte_is_no_request() {
    let service = start(&[("READ_TIMEOUT", "200ms")]);
    drop(service.connect());
    let mut silent = service.connect();
    assert!(silent.ends_within(ms(3000)));
    assert_eq!(
        service.metrics().sum("http_protocol_errors_total", &[]),
        0.0
    );
    assert_eq!(service.records_with("http_request").len(), 0);
}
