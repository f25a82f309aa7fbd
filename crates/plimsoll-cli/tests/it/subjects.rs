//! The verdicts on services that are not saboteurs.

use crate::support::{argument, verify};

#[test]
fn reference_service_keeps_the_whole_contract() {
    let service = harness::reference_service();
    let options = ["--level", "full", "--fail-on", "note", "--require-proof"];
    let report = verify(&options, &[argument(&service)]);
    let others = report.details("violated") + &report.details("not_proven");
    assert_eq!(report.status, Some(0), "{others}");
}

#[test]
fn plain_axum_violates_what_it_does_not_have() {
    let service = harness::example("plain");
    let report = verify(&[], &[argument(&service)]);
    assert_eq!(report.status, Some(1));
    let violated = [
        "CFG-2:boolean",
        "CFG-2:duration",
        "CFG-2:port",
        "HTTP-1:banner",
        "HTTP-2:info",
        "HTTP-5:text",
        "LIFE-1:exit",
        "LOG-1:json",
        "RID-1:echo",
        "RID-1:generated",
    ];
    // Requests in flight are answered or cut off, depending on the moment of the signal.
    let mut found = report.with("violated");
    found.retain(|id| *id != "LIFE-1:in-flight");
    assert_eq!(found, violated, "{}", report.details("violated"));
    let holds = ["CFG-2:spellings", "HTTP-3:live", "HTTP-4:ready"];
    assert_eq!(
        report
            .with("holds")
            .into_iter()
            .filter(|id| *id != "LIFE-1:in-flight")
            .collect::<Vec<_>>(),
        holds
    );
}
