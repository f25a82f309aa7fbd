//! The access record of a SERVER span, for services that write none.
//!
//! The attributes are those of OpenTelemetry's conventions for HTTP, stable and old.

use serde::Serialize;

use super::{
    line::member,
    message::{Attributes, Span, Value, find},
};
use crate::store::span::{SpanKind, seconds};

/// Writes an access record (LOG-3) into a buffer, which is emptied before.
/// Returns false if the span is none of an HTTP request.
pub(crate) fn write(buffer: &mut Vec<u8>, span: &Span<'_>) -> bool {
    let all = &span.attributes;
    let method = first(all, &["http.request.method", "http.method"]);
    let status = first(all, &["http.response.status_code", "http.status_code"]);
    let is_server = SpanKind::from_number(span.kind) == SpanKind::Server;
    let (true, Some(method)) = (is_server, method) else {
        return false;
    };
    buffer.clear();
    buffer.push(b'{');
    if let Some(time) = seconds(span.end) {
        member(buffer, "asctime", &time);
    }
    let has_failed = matches!(status, Some(Value::Int(500..)));
    let level = if has_failed { "ERROR" } else { "INFO" };
    member(buffer, "levelname", &level);
    member(buffer, "message", &"http_request");
    put(buffer, "status", status);
    put(buffer, "method", Some(method));
    put(buffer, "path", first(all, &["http.route"]));
    // The old target has path and query.
    let target = first(all, &["http.target"]).and_then(Value::text);
    let (path, query) = target.map_or((None, None), |target| match target.split_once('?') {
        Some((path, query)) => (Some(path), Some(query)),
        None => (Some(target), None),
    });
    let text = |key| first(all, &[key]).and_then(Value::text);
    put(buffer, "rawPath", text("url.path").or(path));
    put(buffer, "query", text("url.query").or(query));
    let ip = [
        "client.address",
        "http.client_ip",
        "net.peer.ip",
        "net.sock.peer.addr",
    ];
    put(buffer, "ip", first(all, &ip));
    if span.start > 0 && span.end >= span.start {
        let micros = (span.end - span.start) / 1_000;
        member(buffer, "latencyMs", &(micros as f64 / 1e3));
    }
    let agent = ["user_agent.original", "http.user_agent"];
    put(buffer, "userAgent", first(all, &agent));
    put(buffer, "traceId", span.trace);
    put(buffer, "spanId", span.id);
    buffer.push(b'}');
    true
}

fn first<'b, 'a>(attributes: &'b Attributes<'a>, keys: &[&str]) -> Option<&'b Value<'a>> {
    keys.iter().find_map(|key| find(attributes, key))
}

fn put(buffer: &mut Vec<u8>, name: &str, value: Option<impl Serialize>) {
    if let Some(value) = value {
        member(buffer, name, &value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::span::{SpanId, TraceId};

    fn record(
        kind: i32,
        attributes: &[(&'static str, Value<'static>)],
    ) -> Option<serde_json::Value> {
        let attributes = attributes.iter().cloned();
        let span = Span {
            trace: TraceId::from_bytes(&[0xab; 16]),
            id: SpanId::from_bytes(&[1; 8]),
            kind,
            start: 1_000_000_000,
            end: 1_012_400_000,
            attributes: attributes.map(|(key, value)| (key.into(), value)).collect(),
            ..Span::default()
        };
        let mut buffer = Vec::new();
        write(&mut buffer, &span).then(|| serde_json::from_slice(&buffer).unwrap())
    }

    fn text(text: &'static str) -> Value<'static> {
        Value::Text(text.into())
    }

    #[test]
    fn both_conventions_give_the_same_record() {
        let stable = [
            ("http.request.method", text("GET")),
            ("http.response.status_code", Value::Int(503)),
            ("http.route", text("/orders/{id}")),
            ("url.path", text("/orders/7")),
            ("url.query", text("a=1")),
            ("client.address", text("::1")),
            ("user_agent.original", text("curl/8")),
        ];
        let old = [
            ("http.method", text("GET")),
            ("http.status_code", Value::Int(503)),
            ("http.route", text("/orders/{id}")),
            ("http.target", text("/orders/7?a=1")),
            ("net.peer.ip", text("::1")),
            ("http.user_agent", text("curl/8")),
        ];
        let expected = json!({
            "asctime": 1.0124, "levelname": "ERROR", "message": "http_request", "status": 503,
            "method": "GET", "path": "/orders/{id}", "rawPath": "/orders/7", "query": "a=1",
            "ip": "::1", "latencyMs": 12.4, "userAgent": "curl/8",
            "traceId": "ab".repeat(16), "spanId": "01".repeat(8),
        });
        assert_eq!(record(2, &stable).unwrap(), expected);
        assert_eq!(record(2, &old).unwrap(), expected);
    }

    #[test]
    fn other_spans_are_no_requests() {
        let method = [("http.request.method", text("GET"))];
        assert_eq!(record(3, &method), None);
        assert_eq!(record(2, &[("rpc.system", text("grpc"))]), None);
        let record = record(2, &method).unwrap();
        for member in ["status", "path", "rawPath", "query", "ip", "userAgent"] {
            assert_eq!(record.get(member), None, "{member}");
        }
    }
}
