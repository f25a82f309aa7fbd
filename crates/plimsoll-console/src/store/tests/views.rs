//! Rows, filters and markers.

use serde_json::json;

use super::*;

#[test]
fn request_row_has_the_documented_members() {
    let fixture = Fixture::new(SMALL);
    let line = access(
        "fea1",
        500,
        r#","query":"a=1","ip":"::1","userAgent":"curl","grpcStatus":2,"aborted":true"#,
    );
    let n = fixture.push(&line);
    let row = serde_json::to_value(&fixture.requests("")[0]).unwrap();
    let mut expected = json!({
        "n": n, "service": "orders", "run": 1, "start": 1_795_943_985.013_f64, "method": "GET",
        "route": "/orders/{id}", "path": "/orders/7", "query": "a=1", "status": 500, "ms": 12.5,
        "id": "fea1", "trace": null, "aborted": true, "level": "ERROR", "records": 1, "spans": null,
    });
    assert_eq!(row, expected);
    let detail = serde_json::to_value(fixture.store.request(n).unwrap()).unwrap();
    expected["ip"] = json!("::1");
    expected["userAgent"] = json!("curl");
    expected["fields"] = json!({"grpcStatus": 2});
    assert_eq!(detail["request"], expected);
    assert_eq!(detail["spans"], json!([]));
    assert_eq!(detail["missingParents"], json!([]));
    assert_eq!(detail["repeatedId"], json!(false));
}

#[test]
fn log_row_has_the_documented_members() {
    let fixture = Fixture::new(SMALL);
    fixture.run();
    fixture.push(r#"{"asctime":"2026-11-29 09:19:45,026","levelname":"ERROR","name":"orders::db","process":7,"message":"query failed","request_id":"fea1","table":"orders"}"#);
    let rows = serde_json::to_value(fixture.logs("")).unwrap();
    assert_eq!(
        rows,
        json!([
            {"n": 2, "service": "orders", "run": 1, "time": 1_795_943_985.026_f64, "level": "ERROR",
             "target": "orders::db", "message": "query failed", "fields": {"table": "orders", "process": 7},
             "id": "fea1", "trace": null, "stream": "stdout", "text": false, "cut": false},
            {"n": 1, "service": "orders", "run": 1, "time": BASE as f64, "marker": "run", "pid": 7},
        ])
    );
}

#[test]
fn filters_select_rows() {
    let fixture = Fixture::new(SMALL);
    let billing = fixture.store.service("billing");
    fixture.push(&access("fea1", 200, ""));
    fixture.push(&access("feb2", 503, r#","traceId":"4bf9""#));
    fixture.push_to(billing, &access("c", 404, r#","userAgent":"Firefox""#));
    fixture.push(&record("fea1", "WARNING", "Slow \\\"query\\\" caf\\u00e9"));
    fixture.push("plain Text");
    fixture.push(r#"{"message":"http_request","method":"POST","path":"\/a\/b","rawPath":"/x"}"#);
    for (filter, expected) in [
        ("", vec![6, 3, 2, 1]),
        ("service:billing", vec![3]),
        ("-service:billing", vec![6, 2, 1]),
        ("status:5xx", vec![2]),
        ("status>=400", vec![3, 2]),
        ("status:404", vec![3]),
        ("-status:5xx", vec![6, 3, 1]),
        ("ms>12 ms<=12.5", vec![3, 2, 1]),
        ("ms>12.5", vec![]),
        ("method:post", vec![6]),
        ("route:/orders/{id}", vec![3, 2, 1]),
        ("route:/orders", vec![]),
        ("route:/orders*", vec![3, 2, 1]),
        ("route:/a/b", vec![6]),
        ("path:/orders/7", vec![3, 2, 1]),
        ("path:/x", vec![6]),
        ("id:fe", vec![2, 1]),
        ("id:fea1 run:1", vec![1]),
        ("run:2", vec![]),
        ("trace:4bf9", vec![2]),
        ("-trace:4bf9 -route:/a/b", vec![3, 1]),
        ("level:error", vec![2]),
        ("firefox", vec![3]),
        ("FIREFOX", vec![]),
        ("Firefox -status:404", vec![]),
    ] {
        let rows: Vec<u64> = fixture.requests(filter).iter().map(|row| row.n).collect();
        assert_eq!(rows, expected, "{filter}");
    }
    for (filter, expected) in [
        ("level:warning", vec![4, 2]),
        ("target:orders", vec![4]),
        ("target:http", vec![3, 2, 1]),
        ("\"slow \\\"query\\\" café\"", vec![4]),
        ("text:CAFÉ", vec![]),
        ("text", vec![5]),
        ("plain text:Text", vec![5]),
        ("TEXT", vec![]),
        ("levelname", vec![]),
    ] {
        assert_eq!(ns(&fixture.logs(filter)), expected, "{filter}");
    }
}

#[test]
fn markers_separate_the_runs_of_any_filter() {
    let fixture = Fixture::new(SMALL);
    fixture.run();
    fixture.push("one");
    fixture.run();
    fixture.push("two");
    let is_marker = |row: &LogRow| matches!(row, LogRow::Marker(_));
    let markers = |filter: &str| {
        fixture
            .logs(filter)
            .iter()
            .filter(|row| is_marker(row))
            .count()
    };
    assert_eq!(markers("level:error absent"), 2);
    assert_eq!(markers("run:2"), 1);
    assert_eq!(markers("service:x"), 0);
    assert_eq!(fixture.store.numbers().records, 2);
}

#[test]
fn pages_continue_where_the_previous_one_ended() {
    let fixture = Fixture::new(16 << 20);
    let other = fixture.store.service("other");
    let mut expected = Vec::new();
    for n in 0..9_000 {
        let service = if n % 7 == 0 { other } else { fixture.service };
        let status = if n % 3 == 0 { 500 } else { 200 };
        let pushed = fixture.push_to(service, &access(&n.to_string(), status, ""));
        if status == 500 {
            expected.push(pushed);
        }
    }
    expected.reverse();
    let filter = Filter::parse("status:5xx text:get").unwrap();
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let page = fixture.store.requests(&filter, before, 200);
        assert!(page.complete && page.items.len() <= 200);
        found.extend(page.items.iter().map(|row| row.n));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn observers_get_access_and_infra_records() {
    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<String>>);
    impl Observer for Seen {
        fn access(&self, access: &Access<'_>) {
            let seen = format!("{:?} {:?}", access.status, access.route);
            self.0.lock().unwrap().push(seen);
        }
        fn infra(&self, infra: &Infra<'_>) {
            self.0.lock().unwrap().push(infra.message.to_owned());
        }
    }
    let fixture = Fixture::new(SMALL);
    let seen = Arc::new(Seen::default());
    fixture
        .store
        .observe(vec![Arc::clone(&seen) as Arc<dyn Observer>]);
    fixture.push("text");
    fixture.push(&access("a", 200, ""));
    fixture.push(r#"{"name":"infra","message":"infra_app_ready"}"#);
    fixture.push(&record("a", "INFO", "m"));
    let telemetry = br#"{"name":"infra","message":"shutdown_started"}"#;
    let otlp = Stream::Otlp;
    fixture
        .store
        .push(fixture.service, otlp, SystemTime::now(), telemetry);
    let expected = ["Some(200) Some(\"/orders/{id}\")", "infra_app_ready"];
    assert_eq!(*seen.0.lock().unwrap(), expected);
}
