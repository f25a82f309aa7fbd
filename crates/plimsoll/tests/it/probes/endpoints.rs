//! The endpoints of the probes.

use std::time::Duration;

use harness::{Process, eventually, example, request, timed};

use crate::responses::PROBES;
use crate::support::{assert_problem, ms, post, run, spawn, start};

/// HTTP-3
#[test]
fn health_is_ok() {
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
fn health_stays_200_while_a_worker_is_briefly_blocked() {
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
fn ready_is_ok_while_traffic_is_accepted() {
    let answer = start(&[]).get("/ready");
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
}

/// HTTP-4, HTTP-7
#[test]
fn ready_is_a_problem_while_switched_off() {
    let service = start(&[]);
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    assert_problem(&service.get("/ready"), 503);
    // Only the probe changes; requests are still served.
    assert_eq!(service.get("/hello").status, 200);
    assert_eq!(service.request(post("/readiness/on", "")).status, 200);
    assert_eq!(service.get("/ready").text(), "ok\n");
}

/// HTTP-4
#[test]
fn readiness_changes_are_logged() {
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
        // The first accepted connection finds a ready service.
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
fn failed_setup_never_becomes_ready() {
    let ended = spawn(&[("SETUP_FAIL", "true")]).wait(Duration::from_secs(10));
    assert_eq!(ended.code, Some(1));
    let has_reason = ended.records().iter().any(|record| {
        ["ERROR", "CRITICAL"]
            .iter()
            .any(|level| record["levelname"] == *level)
            && record
                .to_string()
                .contains("the fixture fails by its setting")
    });
    assert!(has_reason, "{}", ended.stdout);
    assert_eq!(ended.records_with("infra_app_ready").len(), 0);
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

/// HTTP-8
#[test]
fn probes_and_metrics_are_not_cached() {
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
fn route_at_a_probe_path_is_a_start_error() {
    for path in PROBES {
        let ended = run(&[], &[("ROUTE_CLASH", path)]);
        assert!(
            ended.code.is_some_and(|code| code != 0),
            "{path}: {:?}",
            ended.code
        );
        assert_eq!(ended.records_with("infra_app_ready").len(), 0, "{path}");
        let output = ended.stdout + &ended.stderr;
        assert!(output.contains(path), "{path} is not named: {output}");
    }
}

/// HTTP-10
#[test]
fn route_at_another_path_is_no_error() {
    let service = start(&[("ROUTE_CLASH", "/healthy")]);
    assert_eq!(service.get("/healthy").status, 200);
}

/// HTTP-4
#[test]
fn start_without_readiness_logs_the_reason() {
    let service = Process::spawn_with(example("programs"), &["not_ready"], &[]);
    service.wait_until_ready();
    assert_eq!(service.get("/ready").status, 503);
    let ended = service.terminate();
    let records = ended.records();
    let at = records
        .iter()
        .position(|it| it["message"] == "infra_app_ready");
    let next = &records[at.unwrap() + 1];
    assert_eq!(next["message"], "readiness_changed");
    assert_eq!(
        (&next["ready"], &next["reason"]),
        (&false.into(), &"the cache is cold".into())
    );
}
