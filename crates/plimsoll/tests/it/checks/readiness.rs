//! The effect of checks on `/ready`, by their policy.

use harness::timed;

use super::{CHANGE, CheckFiles, wait_for_change, wait_for_ready, wait_for_runs, wait_until_up};
use crate::support::{assert_problem, ms, post, spawn, start};

/// HLT-4, HLT-5, HLT-9, HLT-11
#[test]
fn gate_takes_instance_out_of_rotation_and_back() {
    let files = CheckFiles::new();
    let service = start(&files.env("gate"));
    assert_eq!(service.get("/ready").status, 200);
    files.set("gate", "fail the sidecar is gone");
    let down = wait_for_change(&service, "gate", "down");
    assert_eq!(down["levelname"], "WARNING");
    assert_eq!(down["policy"], "gate");
    assert_eq!(down["error"], "the sidecar is gone");
    wait_for_ready(&service, 503);
    assert_eq!(
        service.get("/hello").status,
        200,
        "requests are still served"
    );
    let metrics = service.metrics();
    let labels = [("check", "gate"), ("policy", "gate")];
    assert_eq!(metrics.value("check_up", &labels), Some(0.0));
    let held = |by| metrics.value("service_not_ready", &[("by", by)]);
    assert_eq!(held("checks"), Some(1.0));
    assert_eq!((held("code"), held("workers")), (Some(0.0), Some(0.0)));

    files.clear("gate");
    wait_for_ready(&service, 200);
    assert_eq!(service.metrics().value("check_up", &labels), Some(1.0));
    let ended = service.terminate();
    let changes = ended.records_with("readiness_changed");
    let texts: Vec<_> = changes
        .iter()
        .map(|record| (&record["levelname"], &record["ready"], &record["reason"]))
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert_eq!(texts[0].0, "WARNING");
    assert_eq!(
        (texts[0].1, texts[0].2),
        (&false.into(), &"check gate is down".into())
    );
    assert_eq!(texts[1].0, "INFO");
    assert_eq!(
        (texts[1].1, texts[1].2),
        (&true.into(), &"check gate is up".into())
    );
}

/// HLT-5, HLT-9
#[test]
fn late_failure_of_shared_dependency_leaves_ready() {
    let files = CheckFiles::new();
    let service = start(&files.env("vital,mild,seen"));
    for check in ["mild", "seen"] {
        wait_for_change(&service, check, "up");
    }
    for check in ["vital", "mild", "seen"] {
        files.set(check, "fail it is gone");
    }
    for (check, level) in [("vital", "WARNING"), ("mild", "WARNING"), ("seen", "INFO")] {
        let down = wait_for_change(&service, check, "down");
        assert_eq!(down["levelname"], level, "{down}");
        assert_eq!(service.get("/ready").status, 200, "{check}");
    }
    assert!(service.records_with("readiness_changed").is_empty());
}

/// HLT-5, HLT-6, HLT-2
#[test]
fn required_check_blocks_ready_until_first_success() {
    let files = CheckFiles::new();
    files.set("vital", "fail no database");
    let service = spawn(&files.env("vital"));
    service.wait_for_record(|record| record["message"] == "infra_app_ready");
    assert_problem(&service.get("/ready"), 503);
    for path in ["/health", "/startupz", "/hello"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    // A required check is tried again within 2 s.
    wait_for_runs(&service, "vital", 3);
    files.clear("vital");
    let ((), took) = timed(|| wait_for_ready(&service, 200));
    assert!(took < CHANGE, "{took:?}");
    let ended = service.terminate();
    let changes = ended.records_with("readiness_changed");
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(changes[0]["reason"], "check vital has not succeeded yet");
    assert_eq!(changes[1]["reason"], "check vital is up");
}

/// HLT-6
#[test]
fn required_check_that_hangs_does_not_keep_the_port_closed() {
    let files = CheckFiles::new();
    // The call blocks a thread of its own, so its run ends at its limit of 500 ms, and fails. The limit
    // of the whole round is tested in paused time (`check/tests.rs`).
    files.set("stuck", "block");
    let service = spawn(&files.env("stuck"));
    service.wait_for_record(|record| record["message"] == "infra_app_ready");
    assert_eq!(service.get("/startupz").status, 200);
    assert_eq!(service.get("/ready").status, 503);
    files.clear("stuck");
    wait_for_ready(&service, 200);
}

/// HLT-5
#[test]
fn code_and_check_holds_are_independent() {
    let files = CheckFiles::new();
    let service = start(&files.env("gate"));
    files.set("gate", "fail it is gone");
    wait_for_ready(&service, 503);
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    assert_eq!(service.request(post("/readiness/on", "")).status, 200);
    assert_eq!(service.get("/ready").status, 503, "the check still holds");
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    files.clear("gate");
    wait_until_up(&service, "gate", "gate");
    assert_eq!(service.get("/ready").status, 503, "the code still holds");
    assert_eq!(service.request(post("/readiness/on", "")).status, 200);
    assert_eq!(service.get("/ready").status, 200);
}

/// HLT-10
#[test]
fn no_check_runs_or_logs_after_the_signal() {
    let files = CheckFiles::new();
    let mut env = files.env("gate").to_vec();
    env.push(("DRAIN_DELAY", "4s"));
    let service = start(&env);
    wait_for_runs(&service, "gate", 1);
    service.signal(harness::Signal::Term);
    service.wait_for_record(|record| record["message"] == "shutdown_started");
    files.set("gate", "fail it is gone");
    let before = super::runs(&service, "gate");
    std::thread::sleep(ms(3000));
    assert_eq!(super::runs(&service, "gate"), before);
    assert_eq!(service.get("/ready").status, 503);
    let ended = service.wait(CHANGE);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.records_with("check_changed").len(),
        1,
        "its first success"
    );
}
