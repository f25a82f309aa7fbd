//! HTTP: endpoints, error answers, headers.

use std::time::Duration;

use harness::{Process, Response, eventually, timed};

use crate::support::{assert_problem, ms, post, request, run, spawn, start};

/// Every path that the chassis answers itself.
const PROBES: [&str; 7] = [
    "/health",
    "/ready",
    "/metrics",
    "/livez",
    "/readyz",
    "/healthz",
    "/startupz",
];

/// An answer of each kind that the chassis makes itself.
fn chassis_errors(service: &Process) -> Vec<(u16, Response)> {
    let mut stalled = service.connect();
    stalled.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
    vec![
        (404, service.get("/no/such/path")),
        (405, service.request(request("DELETE", "/hello", ""))),
        (408, stalled.read()),
        (
            413,
            service.request(post("/limited/upload", &"x".repeat(2000))),
        ),
        (500, service.get("/panic")),
        (503, service.get("/hang")),
    ]
}

/// A service on which every kind of error can be had in a moment.
fn short_tempered(debug: &str) -> Process {
    start(&[
        ("READ_TIMEOUT", "300ms"),
        ("REQUEST_TIMEOUT", "1s"),
        ("DEBUG", debug),
    ])
}

/// HTTP-3
#[test]
fn health_answers_ok() {
    let answer = start(&[]).get("/health");
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
}

/// HTTP-3
#[test]
fn health_does_not_depend_on_readiness() {
    let service = start(&[]);
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    assert_eq!(service.get("/ready").status, 503);
    let answer = service.get("/health");
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
}

/// HTTP-3
#[test]
fn health_stays_good_while_a_worker_is_blocked_for_a_moment() {
    let service = start(&[("WORKERS", "2")]);
    let mut blocked = service.connect();
    blocked.send(request("GET", "/blocking?ms=1500", ""));
    for _ in 0..5 {
        assert_eq!(service.get("/health").status, 200);
    }
    assert_eq!(blocked.read().status, 200);
}

/// HTTP-4
#[test]
fn ready_answers_ok_while_traffic_is_accepted() {
    let answer = start(&[]).get("/ready");
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
}

/// HTTP-4, HTTP-7
#[test]
fn ready_is_a_problem_while_switched_off_and_ok_again_after() {
    let service = start(&[]);
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    assert_problem(&service.get("/ready"), 503);
    // Only the probe changes: requests are still served.
    assert_eq!(service.get("/hello").status, 200);
    assert_eq!(service.request(post("/readiness/on", "")).status, 200);
    assert_eq!(service.get("/ready").text(), "ok\n");
}

/// HTTP-4
#[test]
fn changes_of_readiness_are_logged() {
    let service = start(&[]);
    for switch in ["off", "on"] {
        assert_eq!(
            service
                .request(post(&format!("/readiness/{switch}"), ""))
                .status,
            200
        );
        let ready = switch == "on";
        service.wait_for_record(|record| {
            record["message"] == "readiness_changed" && record["ready"] == ready
        });
    }
    let ended = service.terminate();
    let changes = ended.records_with("readiness_changed");
    assert_eq!(changes[0]["ready"], false);
    assert_eq!(changes[1]["ready"], true);
}

/// HTTP-4, LOG-7
#[test]
fn connections_are_refused_until_the_service_is_ready() {
    let set_up = ms(1500);
    let (service, took) = timed(|| {
        let service = spawn(&[("SETUP_MS", "1500")]);
        // The first connection that is taken finds a service that is ready.
        let mut first = eventually("a connection is taken", || service.try_connect().ok());
        assert_eq!(first.get("/ready").status, 200);
        service
    });
    assert!(
        took >= set_up,
        "a connection was taken after {took:?}, in the midst of set-up"
    );
    service.wait_until_ready();
}

/// HTTP-4, CLI-3
#[test]
fn a_service_whose_set_up_fails_never_becomes_ready() {
    let ended = spawn(&[("SETUP_FAIL", "true")]).wait(Duration::from_secs(10));
    assert_eq!(ended.code, Some(1));
    let told = ended.records().iter().any(|record| {
        ["ERROR", "CRITICAL"]
            .iter()
            .any(|level| record["levelname"] == *level)
            && record.to_string().contains("the fixture was told to fail")
    });
    assert!(told, "{}", ended.stdout);
    assert_eq!(ended.records_with("infra_app_ready").len(), 0);
}

/// HTTP-5
#[test]
fn metrics_are_in_the_plain_text_format_by_default() {
    let service = start(&[]);
    let answer = service.get("/metrics");
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type").unwrap();
    assert!(
        content_type.starts_with("text/plain; version=0.0.4"),
        "{content_type}"
    );
    assert!(!answer.text().contains("# EOF"));
    // The strict parser takes it.
    assert!(!service.metrics().families().is_empty());
}

/// HTTP-5
#[test]
fn metrics_are_in_openmetrics_when_asked_for() {
    let service = start(&[]);
    // What Prometheus sends.
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1\r\n";
    let answer = service.request(request("GET", "/metrics", accept));
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type").unwrap();
    assert!(
        content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    assert!(answer.text().ends_with("# EOF\n"));
    assert!(answer.text().contains("# TYPE http_requests counter\n"));
}

/// HTTP-5
#[test]
fn metrics_stay_in_the_plain_text_format_for_a_browser() {
    let accept = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let answer = start(&[]).request(request("GET", "/metrics", accept));
    let content_type = answer.header("content-type").unwrap();
    assert!(content_type.starts_with("text/plain"), "{content_type}");
}

/// HTTP-6
#[test]
fn head_answers_what_get_does_without_the_body() {
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

/// HTTP-6
#[test]
fn head_works_on_metrics_and_aliases() {
    let service = start(&[]);
    for path in PROBES {
        let mut connection = service.connect();
        connection.send(request("HEAD", path, ""));
        assert_eq!(connection.read_head().status, 200, "{path}");
        assert_eq!(connection.read_to_end(), b"", "{path}: a body followed");
    }
}

/// HTTP-6, HTTP-7
#[test]
fn another_method_is_refused_with_the_allowed_ones() {
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
fn an_unknown_path_is_a_problem() {
    assert_problem(&start(&[]).get("/no/such/path"), 404);
}

/// HTTP-7
#[test]
fn every_error_of_the_chassis_is_a_problem() {
    let service = short_tempered("false");
    for (status, answer) in chassis_errors(&service) {
        assert_problem(&answer, status);
    }
}

/// HTTP-7
#[test]
fn errors_say_nothing_about_internals() {
    let service = short_tempered("false");
    for (status, answer) in chassis_errors(&service) {
        let body = answer.text();
        for secret in ["fixture", ".rs", "panic", "plimsoll", "axum", "hyper"] {
            assert!(!body.contains(secret), "{status} says {secret:?}: {body}");
        }
    }
}

/// HTTP-7
#[test]
fn errors_tell_the_panic_when_debugging() {
    let answer = short_tempered("true").get("/panic");
    assert_problem(&answer, 500);
    assert!(answer.text().contains("fixture panic"), "{}", answer.text());
}

/// HTTP-7
#[test]
fn what_a_handler_answers_is_not_rewritten() {
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
fn probes_and_metrics_are_not_stored_by_caches() {
    let service = start(&[]);
    for path in PROBES {
        let answer = service.get(path);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    assert_eq!(
        service.get("/ready").header("cache-control"),
        Some("no-store")
    );
}

/// HTTP-8
#[test]
fn errors_of_the_chassis_are_not_stored_by_caches() {
    let service = short_tempered("false");
    for (status, answer) in chassis_errors(&service) {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
    }
}

/// HTTP-9
#[test]
fn every_answer_carries_the_security_headers() {
    let service = short_tempered("false");
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
fn a_security_header_of_the_handler_stays() {
    let answer = start(&[]).get("/own-headers");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

/// HTTP-9
#[test]
fn no_answer_names_the_server() {
    let service = short_tempered("false");
    let mut answers = chassis_errors(&service);
    answers.push((200, service.get("/hello")));
    answers.push((200, service.get("/health")));
    answers.push((400, service.request("GET / HTTP/1.1\r\nHost : x\r\n\r\n")));
    for (status, answer) in answers {
        assert_eq!(answer.header("server"), None, "{status}");
    }
}

/// HTTP-10
#[test]
fn aliases_answer_like_their_originals() {
    let service = start(&[]);
    for alias in ["/livez", "/readyz", "/healthz", "/startupz"] {
        let answer = service.get(alias);
        assert_eq!((answer.status, answer.text()), (200, "ok\n"), "{alias}");
    }
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    assert_problem(&service.get("/readyz"), 503);
    for alias in ["/livez", "/healthz", "/startupz"] {
        assert_eq!(
            service.get(alias).status,
            200,
            "{alias} is not about readiness"
        );
    }
}

/// HTTP-10, CLI-3
#[test]
fn a_route_in_the_place_of_a_probe_is_an_error_at_start_that_names_it() {
    for path in PROBES {
        let ended = run(&[], &[("ROUTE_CLASH", path)]);
        assert!(
            ended.code.is_some_and(|code| code != 0),
            "{path}: {:?}",
            ended.code
        );
        assert_eq!(ended.records_with("infra_app_ready").len(), 0, "{path}");
        let told = ended.stdout + &ended.stderr;
        assert!(told.contains(path), "{path} is not named: {told}");
    }
}

/// HTTP-10
#[test]
fn a_route_of_another_path_is_none() {
    let service = start(&[("ROUTE_CLASH", "/healthy")]);
    assert_eq!(service.get("/healthy").status, 200);
}

/// HTTP-7, DIF-8
#[test]
fn an_answer_that_has_no_body_by_its_status_has_no_length_either() {
    let service = start(&[]);
    let answer = service.get("/status/204");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(
        service.get("/status/200").header("content-length"),
        Some("7")
    );
}
