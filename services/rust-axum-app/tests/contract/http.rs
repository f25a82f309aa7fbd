//! HTTP: endpoints, error responses, headers.

use harness::request;

use crate::support::{BUILD_TIME, SERVICE, VERSION, start};

const PROBES: [&str; 6] = [
    "/health",
    "/ready",
    "/livez",
    "/readyz",
    "/healthz",
    "/startupz",
];

/// HTTP-1
#[test]
fn root_returns_the_banner() {
    let answer = start(&[("SERVICE_NAME", "rust-axum-app")]).get("/");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(answer.text(), "rust-axum-app is running (Rust + Axum)\n");
}

/// HTTP-1, CFG-1
#[test]
fn banner_contains_the_configured_name() {
    let service = start(&[("SERVICE_NAME", "orders")]);
    assert_eq!(service.get("/").text(), "orders is running (Rust + Axum)\n");
}

/// HTTP-2, CFG-1
#[test]
fn info_returns_the_configured_build() {
    let service = start(&[
        ("SERVICE_NAME", "orders"),
        ("VERSION", "1.0.0"),
        ("BUILD_TIME", "2025-12-19T09:18:13Z"),
    ]);
    let answer = service.get("/info");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.text(),
        r#"{"service":"orders","version":"1.0.0","buildTime":"2025-12-19T09:18:13Z"}"#
    );
}

/// HTTP-2, CFG-1
#[test]
fn info_without_settings_returns_the_compiled_build() {
    let info = start(&[]).get("/info").json();
    assert_eq!(info["service"], SERVICE);
    assert_eq!(info["version"], VERSION);
    assert_eq!(info["buildTime"], BUILD_TIME);
}

/// HTTP-2
#[test]
fn info_escapes_the_service_name() {
    let service = start(&[("SERVICE_NAME", r#"a "b" \c"#)]);
    assert_eq!(service.get("/info").json()["service"], r#"a "b" \c"#);
}

/// HTTP-3, HTTP-4, HTTP-10, DIF-10
#[test]
fn probes_return_200_ok() {
    let service = start(&[]);
    for path in PROBES {
        let answer = service.get(path);
        assert_eq!((answer.status, answer.text()), (200, "ok\n"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

/// HTTP-5
#[test]
fn metrics_use_the_prometheus_text_format() {
    let service = start(&[]);
    let answer = service.get("/metrics");
    let content_type = answer.header("content-type").unwrap();
    assert!(
        content_type.starts_with("text/plain; version=0.0.4"),
        "{content_type}"
    );
    assert!(!service.metrics().families().is_empty());
}

/// HTTP-6
#[test]
fn head_requests_are_answered_on_every_endpoint() {
    let service = start(&[]);
    for path in ["/", "/info", "/health", "/ready", "/metrics"] {
        let mut connection = service.connect();
        connection.send(request("HEAD", path, ""));
        assert_eq!(connection.read_head().status, 200, "{path}");
        assert_eq!(connection.read_to_end(), b"", "{path}: a body followed");
    }
}

/// HTTP-6, HTTP-7
#[test]
fn other_methods_return_405_on_every_endpoint() {
    let service = start(&[]);
    for path in ["/", "/info", "/health", "/ready", "/metrics"] {
        let answer = service.request(request("POST", path, "Content-Length: 0\r\n"));
        assert_eq!(answer.status, 405, "{path}");
        let allow = answer.header("allow").unwrap();
        assert!(
            allow.contains("GET") && allow.contains("HEAD"),
            "{path}: {allow}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
}

/// HTTP-7, HTTP-8
#[test]
fn unknown_path_returns_problem_with_request_id() {
    let answer = start(&[]).get("/no/such/path");
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let problem = answer.json();
    assert_eq!(problem["status"], 404);
    assert!(problem["title"].is_string());
    assert_eq!(
        problem["request_id"],
        answer.header("x-request-id").unwrap()
    );
}

/// HTTP-9
#[test]
fn every_endpoint_sends_the_security_headers() {
    let service = start(&[]);
    for path in ["/", "/info", "/health", "/ready", "/metrics", "/nowhere"] {
        let answer = service.get(path);
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            answer.header("referrer-policy"),
            Some("same-origin"),
            "{path}"
        );
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            Some("same-origin"),
            "{path}"
        );
        assert_eq!(answer.header("server"), None, "{path}");
    }
}
