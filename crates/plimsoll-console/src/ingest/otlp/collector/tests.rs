//! Origins of spans, requests of SERVER spans, and lines of log records.

use serde_json::{Value, json};

use super::*;
use crate::store::{Filter, LogRow, RequestRow, Run, span::TraceId};

const TRACE: &str = "5b8efff798038103d269b633813fc60c";

fn collector() -> Collector {
    let store = Arc::new(Store::new(8 << 20));
    let spans = Arc::new(Spans::new(1 << 20));
    Collector::new(store, spans, Instances::new("test"))
}

/// A request with one SERVER span, which starts at `start` seconds.
fn body(service: &str, instance: &str, start: u64) -> String {
    let pair = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let status = json!({"key": "http.status_code", "value": {"intValue": "503"}});
    let span = json!({"traceId": TRACE, "spanId": "eee19b7ec3c1b174", "name": "GET", "kind": 2,
        "startTimeUnixNano": format!("{start}000000000"),
        "endTimeUnixNano": format!("{start}012400000"),
        "attributes": [pair("http.method", "GET"), pair("http.route", "/a/{id}"), status]});
    let attributes = [
        pair("service.name", service),
        pair("service.instance.id", instance),
    ];
    json!({"resourceSpans": [{
        "resource": {"attributes": attributes},
        "scopeSpans": [{"spans": [span]}]
    }]})
    .to_string()
}

impl Collector {
    #[track_caller]
    fn send(&self, body: &str) -> Partial {
        let outcome = self.traces(body.as_bytes(), Encoding::Json);
        outcome.result.unwrap();
        outcome.partial
    }

    /// Services and runs of the spans.
    fn origins(&self) -> Vec<(String, Option<u32>)> {
        let trace = TraceId::from_hex(TRACE).unwrap();
        let name = |service| self.store.name(service).unwrap().to_string();
        let spans = self.spans.trace(&trace, name).unwrap().spans.into_iter();
        spans.map(|span| (span.service, span.run)).collect()
    }

    fn requests(&self) -> Vec<RequestRow> {
        let filter = Filter::parse("").unwrap();
        self.store.requests(&filter, None, 100).items
    }
}

fn origin(service: &str, run: u32) -> (String, Option<u32>) {
    (service.to_owned(), Some(run))
}

#[test]
fn run_is_that_of_the_instance_or_of_the_time() {
    let collector = collector();
    let orders = collector.store.service("orders");
    let run = |pid, began| Run {
        pid: Some(pid),
        began: UNIX_EPOCH + Duration::from_secs(began),
    };
    collector.store.begin_run(orders, run(1, 1_000));
    collector.store.begin_run(orders, run(2, 2_000));
    collector.send(&body("orders", "", 1_500));
    collector.send(&body("orders", "", 2_500));
    // The span is late, and its service has another name.
    let instance = Instances::new("test").id("orders", 1);
    collector.send(&body("shop", &instance, 2_600));
    assert_eq!(
        collector.origins(),
        [
            origin("orders", 1),
            origin("orders", 2),
            origin("orders", 1)
        ]
    );
    // Before the first run.
    collector.send(&body("orders", "", 900));
    assert_eq!(collector.origins()[0], ("orders".to_owned(), None));
}

#[test]
fn server_span_becomes_a_request_of_a_service_without_any() {
    let collector = collector();
    for start in [1_000, 2_000] {
        collector.send(&body("orders", "", start));
    }
    let requests = collector.requests();
    assert_eq!(requests.len(), 2);
    let newest = &requests[0];
    assert_eq!(
        (newest.status, newest.ms, newest.start),
        (Some(503), Some(12.4), 2_000.0)
    );
    assert_eq!(
        (newest.method.as_deref(), newest.route.as_deref()),
        (Some("GET"), Some("/a/{id}"))
    );
    assert_eq!(newest.trace.as_deref(), Some(TRACE));
}

#[test]
fn service_with_access_records_gets_no_others() {
    let collector = collector();
    let orders = collector.store.service("orders");
    let line = json!({"message": "http_request", "status": 503, "traceId": TRACE}).to_string();
    let push = || {
        let now = SystemTime::now();
        collector
            .store
            .push(orders, Stream::Stdout, now, line.as_bytes())
    };
    collector.send(&body("orders", "", 1_000));
    push();
    collector.send(&body("orders", "", 2_000));
    collector.send(&body("orders", "", 3_000));
    // That of the first span, and the one of the service.
    assert_eq!(collector.requests().len(), 2);
    assert_eq!(collector.spans.state().spans, 3);
}

#[test]
fn log_record_is_searched_like_a_line() {
    let collector = collector();
    let record = json!({"severityNumber": 13, "timeUnixNano": "1544712660300000000",
        "body": {"stringValue": "slow query"}, "traceId": TRACE,
        "attributes": [{"key": "table", "value": {"stringValue": "orders"}}]});
    let scope = json!({"scope": {"name": "app.db"}, "logRecords": [record]});
    let body = json!({"resourceLogs": [{"scopeLogs": [scope]}]}).to_string();
    let outcome = collector.logs(body.as_bytes(), Encoding::Json);
    outcome.result.unwrap();
    let filter = Filter::parse("level:warning target:app trace:5b8efff798038103d269b633813fc60c");
    let rows = collector.store.logs(&filter.unwrap(), None, 10).items;
    let [LogRow::Record(row)] = &rows[..] else {
        panic!("{rows:?}");
    };
    assert_eq!((&*row.message, row.time), ("slow query", 1_544_712_660.3));
    let fields = serde_json::to_value(&row.fields).unwrap();
    assert_eq!(fields, json!({"table": "orders"}));
    assert_eq!(
        serde_json::to_value(row.stream).unwrap(),
        Value::from("otlp")
    );
}

#[test]
fn number_of_services_is_limited() {
    let collector = collector();
    for index in 0..MAX_SERVICES + 3 {
        let partial = collector.send(&body(&format!("service{index}"), "", 1_000));
        assert_eq!(
            partial.rejected,
            u64::from(index >= MAX_SERVICES),
            "{index}"
        );
    }
    // A known one is still accepted.
    assert_eq!(collector.send(&body("service1", "", 1_000)).rejected, 0);
    assert_eq!(collector.store.numbers().rejected, 3);
}
