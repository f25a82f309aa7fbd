//! LIFE: start, drain, shutdown.

use std::time::Duration;

use harness::{Signal, eventually};

use crate::support::{END, start};

/// LIFE-1, LIFE-6
#[test]
fn sigterm_shuts_down_with_a_report() {
    let service = start(&[]);
    assert_eq!(service.get("/").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < Duration::from_secs(8), "{:?}", ended.took);
    let records = ended.records();
    let report = records.last().unwrap();
    assert_eq!(report["message"], "shutdown_complete");
    assert_eq!(report["reason"], "SIGTERM");
    assert_eq!(report["exitStatus"], 0);
    for name in [
        "requestsFinished",
        "requestsCutOff",
        "lameDuckMs",
        "drainMs",
        "hooksMs",
        "logRecordsDropped",
    ] {
        assert!(report[name].is_number(), "{name}: {report}");
    }
}

/// LIFE-1, LIFE-2
#[test]
fn lame_duck_serves_requests_but_is_not_ready() {
    let service = start(&[("DRAIN_DELAY", "3s")]);
    service.signal(Signal::Term);
    eventually("the service is not ready", || {
        (service.get("/ready").status == 503).then_some(())
    });
    assert_eq!(service.get("/health").status, 200);
    let mut connection = service.connect();
    let answer = connection.get("/");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(service.wait(END).code, Some(0));
}
