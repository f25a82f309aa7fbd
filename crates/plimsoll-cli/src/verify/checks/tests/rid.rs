//! RID: ids that are kept, replaced or generated.

use super::*;

#[test]
fn ids_are_kept_or_generated() {
    let id = |check: &str, name: &'static str, id: &str| {
        judge_response(check, name, response(200, &[("x-request-id", id)], ""))
    };
    assert_eq!(id("RID-1:echo", "with id", "nonce-of-with id"), Some(true));
    assert_eq!(id("RID-1:echo", "with id", "other"), Some(false));
    let generated = |value: &str| id("RID-1:generated", "without id", value);
    assert_eq!(generated(&"0a".repeat(16)), Some(true));
    assert_eq!(generated(&"0A".repeat(16)), Some(false));
    assert_eq!(generated(&"0a".repeat(15)), Some(false));
}

#[test]
fn ids_at_the_edges_are_kept_or_replaced() {
    let judge_id = |id: &str, name: &'static str, status, value: &str| {
        let request = request("GET", "/", &["X-Request-ID: sent"]);
        let outcome = response(status, &[("x-request-id", value)], "");
        judge(
            id,
            &started([Exchange::recorded(name, &request, outcome)], &[]),
        )
    };
    assert_eq!(judge_id("RID-2:kept", "kept", 200, "sent"), Some(true));
    assert_eq!(judge_id("RID-2:kept", "kept", 200, "other"), Some(false));
    for (id, name) in [
        ("RID-2:length", "long"),
        ("RID-2:charset", "charset"),
        ("RID-2:repeated", "repeated"),
    ] {
        let part = format!("a, nonce-of-{name}");
        assert_eq!(judge_id(id, name, 200, "other"), Some(true));
        assert_eq!(judge_id(id, name, 200, &part), Some(false));
        assert_eq!(judge_id(id, name, 400, &part), Some(true));
    }
    let record = |line: &str| {
        let exchange = exchange("charset", response(200, &[("x-request-id", "new")], ""));
        judge("RID-2:record", &started([exchange], &[line]))
    };
    let line = r#"{"message":"http_request","request_id":"new","requestIdReplaced":true}"#;
    assert_eq!(record(line), Some(true));
    assert_eq!(record(&line.replace("true", "false")), Some(false));
    let unique = |ids: [&str; 2]| {
        let ids = ids.map(|id| exchange("without id", response(200, &[("x-request-id", id)], "")));
        judge("RID-5:unique", &started(ids, &[]))
    };
    assert_eq!(unique(["a", "b"]), Some(true));
    assert_eq!(unique(["a", "a"]), Some(false));
}
