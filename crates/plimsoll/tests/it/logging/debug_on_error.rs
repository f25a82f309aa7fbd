//! The debug records of requests that fail (`DEBUG_ON_ERROR`).

use harness::Process;
use serde_json::{Map, Value};

use super::assert_well_formed;
use crate::support::{ms, start};

const KEY: &str = "key-of-the-service";

/// The messages that `/debug/…` logs below INFO, in their order.
const DEBUG: [&str; 5] = [
    "debug_event",
    "debug_secret",
    "debug_bridged",
    "debug_task",
    "debug_task_ended",
];

fn with_debug_on_error(more: &[(&str, &str)]) -> Process {
    let mut settings = vec![("DEBUG_ON_ERROR", "true"), ("SECRET_KEY", KEY)];
    settings.extend_from_slice(more);
    start(&settings)
}

/// The records of the only request for this path, once it has ended.
fn records_of(service: &Process, path: &str) -> Vec<Value> {
    let access = harness::access_record(service, path);
    let id = &access["request_id"];
    let mut records = service.records();
    records.retain(|record| record["request_id"] == *id);
    records
}

fn messages(records: &[Value]) -> Vec<&str> {
    let messages = records.iter().map(|record| record["message"].as_str());
    messages.map(|it| it.expect("a text")).collect()
}

fn is_kept(record: &Value) -> bool {
    record["debugOnError"] == true
}

/// LOG-16
#[test]
fn failed_request_writes_its_debug_records() {
    let service = with_debug_on_error(&[]);
    assert_eq!(service.get("/debug/fail?ms=100").status, 500);
    let records = records_of(&service, "/debug/fail");
    let expected = [&["debug_info"], &DEBUG[..], &["http_request"]].concat();
    assert_eq!(messages(&records), expected);
    for record in &records {
        let is_debug = DEBUG.contains(&record["message"].as_str().unwrap());
        assert_eq!(is_kept(record), is_debug, "{record}");
    }
    let at = |record: &Value| super::milliseconds_since_epoch(record["asctime"].as_str().unwrap());
    let [first, .., last] = &records[1..] else {
        panic!("{records:?}")
    };
    assert!(at(last) - at(first) >= 100, "{first} {last}");
    for line in service.lines() {
        assert_well_formed(&line, service.pid());
    }
}

/// LOG-16: a record has the fields that it has with `LOG_LEVEL=DEBUG`, with secrets masked.
#[test]
fn debug_records_are_those_of_the_level_debug() {
    fn fields(service: &Process) -> Vec<Map<String, Value>> {
        assert_eq!(service.get("/debug/fail?token=hidden").status, 500);
        let mut records = records_of(service, "/debug/fail");
        records.retain(|record| record["levelname"] == "DEBUG");
        let fields = records.into_iter().map(|record| {
            let Value::Object(mut fields) = record else {
                panic!("{record}")
            };
            for name in [
                "asctime",
                "process",
                "threadName",
                "request_id",
                "debugOnError",
            ] {
                fields.remove(name);
            }
            fields
        });
        fields.collect()
    }
    let kept = with_debug_on_error(&[]);
    let debug = start(&[("LOG_LEVEL", "DEBUG"), ("SECRET_KEY", KEY)]);
    let fields_of_kept = fields(&kept);
    assert_eq!(fields_of_kept, fields(&debug));
    assert_eq!(fields_of_kept.len(), DEBUG.len());
    assert_eq!(fields_of_kept[0]["step"], 1);
    assert_eq!(fields_of_kept[0]["debugOnError_"], "mine");
    let lines = kept.lines().concat();
    assert!(!lines.contains(KEY) && !lines.contains("hidden"), "{lines}");
}

/// LOG-16
#[test]
fn spans_below_the_level_add_fields_to_debug_records_only() {
    let service = with_debug_on_error(&[]);
    assert_eq!(service.get("/debug/fail").status, 500);
    let records = records_of(&service, "/debug/fail");
    let of = |message| records.iter().find(|it| it["message"] == message).unwrap();
    assert_eq!(of("debug_event")["step"], 1);
    assert_eq!(of("debug_info")["step"], Value::Null);
}

/// LOG-16
#[test]
fn panicked_request_writes_its_debug_records() {
    let service = with_debug_on_error(&[]);
    assert_eq!(service.get("/debug/panic").status, 500);
    let mut connection = service.connect();
    connection.send(harness::request("GET", "/debug/panic-body", ""));
    connection.read_to_end();
    for (path, last) in [
        ("/debug/panic", "debug_task_ended"),
        ("/debug/panic-body", "debug_body"),
    ] {
        let records = records_of(&service, path);
        let kept: Vec<Value> = records.iter().filter(|it| is_kept(it)).cloned().collect();
        assert_eq!(messages(&kept).last(), Some(&last), "{path}");
        assert_eq!(messages(&kept)[..5], DEBUG, "{path}");
        assert_eq!(messages(&records).last(), Some(&"http_request"), "{path}");
    }
}

/// LOG-16
#[test]
fn slow_request_writes_its_debug_records() {
    let service = with_debug_on_error(&[("REQUEST_TIMEOUT", "20s")]);
    for (path, is_slow) in [
        // The route has a timeout of 2 s.
        ("/debug-brief/ok?ms=1100", true),
        ("/debug/ok?ms=1100", false),
    ] {
        assert_eq!(service.get(path).status, 200);
        let (path, _) = path.split_once('?').unwrap();
        let records = records_of(&service, path);
        assert_eq!(records.iter().any(is_kept), is_slow, "{path}");
    }
}

/// LOG-16
#[test]
fn timed_out_and_abandoned_requests_write_debug_records() {
    let service = with_debug_on_error(&[("REQUEST_TIMEOUT", "1s")]);
    assert_eq!(service.get("/debug/late?ms=9000").status, 503);
    assert!(records_of(&service, "/debug/late").iter().any(is_kept));

    let mut connection = service.connect();
    connection.send(harness::request("GET", "/debug/abandoned?ms=9000", ""));
    assert!(!connection.ends_within(ms(600)));
    connection.reset();
    let records = records_of(&service, "/debug/abandoned");
    assert_eq!(records.last().unwrap()["status"], 499);
    assert!(records.iter().any(is_kept));
}

/// LOG-16
#[test]
fn good_request_and_default_write_no_debug_records() {
    let on = with_debug_on_error(&[]);
    assert_eq!(on.get("/debug/ok").status, 200);
    let off = start(&[]);
    assert_eq!(off.get("/debug/fail").status, 500);
    for (service, path) in [(on, "/debug/ok"), (off, "/debug/fail")] {
        let records = records_of(&service, path);
        assert_eq!(messages(&records), ["debug_info", "http_request"]);
        let ended = service.terminate();
        assert!(!ended.records().iter().any(is_kept));
    }
}

/// LOG-16
#[test]
fn concurrent_requests_do_not_mix_their_debug_records() {
    const CONNECTIONS: u64 = 8;
    const REQUESTS: u64 = 25;
    let service = with_debug_on_error(&[]);
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let service = &service;
            scope.spawn(move || {
                let mut open = service.connect();
                for request in 0..REQUESTS {
                    let number = connection * REQUESTS + request;
                    let end = if number.is_multiple_of(2) {
                        "fail"
                    } else {
                        "ok"
                    };
                    open.get(&format!("/debug/{end}?ms=1&number={number}"));
                }
            });
        }
    });
    let ended = service.terminate();
    let records = ended.records();
    let mut failed = 0;
    for access in ended.records_with("http_request") {
        let of = |record: &&Value| record["request_id"] == access["request_id"];
        let kept = records.iter().filter(of).filter(|it| is_kept(it));
        let kept: Vec<Value> = kept.cloned().collect();
        if access["status"] == 200 {
            assert_eq!(kept.len(), 0, "{kept:?}");
            continue;
        }
        failed += 1;
        assert_eq!(messages(&kept), DEBUG);
        let (_, number) = access["query"].as_str().unwrap().rsplit_once('=').unwrap();
        let number: u64 = number.parse().unwrap();
        let numbers = kept.iter().filter_map(|record| record["number"].as_u64());
        assert_eq!(numbers.collect::<Vec<_>>(), [number; 4]);
    }
    assert_eq!(failed, CONNECTIONS * REQUESTS / 2);
}

/// LOG-16, LOG-12
#[test]
fn only_the_last_debug_records_are_kept() {
    let service = with_debug_on_error(&[]);
    assert_eq!(service.get("/debug/fail?more=500").status, 500);
    let mut records = records_of(&service, "/debug/fail");
    records.retain(is_kept);
    let dropped = records.pop().unwrap();
    assert_eq!(dropped["message"], "debug_records_dropped");
    assert_eq!(dropped["dropped"], 505 - 64);
    assert_eq!(records.len(), 64);
    assert_eq!(messages(&records)[60..], DEBUG[1..]);
    let counted = service.metrics().sum("log_records_total", &[]);
    let lines = service.lines().len();
    assert!((counted - lines as f64).abs() < 0.5, "{counted} {lines}");
}

/// LOG-16
#[test]
fn task_that_outlives_its_request_keeps_nothing() {
    let service = with_debug_on_error(&[]);
    assert_eq!(service.get("/debug/late-task").status, 500);
    // The request has ended with its access record.
    service.wait_for_record(|record| record["status"] == 500);
    assert_eq!(service.get("/debug/release").status, 200);
    service.wait_for_record(|record| record["message"] == "debug_late_ended");
    let ended = service.terminate();
    assert_eq!(ended.records_with("debug_late").len(), 0);
    assert_eq!(ended.records_with("debug_task").len(), 1);
}

/// LOG-16, ADM-12
#[test]
fn written_records_are_not_kept_too() {
    use crate::admin::WithAdmin;

    let it = WithAdmin::with(with_debug_on_error, &[("LOG_LEVEL", "ERROR")]);
    let id = "support-case-0123456789";
    let form = format!("id={id}&level=TRACE");
    assert_eq!(it.send("PUT", "/admin/loglevel/request", &form).status, 200);
    let headers = format!("X-Request-ID: {id}\r\n");
    let mut connection = it.service.connect();
    connection.send(harness::request("GET", "/debug/fail", &headers));
    assert_eq!(connection.read().status, 500);
    let records = records_of(&it.service, "/debug/fail");
    assert_eq!(messages(&records)[..2], ["debug_trace", "debug_event"]);
    assert_eq!(records.len(), DEBUG.len() + 3);
    assert!(!records.iter().any(is_kept), "{records:?}");
}
