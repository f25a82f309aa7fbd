//! RID: request ids.

use harness::{access_record, request};

use crate::support::start;

/// RID-1, RID-3
#[test]
fn request_id_is_returned_and_logged() {
    let service = start(&[]);
    let answer = service.request(request("GET", "/info", "X-Request-ID: demo-123\r\n"));
    assert_eq!(answer.header("x-request-id"), Some("demo-123"));
    assert_eq!(access_record(&service, "/info")["request_id"], "demo-123");
}

/// RID-1
#[test]
fn every_endpoint_generates_a_missing_request_id() {
    let service = start(&[]);
    let mut ids = Vec::new();
    for path in ["/", "/info", "/health", "/ready", "/metrics", "/nowhere"] {
        let answer = service.get(path);
        let id = answer.header("x-request-id").unwrap().to_owned();
        let is_hex = id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(id.len() == 32 && is_hex, "{path}: {id}");
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

/// RID-2
#[test]
fn invalid_request_id_is_replaced() {
    let service = start(&[]);
    let answer = service.request(request("GET", "/info", "X-Request-ID: a b\"c\r\n"));
    assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
    assert_eq!(access_record(&service, "/info")["requestIdReplaced"], true);
}
