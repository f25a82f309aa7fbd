//! A span as checks read it.

use std::collections::BTreeMap;

use prost::Message as _;

use super::message::{self, AnyOf, AnyValue, ExportTraceServiceRequest, KeyValue};

/// A value of `Span.SpanKind` in trace.proto of OTLP.
const SPAN_KIND_SERVER: i32 = 2;

/// A span. Ids are hexadecimal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::verify) struct Span {
    pub(in crate::verify) trace: String,
    pub(in crate::verify) id: String,
    pub(in crate::verify) parent: String,
    pub(in crate::verify) name: String,
    pub(in crate::verify) kind: i32,
    pub(in crate::verify) attributes: BTreeMap<String, String>,
    /// The texts of its events, of its links and of its status.
    pub(in crate::verify) texts: Vec<String>,
    /// The ids of the traces that it is linked to.
    pub(in crate::verify) links: Vec<String>,
}

impl Span {
    /// Whether it is the span of a request in its server.
    pub(in crate::verify) const fn is_of_server(&self) -> bool {
        self.kind == SPAN_KIND_SERVER
    }

    /// Reads the spans of a request. Returns `None` if it is no message of OTLP.
    pub(super) fn decode(body: &[u8]) -> Option<Vec<Self>> {
        let request = ExportTraceServiceRequest::decode(body).ok()?;
        let scopes = request.resource_spans.into_iter();
        let scopes = scopes.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        Some(spans.map(Self::from).collect())
    }

    /// Whether a text of the span contains this one.
    pub(in crate::verify) fn contains(&self, text: &str) -> bool {
        let values = self.attributes.values().chain(&self.texts);
        values.chain([&self.name]).any(|value| value.contains(text))
    }

    /// Returns the value of an attribute.
    pub(in crate::verify) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl From<message::Span> for Span {
    fn from(span: message::Span) -> Self {
        let events = span.events.iter();
        let events = events.map(|event| format!("{} {}", event.name, pairs(&event.attributes)));
        let links = span.links.iter().map(|link| pairs(&link.attributes));
        let status = span.status.iter().map(|status| status.message.clone());
        let texts = events.chain(links).chain(status).collect();
        let attributes = span.attributes.iter();
        let attributes = attributes.map(|it| (it.key.clone(), text(it.value.as_ref())));
        Self {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name,
            kind: span.kind,
            attributes: attributes.collect(),
            texts,
            links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
        }
    }
}

/// Returns a value as text, with all values within it.
fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(AnyOf::Text(text)) => text.clone(),
        Some(AnyOf::Bool(value)) => value.to_string(),
        Some(AnyOf::Int(value)) => value.to_string(),
        Some(AnyOf::Float(value)) => value.to_string(),
        Some(AnyOf::Array(array)) => {
            let values = array.values.iter().map(|value| text(Some(value)));
            values.collect::<Vec<_>>().join(" ")
        }
        Some(AnyOf::Object(object)) => pairs(&object.values),
        Some(AnyOf::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        None => String::new(),
    }
}

fn pairs(values: &[KeyValue]) -> String {
    let pairs = values.iter();
    let pairs = pairs.map(|it| format!("{}={}", it.key, text(it.value.as_ref())));
    pairs.collect::<Vec<_>>().join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(key: &str, value: AnyOf) -> KeyValue {
        let value = Some(AnyValue { value: Some(value) });
        let key = key.to_owned();
        KeyValue { key, value }
    }

    #[test]
    fn each_text_of_a_span_is_searched() {
        let secret = || AnyOf::Text("secret".to_owned());
        let has = |span: message::Span| Span::from(span).contains("secret");
        let with = |value| message::Span {
            attributes: vec![attribute("a", value)],
            ..message::Span::default()
        };
        let value = AnyValue {
            value: Some(secret()),
        };
        let array = message::Array {
            values: vec![AnyValue::default(), value],
        };
        let object = message::Object {
            values: vec![attribute("b", AnyOf::Array(array.clone()))],
        };
        for value in [
            secret(),
            AnyOf::Array(array),
            AnyOf::Object(object),
            AnyOf::Bytes(b"secret".to_vec()),
        ] {
            assert!(has(with(value.clone())), "{value:?}");
        }
        assert!(!has(with(AnyOf::Bool(true))));
        let event = message::Event {
            name: "log".to_owned(),
            attributes: vec![attribute("c", secret())],
        };
        assert!(has(message::Span {
            events: vec![event],
            ..message::Span::default()
        }));
        let link = message::Link {
            trace_id: Vec::new(),
            attributes: vec![attribute("d", secret())],
        };
        assert!(has(message::Span {
            links: vec![link],
            ..message::Span::default()
        }));
        let message = "secret".to_owned();
        assert!(has(message::Span {
            status: Some(message::Status { message }),
            ..message::Span::default()
        }));
        assert!(has(message::Span {
            name: "GET /secret".to_owned(),
            ..message::Span::default()
        }));
    }

    #[test]
    fn spans_of_all_resources_and_scopes_are_read() {
        let span = message::Span {
            trace_id: vec![0xab; 16],
            name: "GET /".to_owned(),
            attributes: vec![attribute("a", AnyOf::Int(7))],
            ..message::Span::default()
        };
        let scope = message::ScopeSpans { spans: vec![span] };
        let resource = message::ResourceSpans {
            scope_spans: vec![scope.clone(), scope],
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![resource.clone(), resource],
        };
        let spans = Span::decode(&request.encode_to_vec()).unwrap();
        assert_eq!(spans.len(), 4);
        assert_eq!(spans[0].trace, "ab".repeat(16));
        assert_eq!(spans[0].attribute("a"), Some("7"));
        assert!(spans[0].contains("7") && !spans[0].contains("8"));
        assert_eq!(Span::decode(b"\xff"), None);
    }
}
