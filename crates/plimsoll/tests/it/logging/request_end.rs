//! The end of a request in the access log: the last byte, or a client that disconnects.

use harness::{access_record, eventually};

use crate::http1::canary::patient;
use crate::in_flight::wait_for_in_flight;
use crate::support::{ms, start};

/// LOG-9
#[test]
fn request_ends_with_the_last_byte_of_its_response() {
    let service = start(&[]);
    let answer = service.get("/stream?chunks=5&ms=100");
    assert_eq!(answer.body.len(), 5 * 1024);
    let record = access_record(&service, "/stream");
    // The fixture may pause before the first chunk or after the last.
    let latency = record["latencyMs"].as_f64().unwrap();
    assert!(latency >= 390.0, "{latency}");
    assert_eq!(record["status"], 200);
    assert_ne!(record["aborted"], true);
}

/// LOG-9, MET-1, MET-2
#[test]
fn disconnect_before_the_response_is_a_499() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_in_flight(&service, 1.0);
    drop(connection);
    let record = access_record(&service, "/hang");
    assert_eq!(record["status"], 499);
    assert_eq!(record["aborted"], true);
    assert_eq!(record["levelname"], "WARNING");
    let labels = [("path", "/hang"), ("method", "GET"), ("status", "499")];
    eventually("the 499 is counted", || {
        let metrics = service.metrics();
        let counted = metrics.sum("http_requests_total", &labels);
        let observed = metrics.sum("http_request_duration_seconds_count", &labels);
        (counted == 1.0 && observed == 1.0).then_some(())
    });
}

/// LOG-9
#[test]
fn disconnect_during_the_response_keeps_the_sent_status() {
    let service = start(&[]);
    for (path, query) in [("/stream", "?chunks=1000&ms=20"), ("/sse", "")] {
        let mut connection = service.connect();
        connection.send(format!(
            "GET {path}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        // Part of the response has arrived.
        connection.wait_for_bytes();
        connection.reset();
        let record = access_record(&service, path);
        assert_eq!(record["status"], 200, "{path}");
        assert_eq!(record["aborted"], true, "{path}");
        assert_eq!(record["levelname"], "INFO", "{path}");
    }
}

/// LOG-9
#[test]
fn disconnect_during_the_upload_is_a_499() {
    let service = start(&[]);
    for path in ["/upload", "/upload-stream"] {
        let mut connection = service.connect();
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nten bytes!"
        ));
        wait_for_in_flight(&service, 1.0);
        connection.reset();
        let record = access_record(&service, path);
        assert_eq!(record["status"], 499, "{path}");
        assert_eq!(record["aborted"], true, "{path}");
        wait_for_in_flight(&service, 0.0);
    }
}

/// LOG-9
#[test]
fn half_closed_client_counts_as_disconnected() {
    let service = patient();
    let mut connection = service.connect();
    assert_eq!(connection.get("/hello").status, 200);
    connection.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for_in_flight(&service, 1.0);
    connection.finish_sending();
    assert_eq!(connection.read_to_end(), b"");
    let record = service.wait_for_record(|record| record["path"] == "/hang");
    assert_eq!(
        (&record["status"], &record["aborted"]),
        (&499.into(), &true.into())
    );
}

/// LOG-9
#[test]
fn upgrade_ends_its_request_at_the_head() {
    let service = start(&[("MAX_IN_FLIGHT", "1"), ("IDLE_TIMEOUT", "200ms")]);
    let mut connection = service.connect();
    connection.send(
        "GET /upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    assert_eq!(connection.read_head().status, 101);
    let record = service.wait_for_record(|record| record["path"] == "/upgrade");
    assert_eq!(
        (&record["status"], record.get("aborted")),
        (&101.into(), None)
    );
    assert_eq!(record["levelname"], "INFO");
    assert_eq!(
        service.get("/hello").status,
        200,
        "it has given its slot back"
    );
    // The connection is no longer HTTP, so no HTTP timeout ends it.
    assert!(!connection.ends_within(ms(600)));
    connection.send("ping");
    connection.finish_sending();
    assert_eq!(connection.read_to_end(), b"ping");
}
