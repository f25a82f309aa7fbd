//! An operator begins the shutdown.

use harness::Signal;

use super::WithAdmin;
use crate::in_flight::wait_for_in_flight;
use crate::support::{END, assert_problem, start};

/// ADM-15, LIFE-1
#[test]
fn admin_drain_shuts_down_like_sigterm() {
    let it = WithAdmin::with(start, &[("DRAIN_DELAY", "2s")]);
    let mut running = it.service.connect();
    running.send(harness::request("GET", "/slow?ms=1000", ""));
    let answer = it.send("POST", "/admin/drain", "reason=bad+disk");
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json()["action"], "drain");
    let started = it
        .service
        .wait_for_record(|record| record["message"] == "shutdown_started");
    assert_eq!(started["reason"], "operator");
    assert_problem(&it.service.get("/ready"), 503);
    // A repeated request does not hurry it, and changes have no effect any more.
    assert_eq!(it.send("POST", "/admin/drain", "").status, 202);
    assert_problem(&it.send("PUT", "/admin/readiness", "ready=false"), 409);
    assert_eq!(running.read().status, 200);
    let ended = it.service.wait(END);
    assert_eq!(ended.code, Some(0));
    let report = &ended.records_with("shutdown_complete")[0];
    assert_eq!(report["reason"], "operator");
    assert!(report["lameDuckMs"].as_f64().unwrap() >= 2000.0, "{report}");
}

/// Drains a service with a request in flight, and waits until the shutdown has begun.
fn drain(it: &WithAdmin) {
    assert_eq!(it.send("POST", "/admin/drain", "").status, 202);
    let started = |record: &serde_json::Value| record["message"] == "shutdown_started";
    it.service.wait_for_record(started);
}

/// ADM-18, LOG-12
#[test]
fn admin_requests_are_logged_also_when_the_end_cuts_them_off() {
    let it = WithAdmin::with(start, &[]);
    let mut unfinished = it.connect();
    let fields = "Content-Length: 9\r\nExpect: 100-continue\r\n";
    unfinished.send(harness::request("PUT", "/admin/readiness", fields));
    assert_eq!(unfinished.read_head().status, 100);
    assert_eq!(it.send("POST", "/admin/drain", "").status, 202);
    let ended = it.service.wait(END);
    assert_eq!(ended.code, Some(0));
    let records = ended.records();
    for path in ["/admin/drain", "/admin/readiness"] {
        let of_path = records.iter().filter(|record| record["path"] == path);
        assert_eq!(of_path.count(), 1, "{path}: {records:?}");
    }
    assert_eq!(records.last().unwrap()["message"], "shutdown_complete");
}

/// ADM-15, LIFE-3: an orchestrator may end a service that an operator drains.
#[test]
fn first_sigterm_after_a_drain_forces_nothing() {
    let it = WithAdmin::with(start, &[]);
    let mut running = it.service.connect();
    running.send(harness::request("GET", "/slow?ms=1500", ""));
    wait_for_in_flight(&it.service, 1.0);
    drain(&it);
    it.service.signal(Signal::Term);
    assert_eq!(running.read().status, 200);
    assert_eq!(it.service.wait(END).code, Some(0));
}

/// ADM-15, LIFE-3
#[test]
fn sigquit_after_a_drain_forces_the_shutdown() {
    let it = WithAdmin::with(start, &[("SHUTDOWN_TIMEOUT", "10m")]);
    let mut running = it.service.connect();
    running.send(harness::request("GET", "/slow?ms=30000", ""));
    wait_for_in_flight(&it.service, 1.0);
    drain(&it);
    it.service.signal(Signal::Quit);
    let ended = it.service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["requestsCutOff"],
        1
    );
}
