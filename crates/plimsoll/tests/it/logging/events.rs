//! Events of the service: levels, fields and spans.

use harness::{Process, field_names};
use serde_json::{Value, json};

use super::{ACCESS, LEADING, assert_well_formed};
use crate::support::{access_line, start};

/// LOG-2
#[test]
fn events_below_the_level_are_not_written() {
    // One worker, because records of different threads are unordered.
    let service = start(&[("LOG_LEVEL", "WARNING"), ("WORKERS", "1")]);
    for path in ["/log/debug", "/log", "/log/warn", "/log/error"] {
        assert_eq!(service.get(path).status, 200);
    }
    let ended = service.terminate();
    let levels: Vec<Value> = ended
        .records_with("fixture_event")
        .iter()
        .map(|record| record["levelname"].clone())
        .collect();
    assert_eq!(levels, ["WARNING", "ERROR"]);
    // The successes among the access records are INFO.
    assert_eq!(ended.records_with("http_request").len(), 0);
}

/// LOG-2
#[test]
fn event_fields_are_json_values() {
    let service = start(&[]);
    assert_eq!(service.get("/log").status, 200);
    let record = service.wait_for_record(|record| record["message"] == "fixture_event");
    assert_eq!(record["name"], "fixture");
    assert_eq!(record["answer"], 42);
    assert_eq!(record["ratio"], 0.5);
    assert_eq!(record["ok"], true);
    assert_eq!(record["text"], "a\"b\nc");
}

/// LOG-3
#[test]
fn event_field_named_like_a_leading_field_is_renamed() {
    let service = start(&[]);
    assert_eq!(service.get("/log").status, 200);
    let record = service.wait_for_record(|record| record["message"] == "fixture_event");
    assert_eq!(record["name_"], "n");
    assert_eq!(record["process_"], 1);
    assert_eq!(record["name"], "fixture");
    assert_eq!(record["process"], service.pid());
}

/// LOG-2, LOG-3
#[test]
fn event_has_the_fields_of_its_spans() {
    let service = start(&[]);
    assert_eq!(service.get("/span/acme").status, 200);
    #[track_caller]
    fn check(service: &Process, message: &str, expected: &Value) {
        let line = service.wait_for_line(|line| line.contains(&format!("\"{message}\"")));
        assert_well_formed(&line, service.pid());
        let record: Value = serde_json::from_str(&line).unwrap();
        let names = &field_names(&line)[LEADING.len()..];
        let own: serde_json::Map<_, _> = names
            .iter()
            .map(|name| ((*name).to_owned(), record[name].clone()))
            .collect();
        assert_eq!(Value::Object(own), *expected, "{line}");
    }
    check(
        &service,
        "span_began",
        &json!({"tenant": "acme", "name_": "n"}),
    );
    let step = json!({"attempt": 2, "name_": "n", "tenant": "nearer"});
    check(&service, "span_step", &step);
    // A value may log while it is formatted. It did so before the span recorded it, and once after.
    check(
        &service,
        "span_talks",
        &json!({"tenant": "acme", "name_": "n"}),
    );
    let ended = json!({"said": "talks", "tenant": "acme", "name_": "n", "rows": "talks"});
    check(&service, "span_ended", &ended);
    // The records of the request are unchanged.
    let line = access_line(&service, "/span/acme");
    let expected: Vec<&str> = LEADING.iter().chain(&ACCESS).copied().collect();
    assert_eq!(field_names(&line), expected);
}

/// LOG-2: the event is at INFO, its spans are at INFO, at DEBUG, and of another target.
#[test]
fn spans_below_the_level_add_no_fields() {
    #[track_caller]
    fn check(levels: &str, expected: &[&str]) {
        let service = start(&[("LOG_LEVEL", levels)]);
        assert_eq!(service.get("/span-levels").status, 200);
        let record = service.wait_for_record(|record| record["message"] == "span_levels");
        let mut there = vec!["coarse", "fine", "other"];
        there.retain(|name| !record[*name].is_null());
        assert_eq!(there, expected, "{levels}: {record}");
    }
    check("INFO", &["coarse", "other"]);
    check("INFO,fixture=DEBUG", &["coarse", "fine", "other"]);
    check("WARNING,fixture=INFO", &["coarse"]);
    check("INFO,other=ERROR", &["coarse"]);
}
