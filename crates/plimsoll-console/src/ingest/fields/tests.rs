//! Tests of records of several logging libraries.

use proptest::prelude::*;

use super::*;

fn others(line: &str, without: Without) -> String {
    let members = Record::parse(line).unwrap().others(line, without);
    let members = members
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    members.collect::<Vec<_>>().join(" ")
}

/// LOG-2, LOG-3
#[test]
fn access_record_of_the_chassis_is_read() {
    let line = r#"{"asctime":"2025-12-19 09:19:45,026","levelname":"ERROR","name":"http","process":7,"threadName":"w1","message":"http_request","request_id":"fea1","service":"orders","version":"0.4.1","buildTime":"x","status":500,"method":"GET","path":"/orders/{id}","rawPath":"/orders/7","query":"a=1","ip":"::1","latencyMs":12.4,"userAgent":"curl/8 \"x\"","aborted":true,"traceId":"4bf9","spanId":"00f0"}"#;
    let record = Record::parse(line).unwrap();
    assert_eq!(record.time, Some(1_766_135_985_026));
    assert_eq!(record.level, Some(Level::Error));
    assert_eq!(record.target.as_deref(), Some("http"));
    assert_eq!(record.id.as_deref(), Some("fea1"));
    assert_eq!(record.trace.as_deref(), Some("4bf9"));
    assert!(matches!(record.id, Some(Cow::Borrowed(_))));
    let access = record.access.as_ref().unwrap();
    assert_eq!(access.status, Some(500));
    assert_eq!(access.method.as_deref(), Some("GET"));
    assert_eq!(access.route.as_deref(), Some("/orders/{id}"));
    assert_eq!(access.path.as_deref(), Some("/orders/7"));
    assert_eq!(access.query.as_deref(), Some("a=1"));
    assert_eq!(access.ip.as_deref(), Some("::1"));
    assert_eq!(access.ms, Some(12.4));
    assert_eq!(access.user_agent.as_deref(), Some("curl/8 \"x\""));
    assert!(access.aborted);
    assert_eq!(
        others(line, Without::Access),
        r#"service="orders" version="0.4.1" buildTime="x" spanId="00f0" process=7 threadName="w1""#
    );
    assert!(others(line, Without::Leading).contains("status=500"));
}

#[test]
fn records_of_other_libraries_are_read() {
    let time = Some(1_766_135_985_026);
    for (line, target, id, trace) in [
        // zap
        (
            r#"{"level":"error","ts":1766135985.026,"logger":"db","msg":"m","requestId":"r"}"#,
            Some("db"),
            Some("r"),
            None,
        ),
        // zerolog
        (
            r#"{"level":"error","time":"2025-12-19T09:19:45.026Z","message":"m"}"#,
            None,
            None,
            None,
        ),
        // pino
        (
            r#"{"level":50,"time":1766135985026,"pid":1,"msg":"m","name":"app"}"#,
            Some("app"),
            None,
            None,
        ),
        // structlog
        (
            r#"{"event":"m","level":"error","timestamp":"2025-12-19T09:19:45.026Z","logger":"a.b","trace_id":"t"}"#,
            Some("a.b"),
            None,
            Some("t"),
        ),
        // ECS, flat and nested
        (
            r#"{"@timestamp":"2025-12-19T09:19:45.026Z","log.level":"ERROR","message":"m","log.logger":"x.Y","trace.id":"t","http.request.id":"r"}"#,
            Some("x.Y"),
            Some("r"),
            Some("t"),
        ),
        (
            r#"{"@timestamp":"2025-12-19T09:19:45.026Z","log":{"level":"error","logger":"x.Y"},"message":"m","trace":{"id":"t"},"http":{"request":{"id":"r","method":"GET"}}}"#,
            Some("x.Y"),
            Some("r"),
            Some("t"),
        ),
        // Google Cloud
        (
            r#"{"severity":"ERROR","time":"2025-12-19T09:19:45.026Z","message":"m","target":"a"}"#,
            Some("a"),
            None,
            None,
        ),
    ] {
        let record = Record::parse(line).unwrap();
        assert_eq!(record.time, time, "{line}");
        assert_eq!(record.level, Some(Level::Error), "{line}");
        assert_eq!(record.message.as_deref(), Some("m"), "{line}");
        assert_eq!(record.target.as_deref(), target, "{line}");
        assert_eq!(record.id.as_deref(), id, "{line}");
        assert_eq!(record.trace.as_deref(), trace, "{line}");
        assert!(record.access.is_none(), "{line}");
    }
}

#[test]
fn unusable_value_stays_among_the_others() {
    let line = r#"{"levelname":"loud","level":"warn","time":"soon","message":{"a":1},"msg":"m","request_id":"-","traceId":"0000","status":"x","event":7}"#;
    let record = Record::parse(line).unwrap();
    assert_eq!(record.level, Some(Level::Warning));
    assert_eq!(record.time, None);
    assert_eq!(record.message.as_deref(), Some("m"));
    assert_eq!(record.id, None);
    assert_eq!(record.trace, None);
    assert_eq!(
        others(line, Without::Leading),
        r#"levelname="loud" time="soon" message={"a":1} request_id="-" traceId="0000" status="x" event=7"#
    );
}

#[test]
fn absent_value_never_becomes_zero() {
    let line = r#"{"message":"http_request","method":"GET","latencyMs":null,"status":0}"#;
    let record = Record::parse(line).unwrap();
    let access = record.access.as_ref().unwrap();
    assert_eq!((access.status, access.ms), (None, None));
    assert_eq!((record.time, record.level), (None, None));
    assert_eq!(others(line, Without::Access), "latencyMs=null status=0");
    // A message alone is no access record.
    let line = r#"{"message":"http_request","latencyMs":1}"#;
    assert!(Record::parse(line).unwrap().access.is_none());
}

#[test]
fn other_lines_are_no_records() {
    for line in [
        "",
        "text",
        "[1]",
        "7",
        "\"{\"",
        "{",
        "{\"a\":1",
        "{\"a\":1} x",
        "{\"a\":\"\u{1b}\"}",
        "{'a':1}",
    ] {
        assert!(Record::parse(line).is_none(), "{line}");
    }
    let deep = |depth| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(Record::parse(&deep(5000)).is_none());
    assert!(Record::parse(&deep(MAX_DEPTH)).is_none());
    assert!(Record::parse(&deep(MAX_DEPTH - 1)).is_some());
    let flat = format!(
        "{{\"a\":[{}1],\"b\":\"\\\"{}\"}}",
        "[],".repeat(500),
        "[".repeat(500)
    );
    assert!(Record::parse(&flat).is_some());
    assert!(Record::parse(" {} ").is_some());
}

#[test]
fn texts_are_those_that_rows_show() {
    let line = r#"{"levelname":"INFO","message":"caf\u00e9 \"open\"","table":"orders","list":["a\\b",{"k\/":1}],"n":12.5}"#;
    let has = |text: &str| Record::any_text(line, |found| found.contains(text));
    for text in [
        "café \"open\"",
        "INFO",
        "orders",
        "table",
        "a\\b",
        "k/",
        "12.5",
    ] {
        assert!(has(text), "{text}");
    }
    for text in ["levelname", "message", "u00e9", "\":\""] {
        assert!(!has(text), "{text}");
    }
}

proptest! {
    #[test]
    fn members_are_those_of_the_value(
        members in proptest::collection::btree_map(
            "[a-z@]{1,10}|levelname|level|message|msg|time|log|http|request_id|status",
            prop_oneof![
                Just(serde_json::json!(null)),
                any::<i64>().prop_map(|number| serde_json::json!(number)),
                "\\PC{0,8}".prop_map(|text| serde_json::json!(text)),
                "\\PC{0,4}".prop_map(|text| serde_json::json!({"level": text, "request": {"id": text}})),
            ],
            0..8,
        ),
    ) {
        let line = serde_json::to_string(&members).unwrap();
        let record = Record::parse(&line).unwrap();
        let others = record.others(&line, Without::Leading);
        // Every member is in the record or among the others, with its value.
        for (name, value) in others {
            let value: serde_json::Value = serde_json::from_str(value.get()).unwrap();
            prop_assert_eq!(&members[&name], &value);
        }
        if let Some(message) = &record.message {
            let text = |value: &serde_json::Value| match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let is_message = ["message", "msg", "event"]
                .iter()
                .any(|name| members.get(*name).map(text).as_deref() == Some(&**message));
            prop_assert!(is_message);
        }
    }

    #[test]
    fn any_line_is_read_without_panic(line in "\\PC{0,40}|[{}\\[\\]\":,a-z0-9\\\\]{0,60}") {
        if let Some(record) = Record::parse(&line) {
            let _ = record.others(&line, Without::Access);
        }
    }
}
