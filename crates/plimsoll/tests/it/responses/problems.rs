//! Errors of the chassis as problem documents.

use harness::{Process, request};

use super::{PROBES, chassis_errors, with_short_limits};
use crate::support::{assert_problem, start};

/// HTTP-6, HTTP-7
#[test]
fn wrong_method_is_rejected_with_the_allowed_ones() {
    #[track_caller]
    fn check(service: &Process, method: &str, path: &str, allowed: &[&str]) {
        let answer = service.request(request(method, path, "Content-Length: 0\r\n"));
        assert_problem(&answer, 405);
        let allow = answer.header("allow").expect("a 405 has Allow");
        let mut methods: Vec<&str> = allow.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods, allowed, "{method} {path}");
    }
    let service = start(&[]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        check(&service, method, "/hello", &["GET", "HEAD"]);
    }
    check(&service, "GET", "/upload", &["POST"]);
    for path in PROBES {
        check(&service, "POST", path, &["GET", "HEAD"]);
    }
}

/// HTTP-7, RID-4
#[test]
fn unknown_path_is_a_problem() {
    assert_problem(&start(&[]).get("/no/such/path"), 404);
}

/// HTTP-7
#[test]
fn every_chassis_error_is_a_problem() {
    let service = with_short_limits("false");
    for (status, answer) in chassis_errors(&service) {
        assert_problem(&answer, status);
    }
}

/// HTTP-7
#[test]
fn errors_contain_no_internals() {
    let service = with_short_limits("false");
    for (status, answer) in chassis_errors(&service) {
        let body = answer.text();
        for secret in ["fixture", ".rs", "panic", "plimsoll", "axum", "hyper"] {
            assert!(!body.contains(secret), "{status} says {secret:?}: {body}");
        }
    }
}

/// HTTP-7
#[test]
fn errors_contain_the_panic_in_debug_mode() {
    let answer = with_short_limits("true").get("/panic");
    assert_problem(&answer, 500);
    assert!(answer.text().contains("fixture panic"), "{}", answer.text());
}

/// HTTP-7
#[test]
fn handler_responses_are_not_rewritten() {
    let service = start(&[]);
    for (path, status, body) in [
        ("/error", 500, "own error\n"),
        ("/missing", 404, "own 404\n"),
        ("/hello", 200, "hello\n"),
    ] {
        let answer = service.get(path);
        assert_eq!((answer.status, answer.text()), (status, body), "{path}");
        let content_type = answer.header("content-type").unwrap();
        assert!(
            content_type.starts_with("text/plain"),
            "{path}: {content_type}"
        );
        assert_eq!(answer.header("cache-control"), None, "{path}");
    }
}

/// HTTP-8
#[test]
fn chassis_errors_are_not_cached() {
    let service = with_short_limits("false");
    for (status, answer) in chassis_errors(&service) {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
    }
}
