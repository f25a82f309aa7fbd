//! A span as checks read it.

use std::collections::BTreeMap;

use prost::Message as _;

use super::message::{self, AnyOf, ExportTraceServiceRequest};

/// A span. Ids are hexadecimal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::verify) struct Span {
    pub(in crate::verify) trace: String,
    pub(in crate::verify) id: String,
    pub(in crate::verify) parent: String,
    pub(in crate::verify) name: String,
    pub(in crate::verify) kind: i32,
    pub(in crate::verify) attributes: BTreeMap<String, String>,
    /// The ids of the traces that it is linked to.
    pub(in crate::verify) links: Vec<String>,
}

impl Span {
    /// Reads the spans of a request. Returns `None` if it is no message of OTLP.
    pub(super) fn decode(body: &[u8]) -> Option<Vec<Self>> {
        let request = ExportTraceServiceRequest::decode(body).ok()?;
        let scopes = request.resource_spans.into_iter();
        let scopes = scopes.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        Some(spans.map(Self::from).collect())
    }

    /// Whether an attribute contains the text.
    pub(in crate::verify) fn contains(&self, text: &str) -> bool {
        self.attributes.values().any(|value| value.contains(text))
    }

    /// Returns the value of an attribute.
    pub(in crate::verify) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl From<message::Span> for Span {
    fn from(span: message::Span) -> Self {
        let attributes = span.attributes.into_iter().map(|attribute| {
            let value = attribute.value.and_then(|value| value.value);
            let text = match value {
                Some(AnyOf::Text(text)) => text,
                Some(AnyOf::Bool(value)) => value.to_string(),
                Some(AnyOf::Int(value)) => value.to_string(),
                Some(AnyOf::Float(value)) => value.to_string(),
                None => String::new(),
            };
            (attribute.key, text)
        });
        Self {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name,
            kind: span.kind,
            attributes: attributes.collect(),
            links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_all_resources_and_scopes_are_read() {
        let span = message::Span {
            trace_id: vec![0xab; 16],
            name: "GET /".to_owned(),
            attributes: vec![message::KeyValue {
                key: "a".to_owned(),
                value: Some(message::AnyValue {
                    value: Some(AnyOf::Int(7)),
                }),
            }],
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
