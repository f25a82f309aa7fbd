//! The admin listener.

use std::process::Command;

use axum::body::Bytes;
use axum::http::Request;
use harness::{Signal, eventually, eventually_within, request};
use plimsoll::testing::TestService;
use plimsoll::{App, BuildInfo};

use crate::admin::WithAdmin;
use crate::support::{
    BUILD_TIME, END, SERVICE, VERSION, assert_problem, fixture, ms, run, spawn, start,
};

/// HTTP-4, HTTP-10, ADM-2, ADM-3
#[test]
fn admin_listener_answers_503_until_ready() {
    let it = WithAdmin::with(spawn, &[("SETUP_MS", "1500")]);
    let mut admin = it.connect();
    assert_eq!(admin.get("/health").status, 200);
    for path in ["/ready", "/readyz", "/startupz"] {
        assert_problem(&admin.get(path), 503);
    }
    assert!(
        it.service.try_connect().is_err(),
        "the main listener does not accept yet"
    );
    it.service.wait_until_ready();
    for path in ["/health", "/ready", "/readyz", "/startupz"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
    }
    assert_eq!(
        it.service.get("/ready").status,
        200,
        "the main one still does"
    );
}

/// HTTP-3, ADM-1: the checked thread is not the one that answers.
#[test]
fn admin_listener_answers_while_every_worker_is_blocked() {
    let it = WithAdmin::with(start, &[("WORKERS", "1")]);
    let mut blocked = it.service.connect();
    blocked.send(request("GET", "/blocking?ms=3000", ""));
    it.service
        .wait_for_record(|record| record["message"] == "worker_stuck");
    let mut admin = it.connect();
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
    }
    assert_eq!(blocked.read().status, 200);
}

/// HTTP-3, ADM-1: the limit is 30 s, and no setting makes it shorter.
#[test]
fn health_is_503_when_every_worker_has_been_silent_for_30_s() {
    let env = [("WORKERS", "1"), ("REQUEST_TIMEOUT", "1s")];
    let it = WithAdmin::with(start, &env);
    let mut blocked = it.service.connect();
    blocked.send(request("GET", "/blocking?ms=33000", ""));
    it.service
        .wait_for_record(|record| record["message"] == "worker_stuck");
    let mut admin = it.connect();
    assert_eq!(admin.get("/health").status, 200, "it may take its time");
    let dead = eventually_within(ms(40_000), || {
        (admin.get("/health").status == 503).then_some(())
    });
    assert!(dead.is_some(), "it counts as dead in the end");
    let stuck = it.metrics();
    let silent = stuck.value("runtime_worker_silence_seconds", &[("worker", "0")]);
    assert!(silent.is_some_and(|seconds| seconds >= 30.0), "{silent:?}");
    let alive = eventually_within(ms(20_000), || {
        (admin.get("/health").status == 200).then_some(())
    });
    assert!(alive.is_some(), "and lives again");
}

/// HTTP-3, HTTP-7, CLI-2, ADM-1, ADM-3
#[test]
fn probes_move_to_the_admin_listener_if_configured() {
    let it = WithAdmin::with(start, &[("INFRA_ENDPOINTS", "admin")]);
    for path in ["/health", "/ready", "/metrics", "/startupz"] {
        assert_eq!(it.get(path).status, 200, "{path}");
        assert_problem(&it.service.get(path), 404);
    }
    assert_problem(&it.get("/hello"), 404);
    let logged = it.service.records_with("http_request");
    assert!(logged.iter().all(|record| record["status"] == 404));
    let health = Command::new(fixture())
        .arg("healthcheck")
        .env("ADMIN_ADDR", format!("unix:{}", it.path.display()))
        .env("INFRA_ENDPOINTS", "admin")
        .status()
        .unwrap();
    assert_eq!(health.code(), Some(0));
}

/// ADM-3, HTTP-3
#[test]
fn probes_stay_on_the_main_listener_if_configured() {
    let it = WithAdmin::with(start, &[("INFRA_ENDPOINTS", "main")]);
    assert_eq!(it.service.get("/health").status, 200);
    assert_problem(&it.get("/health"), 404);
}

/// HTTP-11
#[tokio::test]
async fn info_has_revision_and_compiler_of_the_build() {
    let info = async |revision, compiler| {
        let (service, version) = ((None, "orders"), (None, "1.0.0"));
        let build = BuildInfo::captured(service, version, Some("today"), revision, compiler);
        // A setting replaces the version and keeps the rest.
        let test = TestService::start(App::new(build), &[("VERSION", "1.0.1")]).await;
        let info = test.admin(Request::get("/info").body(Bytes::new()).unwrap());
        String::from_utf8(info.await.body().to_vec()).unwrap()
    };
    assert_eq!(
        info(Some("0123abcd"), Some("1.95.0")).await,
        r#"{"service":"orders","version":"1.0.1","buildTime":"today","revision":"0123abcd","rustcVersion":"1.95.0"}"#
    );
    let absent = r#"{"service":"orders","version":"1.0.1","buildTime":"today"}"#;
    assert_eq!(info(None, None).await, absent);
    // `docker build` sets an argument without a value to an empty text.
    assert_eq!(info(Some(""), Some("")).await, absent);
}

/// HTTP-11, HTTP-6
#[test]
fn admin_listener_always_answers_info() {
    for endpoints in ["main", "both", "admin"] {
        let it = WithAdmin::with(start, &[("INFRA_ENDPOINTS", endpoints)]);
        let answer = it.get("/info");
        assert_eq!(answer.status, 200, "{endpoints}");
        let info = format!(
            r#"{{"service":"{SERVICE}","version":"{VERSION}","buildTime":"{BUILD_TIME}"}}"#
        );
        assert_eq!(answer.text(), info);
        let mut posting = it.connect();
        posting.send(request("POST", "/info", "Content-Length: 0\r\n"));
        let answer = posting.read();
        assert_problem(&answer, 405);
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
        assert_problem(&it.service.get("/info"), 404);
    }
}

/// LIFE-1, MET-6, ADM-2: the last scrape.
#[test]
fn admin_listener_answers_until_the_hooks_are_done() {
    let it = WithAdmin::with(start, &[("HOOK_MS", "1500"), ("HOOK_LIMIT_MS", "2000")]);
    let mut admin = it.connect();
    it.service.signal(Signal::Term);
    eventually("the service flushes", || {
        let flushing = it.metrics();
        (flushing.value("service_state", &[("state", "flushing")]) == Some(1.0)).then_some(())
    });
    assert!(it.service.try_connect().is_err());
    let answer = admin.get("/health");
    assert_eq!(answer.status, 200);
    assert_problem(&it.get("/ready"), 503);
    let ended = it.service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert!(!it.path.exists(), "its socket goes with it");
}

/// SRV-4, SRV-6, ADM-4
#[test]
fn many_admin_connections_do_not_block_probes() {
    let it = WithAdmin::with(start, &[]);
    let crowd: Vec<_> = (0..200).map(|_| it.connect()).collect();
    for _ in 0..20 {
        assert_eq!(it.get("/health").status, 200);
        assert_eq!(it.service.get("/hello").status, 200);
    }
    drop(crowd);
}

/// IP-4, ADM-4: every peer of the listener is a client, and none is a proxy.
#[test]
fn admin_listener_rejects_proxy_headers() {
    let env = [
        ("PROXY_PROTOCOL", "on"),
        ("TRUSTED_PROXIES", "127.0.0.1,unix"),
    ];
    let it = WithAdmin::with(start, &env);
    assert_eq!(it.get("/health").status, 200);
    let mut admin = it.connect();
    admin.send("PROXY UNKNOWN\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    let said = admin.read_to_end();
    assert!(said.starts_with(b"HTTP/1.1 400 "), "{said:?}");
}

/// CFG-3, ADM-5
#[test]
fn admin_listener_needs_its_own_address() {
    let cases: [&[(&str, &str)]; 3] = [
        &[
            ("HOST", "0.0.0.0"),
            ("PORT", "8080"),
            ("ADMIN_ADDR", "127.0.0.1:8080"),
        ],
        &[("ADMIN_ADDR", "localhost:9090")],
        &[("INFRA_ENDPOINTS", "admin")],
    ];
    for env in cases {
        let ended = run(&[], env);
        assert_eq!(ended.code, Some(78), "{env:?}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = run(&[], &[("ADMIN_ADDR", &addr)]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&addr), "{}", ended.stderr);
}
