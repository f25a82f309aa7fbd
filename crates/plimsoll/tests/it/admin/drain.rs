//! An operator begins the shutdown.

use super::WithAdmin;
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
