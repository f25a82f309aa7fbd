//! Errors of checks, in records and responses.

use super::{CheckFiles, wait_for_change};
use crate::support::{run, spawn};

const PASSWORD: &str = "canary-5ac1f";

/// HLT-8
#[test]
fn secret_in_check_error_is_never_exposed() {
    let files = CheckFiles::new();
    files.set(
        "vital",
        &format!("fail cannot reach postgres://app:{PASSWORD}@db/shop?password={PASSWORD}"),
    );
    let service = spawn(&files.env("vital"));
    let down = wait_for_change(&service, "vital", "down");
    // The first round of checks precedes the port.
    service.wait_until_ready();
    assert_eq!(
        down["error"],
        "cannot reach postgres://app:***@db/shop?password=***"
    );
    service.wait_until_ready();
    assert_eq!(service.get("/ready").status, 503);
    assert!(!service.get("/metrics").text().contains(PASSWORD));
    let ended = service.terminate();
    assert!(!ended.stdout.contains(PASSWORD) && !ended.stderr.contains(PASSWORD));
}

/// HLT-8
#[test]
fn ready_response_contains_no_reason() {
    let files = CheckFiles::new();
    files.set("vital", "fail no route to db.internal");
    let service = spawn(&files.env("vital"));
    wait_for_change(&service, "vital", "down");
    service.wait_until_ready();
    let text = service.get("/ready").text().to_owned();
    for word in ["vital", "db.internal", "check", "route"] {
        assert!(!text.contains(word), "{text}");
    }
}

/// HLT-8
#[test]
fn long_check_error_is_truncated_and_escaped() {
    let files = CheckFiles::new();
    let error = format!("\"line\"\n\u{1b}[31m{}", "ä".repeat(300));
    files.set("vital", &format!("fail {error}"));
    let service = spawn(&files.env("vital"));
    let down = wait_for_change(&service, "vital", "down");
    let text = down["error"].as_str().unwrap();
    assert!(text.len() <= 256, "{text}");
    assert!(text.starts_with("\"line\"\n"), "{text}");
    let lines = service.terminate().stdout;
    assert!(!lines.contains('\u{1b}'), "control characters are escaped");
}

/// HLT-1
#[test]
fn invalid_check_is_a_start_error() {
    let files = CheckFiles::new();
    let ended = run(&[], &files.env("gate,gate"));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("two checks named \"gate\""),
        "{}",
        ended.stderr
    );
}
