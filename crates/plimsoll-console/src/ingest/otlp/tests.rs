//! Bodies of both encodings, from the published messages and by hand.

mod hostile;
mod same;

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1 as common,
    logs::v1 as logs,
    resource::v1 as resource,
    trace::v1 as trace,
};
use prost::Message as _;

use super::{
    Encoding, InvalidBody, Item, Sink, decode,
    message::{Event, InvalidId, Link, LogRecord, Resource, Scope, Span, Status, Value},
    meter::Cuts,
};
use crate::store::span::{SpanId, TraceId};

/// All that a body contains.
#[derive(Debug, PartialEq)]
struct Content<'a, T> {
    resources: Vec<Resource<'a>>,
    /// Each with the number of its resource, from 1.
    items: Vec<(usize, Scope<'a>, T, bool)>,
}

impl<T> Default for Content<'_, T> {
    fn default() -> Self {
        Self {
            resources: Vec::new(),
            items: Vec::new(),
        }
    }
}

impl<'a, T> Sink<'a, T> for Content<'a, T> {
    fn resource(&mut self, resource: &Resource<'a>) {
        self.resources.push(resource.clone());
    }

    fn item(&mut self, scope: &Scope<'a>, item: T, is_cut: bool) {
        let resource = self.resources.len();
        self.items.push((resource, scope.clone(), item, is_cut));
    }
}

fn read<'a, T: Item<'a>>(
    body: &'a [u8],
    encoding: Encoding,
) -> (Content<'a, T>, Cuts, Result<(), InvalidBody>) {
    let mut content = Content::default();
    let (cuts, result) = decode(body, encoding, &mut content);
    (content, cuts, result)
}

/// Decodes a body that is complete.
#[track_caller]
fn content<'a, T: Item<'a>>(body: &'a [u8], encoding: Encoding) -> Content<'a, T> {
    let (content, cuts, result) = read(body, encoding);
    result.unwrap();
    assert_eq!(cuts, Cuts::default());
    content
}

/// Decodes the only span of a body in JSON.
#[track_caller]
fn span(json: &str) -> Span<'_> {
    let mut items = content::<Span<'_>>(json.as_bytes(), Encoding::Json).items;
    assert_eq!(items.len(), 1);
    items.remove(0).2
}

fn wrap(value: common::any_value::Value) -> common::AnyValue {
    common::AnyValue { value: Some(value) }
}

fn pair(key: &str, value: common::any_value::Value) -> common::KeyValue {
    common::KeyValue {
        key: key.to_owned(),
        value: Some(wrap(value)),
        ..Default::default()
    }
}

/// A request with one span.
fn request(span: trace::Span) -> ExportTraceServiceRequest {
    use common::any_value::Value::StringValue;

    ExportTraceServiceRequest {
        resource_spans: vec![trace::ResourceSpans {
            resource: Some(resource::Resource {
                attributes: vec![pair("service.name", StringValue("orders".to_owned()))],
                ..Default::default()
            }),
            scope_spans: vec![trace::ScopeSpans {
                scope: Some(common::InstrumentationScope {
                    name: "sqlx".to_owned(),
                    version: "0.9".to_owned(),
                    ..Default::default()
                }),
                spans: vec![span],
                schema_url: "https://schema.example".to_owned(),
            }],
            schema_url: "https://schema.example".to_owned(),
        }],
    }
}

/// A span with every field and every type of value.
fn full_span() -> trace::Span {
    use common::any_value::Value as V;

    let array = vec![wrap(V::IntValue(1)), common::AnyValue::default()];
    let object = vec![pair("a", V::BytesValue(b"foo".to_vec()))];
    trace::Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        trace_state: "vendor=1".to_owned(),
        parent_span_id: vec![2; 8],
        flags: 0x301,
        name: "db.query".to_owned(),
        kind: trace::span::SpanKind::Client.into(),
        start_time_unix_nano: 1_544_712_660_000_000_001,
        end_time_unix_nano: u64::MAX,
        attributes: vec![
            pair("text", V::StringValue("ä".to_owned())),
            pair("bool", V::BoolValue(true)),
            pair("int", V::IntValue(i64::MIN)),
            pair("double", V::DoubleValue(-0.5)),
            pair("array", V::ArrayValue(common::ArrayValue { values: array })),
            pair(
                "object",
                V::KvlistValue(common::KeyValueList { values: object }),
            ),
        ],
        dropped_attributes_count: 1,
        events: vec![trace::span::Event {
            time_unix_nano: 7,
            name: "exception".to_owned(),
            attributes: vec![pair("exception.type", V::StringValue("Timeout".to_owned()))],
            dropped_attributes_count: 1,
        }],
        dropped_events_count: 1,
        links: vec![trace::span::Link {
            trace_id: vec![0xcd; 16],
            span_id: vec![3; 8],
            trace_state: "vendor=2".to_owned(),
            attributes: vec![pair("link", V::BoolValue(false))],
            dropped_attributes_count: 1,
            flags: 1,
        }],
        dropped_links_count: 1,
        status: Some(trace::Status {
            message: "timed out".to_owned(),
            code: trace::status::StatusCode::Error.into(),
        }),
    }
}

fn expected_span() -> Span<'static> {
    let array = vec![Value::Int(1), Value::Null];
    let object = vec![("a".into(), Value::Bytes("Zm9v".into()))];
    Span {
        trace: TraceId::from_bytes(&[0xab; 16]),
        id: SpanId::from_bytes(&[1; 8]),
        parent: SpanId::from_bytes(&[2; 8]),
        fault: None,
        name: "db.query".into(),
        kind: 3,
        start: 1_544_712_660_000_000_001,
        end: u64::MAX,
        attributes: vec![
            ("text".into(), Value::Text("ä".into())),
            ("bool".into(), Value::Bool(true)),
            ("int".into(), Value::Int(i64::MIN)),
            ("double".into(), Value::Float(-0.5)),
            ("array".into(), Value::Array(array)),
            ("object".into(), Value::Object(object)),
        ],
        events: vec![Event {
            time: 7,
            name: "exception".into(),
            attributes: vec![("exception.type".into(), Value::Text("Timeout".into()))],
        }],
        links: vec![Link {
            trace: TraceId::from_bytes(&[0xcd; 16]),
            id: SpanId::from_bytes(&[3; 8]),
            attributes: vec![("link".into(), Value::Bool(false))],
        }],
        status: Status {
            code: 2,
            message: "timed out".into(),
        },
    }
}

#[test]
fn otlp_is_decoded_as_the_published_messages_specify() {
    let request = request(full_span());
    let resource = Resource {
        attributes: vec![("service.name".into(), Value::Text("orders".into()))],
    };
    let scope = Scope {
        name: "sqlx".into(),
        version: "0.9".into(),
    };
    let expected = Content {
        resources: vec![resource],
        items: vec![(1, scope, expected_span(), false)],
    };
    let body = request.encode_to_vec();
    assert_eq!(content(&body, Encoding::Protobuf), expected);
    let body = serde_json::to_vec(&request).unwrap();
    assert_eq!(content(&body, Encoding::Json), expected);
}

#[test]
fn log_records_are_decoded_as_specified() {
    use common::any_value::Value as V;

    let record = logs::LogRecord {
        time_unix_nano: 3,
        observed_time_unix_nano: 4,
        severity_number: logs::SeverityNumber::Error.into(),
        severity_text: "ERR".to_owned(),
        body: Some(wrap(V::StringValue("query failed".to_owned()))),
        attributes: vec![pair("table", V::StringValue("orders".to_owned()))],
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        event_name: "db.failed".to_owned(),
        ..Default::default()
    };
    let invalid = logs::LogRecord {
        trace_id: vec![1; 3],
        span_id: vec![0; 8],
        ..Default::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![logs::ResourceLogs {
            scope_logs: vec![logs::ScopeLogs {
                log_records: vec![record, invalid],
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let expected = LogRecord {
        time: 3,
        observed: 4,
        severity: 17,
        severity_text: "ERR".into(),
        body: Value::Text("query failed".into()),
        attributes: vec![("table".into(), Value::Text("orders".into()))],
        trace: TraceId::from_bytes(&[0xab; 16]),
        span: SpanId::from_bytes(&[1; 8]),
        event: "db.failed".into(),
    };
    let expected = [expected, LogRecord::default()];
    for (body, encoding) in [
        (request.encode_to_vec(), Encoding::Protobuf),
        (serde_json::to_vec(&request).unwrap(), Encoding::Json),
    ] {
        let items = content::<LogRecord<'_>>(&body, encoding).items;
        let records: Vec<_> = items.into_iter().map(|(_, _, record, _)| record).collect();
        assert_eq!(records, expected, "{encoding:?}");
    }
}

#[test]
fn empty_request_is_valid() {
    for (body, encoding) in [
        (&b""[..], Encoding::Protobuf),
        (b"\x0a\x00", Encoding::Protobuf),
        (b"{}", Encoding::Json),
        (br#"{"resourceSpans":null}"#, Encoding::Json),
        (br#"{"resourceSpans":[{}]}"#, Encoding::Json),
    ] {
        assert!(content::<Span<'_>>(body, encoding).items.is_empty());
    }
    let (_, _, result) = read::<Span<'_>>(b"", Encoding::Json);
    assert!(result.is_err());
}

/// The JSON examples of opentelemetry-proto have upper case ids.
#[test]
fn json_allows_the_forms_of_the_mapping() {
    let json = r#"{"unknown":[{"a":{}}],"resourceSpans":[{"scopeSpans":[{"spans":[{
        "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"",
        "name":null,"kind":"2","startTimeUnixNano":1544712660000000000,
        "endTimeUnixNano":"1544712661000000000","unknown":1,"status":{},"events":null,
        "attributes":[{"key":"a","value":{"intValue":"-9223372036854775808"}},
        {"key":"b","value":{"doubleValue":"-Infinity"}},{"key":"c","value":{"stringValue":null}},
        {"key":"d","value":{"doubleValue":2}},{"key":"e","value":{"intValue":1e3}},
        {"value":{"boolValue":false,"unknown":2}},{"key":"f","value":null},{"key":"g"}]
        }],"scope":null}],"resource":{}}]}"#;
    let null = |key: &'static str| (key.into(), Value::Null);
    let expected = Span {
        trace: TraceId::from_hex("5b8efff798038103d269b633813fc60c"),
        id: SpanId::from_hex("EEE19B7EC3C1B174"),
        kind: 2,
        start: 1_544_712_660_000_000_000,
        end: 1_544_712_661_000_000_000,
        attributes: vec![
            ("a".into(), Value::Int(i64::MIN)),
            ("b".into(), Value::Float(f64::NEG_INFINITY)),
            null("c"),
            ("d".into(), Value::Float(2.0)),
            ("e".into(), Value::Int(1000)),
            ("".into(), Value::Bool(false)),
            null("f"),
            null("g"),
        ],
        ..Span::default()
    };
    assert_eq!(span(json), expected);
}

#[test]
fn resource_and_scope_may_follow_their_items() {
    let id = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;
    let json = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{id},"name":"a"}},{{{id},"name":"b"}}],
        "scope":{{"version":"2","name":"late"}}}}],"resource":{{"attributes":[
        {{"value":{{"stringValue":"late"}},"key":"service.name"}}]}}}}]}}"#
    );
    let content = content::<Span<'_>>(json.as_bytes(), Encoding::Json);
    assert_eq!(content.resources[0].attributes[0].1.text(), Some("late"));
    let names: Vec<_> = content
        .items
        .iter()
        .map(|it| (&*it.1.name, &*it.2.name))
        .collect();
    assert_eq!(names, [("late", "a"), ("late", "b")]);
    let twice = br#"{"resourceSpans":[{"scopeSpans":[],"scopeSpans":[]}]}"#;
    assert!(read::<Span<'_>>(twice, Encoding::Json).2.is_err());
}

#[test]
fn half_of_a_character_is_replaced() {
    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"caf\u00e9 \ud83d"}]}]}]}"#;
    let (content, cuts, result) = read::<Span<'_>>(json, Encoding::Json);
    result.unwrap();
    assert_eq!(cuts.replaced, 1);
    let name = &content.items[0].2.name;
    assert!(name.starts_with("café \u{fffd}"), "{name}");
}

#[test]
fn invalid_ids_are_reported_for_each_span() {
    for (trace, id, parent, fault) in [
        (&[1; 16][..], &[1; 8][..], &[][..], None),
        (&[1; 16], &[1; 8], &[0; 8], None),
        (&[], &[1; 8], &[], Some(InvalidId::Trace)),
        (&[0; 16], &[1; 8], &[], Some(InvalidId::Trace)),
        (&[1; 15], &[1; 8], &[], Some(InvalidId::Trace)),
        (&[1; 16], &[0; 8], &[], Some(InvalidId::Span)),
        (&[1; 16], &[1; 9], &[], Some(InvalidId::Span)),
        (&[1; 16], &[1; 8], &[1; 3], Some(InvalidId::Parent)),
    ] {
        let request = request(trace::Span {
            trace_id: trace.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent.to_vec(),
            ..Default::default()
        });
        let body = request.encode_to_vec();
        let items = content::<Span<'_>>(&body, Encoding::Protobuf).items;
        assert_eq!(items[0].2.fault, fault);
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(span(&json).fault, fault, "{json}");
    }
}
