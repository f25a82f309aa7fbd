//! Requests and responses over HTTP/2.

use harness::access_record;
use http::StatusCode;

use super::ON;
use super::client::{Client, block_on};
use crate::in_flight::wait_for_in_flight;
use crate::support::start;

/// HTTP-1, HTTP-9, RID-1, LOG-3, H2-2
#[test]
fn http2_request_is_answered_and_logged() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let answer = client.get("/hello?a=b").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello\n"));
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(!answer.headers.contains_key("connection"));
        let record = access_record(&service, "/hello");
        assert_eq!(
            record["request_id"],
            answer.headers["x-request-id"].to_str().unwrap()
        );
        assert_eq!(
            (&record["query"], &record["ip"]),
            (&"a=b".into(), &"127.0.0.1".into())
        );
        let probe = client.get("/ready").await;
        assert_eq!(probe.status, StatusCode::OK);
        let missing = client.get("/nowhere").await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        assert_eq!(missing.headers["content-type"], "application/problem+json");
    });
}

/// HTTP-2, HTTP-6, DIF-7: hyper would send the body, a protocol error that ends the stream.
#[test]
fn responses_without_body_have_none_over_http2() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        for (path, status) in [
            ("/health", 200),
            ("/hello", 200),
            ("/panic", 500),
            ("/nowhere", 404),
            ("/not-modified", 304),
        ] {
            let request = client.request("HEAD", path);
            let answer = client.send(request).await;
            assert_eq!(answer.status, status, "{path}");
            assert!(answer.body.is_empty(), "{path}");
        }
        let answer = client.get("/not-modified").await;
        assert!(answer.body.is_empty());
    });
    let ended = service.terminate();
    assert_eq!(ended.records_with("http_request").len(), 5);
}

/// HTTP-7, H2-2, DIF-9
#[test]
fn split_cookie_fields_are_joined() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let request = client
            .request("GET", "/cookie")
            .header("cookie", "a=1")
            .header("cookie", "b=2");
        let answer = client.send(request).await;
        assert_eq!(answer.text(), "a=1; b=2");
    });
}

/// SRV-3, H2-2
#[test]
fn host_other_than_the_authority_is_rejected() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let request = client.request("GET", "/hello").header("host", "other");
        assert_eq!(client.send(request).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
}

/// LOG-9, H2-2
#[test]
fn reset_stream_is_a_499_and_others_continue() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let hanging = client.begin("/hang").await;
        wait_for_in_flight(&service, 1.0);
        drop(hanging);
        let record = access_record(&service, "/hang");
        assert_eq!(
            (&record["status"], &record["aborted"]),
            (&499.into(), &true.into())
        );
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
}

/// LOG-9, H2-2
#[test]
fn large_http2_response_is_complete_and_logged_once() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let answer = client.get("/big").await;
        assert_eq!(answer.body.len(), 32 << 20);
        assert_eq!(answer.headers["content-length"], (32 << 20).to_string());
        let record = access_record(&service, "/big");
        assert_eq!(
            (&record["status"], &record["aborted"]),
            (&200.into(), &serde_json::Value::Null)
        );
    });
}
