//! The shutdown report, the last record of a service.

use std::collections::BTreeMap;

use harness::Signal;

use super::{in_flight, report};
use crate::support::{END, post, start};

/// LIFE-6
#[test]
fn report_contains_each_phase_and_request_counts() {
    let service = start(&[
        ("DRAIN_DELAY", "500ms"),
        ("HOOK_MS", "300"),
        ("SHUTDOWN_TIMEOUT", "1s"),
    ]);
    let mut slow = in_flight(&service, "/slow?ms=900");
    let _hanging = in_flight(&service, "/hang");
    service.signal(Signal::Term);
    assert_eq!(slow.read().status, 200);
    let ended = service.wait(END);
    let report = report(&ended);
    assert_eq!(report["name"], "infra");
    assert_eq!(report["levelname"], "INFO");
    assert_eq!(report["reason"], "SIGTERM");
    assert_eq!(report["exitStatus"], 3);
    assert_eq!(report["requestsCutOff"], 1);
    assert_eq!(report["logRecordsDropped"], 0);
    assert!(
        report["requestsFinished"].as_u64().unwrap() >= 1,
        "{report}"
    );
    let bounds: BTreeMap<&str, std::ops::Range<f64>> = BTreeMap::from([
        ("lameDuckMs", 450.0..2500.0),
        ("drainMs", 900.0..3000.0),
        ("hooksMs", 300.0..2500.0),
    ]);
    for (phase, bounds) in bounds {
        let took = report[phase].as_f64().unwrap();
        assert!(bounds.contains(&took), "{phase}: {took}");
    }
}

/// LIFE-6
#[test]
fn report_is_the_last_record_after_hooks_that_log() {
    let service = start(&[("HOOK_MS", "10")]);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.records_with("hook_ran").len(), 1);
    assert_eq!(report(&ended)["exitStatus"], 0);
    assert_eq!(ended.records_with("shutdown_complete").len(), 1);
}

/// LOG-12, LIFE-6
#[test]
fn last_record_contains_the_outcome_of_the_shutdown() {
    let service = start(&[]);
    assert_eq!(service.request(post("/upload", "abc")).text(), "3\n");
    let ended = service.terminate();
    let records = ended.records();
    let last = records.last().unwrap();
    assert_eq!(last["message"], "shutdown_complete");
    assert_eq!(last["name"], "infra");
    assert_eq!(last["levelname"], "INFO");
    assert_eq!(last["exitStatus"], 0);
}
