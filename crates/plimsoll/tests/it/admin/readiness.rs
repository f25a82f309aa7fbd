//! An operator holds readiness, and removes the hold of a check.

use harness::eventually;

use super::WithAdmin;
use crate::checks::CheckFiles;
use crate::support::{assert_problem, post, start};

/// ADM-13, HLT-5
#[test]
fn operator_hold_on_readiness_expires() {
    let it = WithAdmin::with(start, &[]);
    let change = it.send(
        "PUT",
        "/admin/readiness",
        "ready=false&ttl=4s&reason=disk+swap",
    );
    assert_eq!(change.status, 200, "{}", change.text());
    let change = change.json();
    assert_eq!(change["action"], "readiness");
    assert_eq!(
        (&change["value"], &change["was"]),
        (&"false".into(), &"true".into())
    );
    assert!(
        change["by"].as_str().unwrap().starts_with("uid "),
        "{change}"
    );
    assert_eq!(change["reason"], "disk swap");
    assert_problem(&it.service.get("/ready"), 503);
    let view = it.get("/admin/readiness").json();
    assert_eq!(view["ready"], false);
    assert_eq!(view["heldBy"][0]["by"], "operator");
    assert_eq!(view["change"]["id"], change["id"]);
    eventually("the hold expires", || {
        (it.service.get("/ready").status == 200).then_some(())
    });
    let view = it.get("/admin/changes").json();
    assert_eq!(view["inForce"].as_array().unwrap().len(), 0);
    assert_eq!(view["past"][0]["end"], "expired");
    let ended = it.service.terminate();
    assert_eq!(ended.records_with("admin_change").len(), 1);
    assert_eq!(
        ended.records_with("admin_change_ended")[0]["end"],
        "expired"
    );
    let readiness = ended.records_with("readiness_changed");
    assert_eq!(
        readiness[0]["reason"],
        "an operator holds readiness: disk swap"
    );
}

/// ADM-13
#[test]
fn deleted_hold_leaves_the_holds_of_others() {
    let it = WithAdmin::with(start, &[]);
    assert_eq!(
        it.send("PUT", "/admin/readiness", "ready=false").status,
        200
    );
    assert_eq!(it.service.request(post("/readiness/off", "")).status, 200);
    assert_eq!(it.send("DELETE", "/admin/readiness", "").status, 204);
    assert_eq!(it.service.get("/ready").status, 503, "the code still holds");
    assert_eq!(it.service.request(post("/readiness/on", "")).status, 200);
    assert_eq!(it.service.get("/ready").status, 200);
    assert_problem(&it.send("DELETE", "/admin/readiness", ""), 404);
    // No client can force readiness up.
    assert_problem(&it.send("PUT", "/admin/readiness", "ready=true"), 400);
}

/// ADM-14, HLT-5
#[test]
fn observe_policy_lifts_a_failing_gate() {
    let files = CheckFiles::new();
    let it = WithAdmin::with(start, &files.env("gate"));
    files.set("gate", "fail it is gone");
    eventually("the gate closes", || {
        (it.service.get("/ready").status == 503).then_some(())
    });
    let view = it.get("/admin/checks").json();
    let check = &view["checks"][0];
    assert_eq!(
        (&check["name"], &check["state"]),
        (&"gate".into(), &"down".into())
    );
    assert_eq!(
        (&check["result"], &check["error"]),
        (&"failed".into(), &"it is gone".into())
    );
    assert_eq!(view["heldBy"][0], "checks");

    let lifted = it.send("PUT", "/admin/checks/gate", "policy=observe&ttl=3s");
    assert_eq!(lifted.status, 200, "{}", lifted.text());
    assert_eq!(lifted.json()["object"], "gate");
    assert_eq!(it.service.get("/ready").status, 200);
    let runs = |view: serde_json::Value| view["checks"][0]["runs"].as_u64().unwrap();
    let before = runs(it.get("/admin/checks").json());
    eventually("the check still runs", || {
        (runs(it.get("/admin/checks").json()) > before).then_some(())
    });
    eventually("the change expires", || {
        (it.service.get("/ready").status == 503).then_some(())
    });
    assert_problem(
        &it.send("PUT", "/admin/checks/no_such", "policy=observe"),
        404,
    );
    assert_problem(&it.send("PUT", "/admin/checks/gate", "policy=gate"), 400);
    assert_problem(&it.send("PUT", "/admin/checks/%ff", "policy=observe"), 400);
}

/// ADM-13, ADM-18
#[test]
fn controls_answer_without_slots_or_workers() {
    let it = WithAdmin::with(start, &[("WORKERS", "1"), ("MAX_IN_FLIGHT", "1")]);
    let mut blocked = it.service.connect();
    blocked.send(harness::request("GET", "/blocking?ms=3000", ""));
    it.service
        .wait_for_record(|record| record["message"] == "worker_stuck");
    let change = it.send("PUT", "/admin/readiness", "ready=false&ttl=1h");
    assert_eq!(change.status, 200);
    assert_eq!(it.get("/ready").status, 503);
    assert_eq!(it.get("/admin").status, 200);
    assert_eq!(blocked.read().status, 200);
    eventually("the controls are counted", || {
        let scrape = it.metrics();
        let labels = [("path", "/admin/readiness"), ("status", "200")];
        let counted = scrape.value("admin_requests_total", &labels) == Some(1.0);
        let others = scrape.sum("http_requests_total", &[("path", "/admin/readiness")]);
        (counted && others == 0.0).then_some(())
    });
}
