//! Headers of responses, and responses without a body.

use harness::{Response, request};

use super::{PROBES, chassis_errors, with_short_limits};
use crate::support::start;

/// HTTP-6
#[test]
fn head_is_get_without_the_body() {
    let service = start(&[]);
    let volatile = ["date", "x-request-id"];
    for path in [
        "/hello",
        "/items/7",
        "/missing",
        "/no/such/path",
        "/health",
        "/ready",
    ] {
        let get = service.get(path);
        let mut connection = service.connect();
        connection.send(request("HEAD", path, ""));
        let head = connection.read_head();
        assert_eq!(connection.read_to_end(), b"", "{path}: a body followed");
        assert_eq!(head.status, get.status, "{path}");
        let stable = |answer: &Response| -> Vec<(String, String)> {
            let mut headers: Vec<_> = answer
                .headers
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
                .filter(|(name, _)| !volatile.contains(&name.as_str()))
                .collect();
            headers.sort();
            headers
        };
        assert_eq!(stable(&head), stable(&get), "{path}");
    }
}

/// HTTP-9
#[test]
fn every_response_has_the_security_headers() {
    let service = with_short_limits("false");
    let mut answers = chassis_errors(&service);
    answers.extend(PROBES.map(|path| (200, service.get(path))));
    answers.push((200, service.get("/hello")));
    answers.push((500, service.get("/error")));
    answers.push((200, service.get("/stream?chunks=2&ms=1")));
    for (status, answer) in answers {
        assert_eq!(answer.status, status);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{status} {name}");
        }
    }
}

/// HTTP-9, DIF-2
#[test]
fn security_header_of_the_handler_is_kept() {
    let answer = start(&[]).get("/own-headers");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

/// HTTP-9
#[test]
fn no_response_names_the_server() {
    let service = with_short_limits("false");
    let mut answers = chassis_errors(&service);
    answers.push((200, service.get("/hello")));
    answers.push((200, service.get("/health")));
    answers.push((400, service.request("GET / HTTP/1.1\r\nHost : x\r\n\r\n")));
    for (status, answer) in answers {
        assert_eq!(answer.header("server"), None, "{status}");
    }
}

/// HTTP-7, DIF-8
#[test]
fn response_without_body_by_status_has_no_length() {
    let service = start(&[]);
    let answer = service.get("/status/204");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(
        service.get("/status/200").header("content-length"),
        Some("7")
    );
}
