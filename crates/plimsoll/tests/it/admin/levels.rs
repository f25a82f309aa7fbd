//! Log levels of a running service.

use harness::{Process, eventually};
use serde_json::Value;

use super::WithAdmin;
use crate::support::{assert_problem, start};

/// Requests `/levels`, which writes an event of each level, and returns the levels that were logged.
fn logged(service: &Process, id: &str) -> Vec<String> {
    let mut connection = service.connect();
    let header = format!("X-Request-ID: {id}\r\n");
    connection.send(harness::request("GET", "/levels", &header));
    assert_eq!(connection.read().status, 200);
    let of = |record: &Value| record["request_id"] == id;
    service.wait_for_record(|record| of(record) && record["message"] == "level_ERROR");
    let events = service.records();
    let events = events.iter().filter(|record| of(record));
    let texts = events.filter_map(|record| record["message"].as_str()?.strip_prefix("level_"));
    texts.map(str::to_owned).collect()
}

/// ADM-11
#[test]
fn level_override_applies_and_reverts() {
    let it = WithAdmin::with(start, &[("LOG_LEVEL", "WARNING")]);
    let general = ["WARN", "ERROR"];
    assert_eq!(logged(&it.service, "before"), general);
    let change = it.send("PUT", "/admin/loglevel", "level=fixture%3DTRACE&ttl=4s");
    assert_eq!(change.status, 200, "{}", change.text());
    assert_eq!(change.json()["was"], "WARNING");
    let view = it.get("/admin/loglevel").json();
    assert_eq!(view["configured"], "WARNING");
    assert_eq!(view["inForce"], "WARNING,fixture=TRACE");
    assert!(view["expiresAt"].is_string(), "{view}");
    let all = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
    assert_eq!(logged(&it.service, "during"), all);
    eventually("the override expires", || {
        (it.get("/admin/loglevel").json()["inForce"] == "WARNING").then_some(())
    });
    assert_eq!(logged(&it.service, "after"), general);
}

/// ADM-11
#[test]
fn level_override_covers_access_records() {
    let it = WithAdmin::with(start, &[("LOG_LEVEL", "CRITICAL")]);
    assert_eq!(it.service.get("/hello?n=1").status, 200);
    assert_eq!(
        it.send("PUT", "/admin/loglevel", "level=http%3DINFO")
            .status,
        200
    );
    assert_eq!(it.service.get("/hello?n=2").status, 200);
    it.service
        .wait_for_record(|record| record["query"] == "n=2");
    assert_eq!(it.send("DELETE", "/admin/loglevel", "").status, 204);
    assert_eq!(it.service.get("/hello?n=3").status, 200);
    let ended = it.service.terminate();
    let queries: Vec<_> = ended
        .records_with("http_request")
        .iter()
        .filter(|record| record["path"] == "/hello")
        .map(|record| record["query"].clone())
        .collect();
    assert_eq!(queries, ["n=2"]);
}

/// ADM-12
#[test]
fn debug_for_one_request_logs_that_request_only() {
    let it = WithAdmin::with(start, &[("LOG_LEVEL", "ERROR")]);
    let id = "support-case-0123456789";
    let form = format!("id={id}&level=TRACE");
    assert_eq!(it.send("PUT", "/admin/loglevel/request", &form).status, 200);
    let all = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
    assert_eq!(logged(&it.service, id), all);
    assert_eq!(logged(&it.service, "another-request-0123456789"), ["ERROR"]);
    let view = it.get("/admin/loglevel/request").json();
    assert_eq!(view["requests"][0]["object"], id);
    assert_eq!(it.send("DELETE", "/admin/loglevel/request", "").status, 204);
    let view = it.get("/admin/loglevel/request").json();
    assert_eq!(view["total"], 0);
    let access = it.service.records_with("http_request");
    let of: Vec<_> = access
        .iter()
        .filter(|record| record["path"] == "/levels")
        .collect();
    assert_eq!(of.len(), 1, "{of:?}");
    assert_eq!(of[0]["request_id"], id);
}

/// ADM-12
#[test]
fn eight_requests_at_most_have_their_own_levels() {
    let it = WithAdmin::with(start, &[]);
    let put = |form: &str| it.send("PUT", "/admin/loglevel/request", form);
    assert_problem(&put("id=short-id&level=DEBUG"), 400);
    assert_problem(&put("id=0123456789abcdef&level=LOUD"), 400);
    assert_problem(&put("level=DEBUG"), 400);
    assert_problem(&put("id=0123456789abcdef%22&level=DEBUG"), 400);
    for number in 0..8 {
        assert_eq!(
            put(&format!("id=0123456789abcdef-{number}&level=DEBUG")).status,
            200
        );
    }
    assert_problem(&put("id=0123456789abcdef-8&level=DEBUG"), 409);
    assert_eq!(put("id=0123456789abcdef-0&level=TRACE").status, 200);
}

/// ADM-11
#[test]
fn trace_level_everywhere_loses_no_request() {
    let it = WithAdmin::with(start, &[("LOG_LEVEL", "ERROR")]);
    assert_eq!(it.send("PUT", "/admin/loglevel", "level=TRACE").status, 200);
    let mut connection = it.service.connect();
    for _ in 0..500 {
        assert_eq!(connection.get("/levels").status, 200);
    }
    assert_eq!(it.send("DELETE", "/admin/loglevel", "").status, 204);
    let report = it.service.terminate();
    assert_eq!(report.code, Some(0));
}
