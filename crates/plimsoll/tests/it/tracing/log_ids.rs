//! Trace ids in log records.

use harness::{access_record, field_names, request};
use serde_json::Value;

use super::collector::{Collector, Manner, hex};
use super::traced;
use crate::support::access_line;

/// LOG-14
#[test]
fn records_of_a_sampled_request_end_with_trace_ids() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    drop(service.get("/log"));
    let span = collector.span("GET /log");
    let (trace, own) = (hex(&span.trace_id), hex(&span.span_id));
    let end = format!(",\"traceId\":\"{trace}\",\"spanId\":\"{own}\"}}");
    let access = access_line(&service, "/log");
    assert!(access.ends_with(&end), "{access}");
    let event = service.wait_for_line(|line| line.contains("fixture_event"));
    assert!(event.ends_with(&end), "{event}");
    let id = access_record(&service, "/log")["request_id"].clone();
    assert_ne!(id, trace.as_str(), "the request's id is one of its own");

    drop(service.get("/panic"));
    let trace = hex(&collector.span("GET /panic").trace_id);
    let panic = service.wait_for_record(|record| record["message"] == "panic");
    assert_eq!(panic["traceId"], trace.as_str());
    let ended = service.terminate();
    for record in ended.records() {
        let is_of_a_request = record["request_id"] != "-";
        assert_eq!(record.get("traceId").is_some(), is_of_a_request, "{record}");
    }
}

/// LOG-14
#[test]
fn trace_ids_follow_long_fields_and_have_reserved_names() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    let long = format!("/{}", "%01".repeat(400));
    let agent = format!("User-Agent: {}\r\n", "\u{e9}".repeat(2000));
    drop(service.request(request(
        "GET",
        &format!("{long}?{}", "q=%22&".repeat(600)),
        &agent,
    )));
    let line = service.wait_for_line(|line| line.contains("http_request"));
    assert!(
        line.len() < 16 * 1024 && line.contains("\"traceId\":\""),
        "{line}"
    );
    drop(service.get("/trace/spans"));
    let line = service.wait_for_line(|line| line.contains("inside_outer"));
    let names = field_names(&line);
    assert_eq!(
        names[7..],
        ["traceId_", "item", "ratio", "traceId", "spanId"],
        "{line}"
    );
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["traceId_"], "mine");
    service.terminate();
}

/// LOG-14, LOG-16
#[test]
fn debug_records_of_a_failed_request_have_trace_ids() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[("DEBUG_ON_ERROR", "true")]);
    drop(service.get("/debug/fail?more=100"));
    let trace = hex(&collector.span("GET /debug/{end}").trace_id);
    access_record(&service, "/debug/fail");
    let mut records = service.records();
    records.retain(|record| record["debugOnError"] == true);
    assert_eq!(records.last().unwrap()["message"], "debug_records_dropped");
    for record in records {
        assert_eq!(record["traceId"], trace.as_str(), "{record}");
    }
}
