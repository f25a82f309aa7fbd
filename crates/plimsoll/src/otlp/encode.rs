//! Encodes batches of spans as OTLP requests, and decodes the responses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderValue;
use prost::Message as _;

use super::{
    AttributeValue, Span,
    message::{
        self, AnyOf, AnyValue, ExportTraceServiceRequest, ExportTraceServiceResponse,
        InstrumentationScope, KeyValue, Link, Resource, ResourceSpans, ScopeSpans, Status,
        StatusCode,
    },
};
use crate::{build_info::BuildInfo, config::Traces, trace::SpanContext};

/// The semantic conventions that the attribute names follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Bit 8 of the flags of a span: bit 9 is valid.
const HAS_IS_REMOTE: u32 = 0x100;
/// Bit 9 of the flags of a span: the parent is in another process.
const IS_REMOTE: u32 = 0x200;

/// Encodes requests. Holds the resource, which is the same in all batches of a process.
#[derive(Debug)]
pub(super) struct RequestEncoder {
    resource: Resource,
    scope: InstrumentationScope,
}

impl RequestEncoder {
    pub(super) fn new(traces: &Traces, build: &BuildInfo) -> Self {
        let name = traces.service_name.as_deref();
        let mut attributes: Vec<KeyValue> = Vec::new();
        let mut add = |key: &str, value: &str| {
            if attributes.iter().all(|there| there.key != key) {
                attributes.push(text(key, value));
            }
        };
        // The first value of an attribute takes precedence.
        if let Some(name) = name {
            add("service.name", name);
        }
        for (key, value) in &traces.attributes {
            add(key, value);
        }
        add("service.name", build.service());
        add("service.version", build.version());
        add("telemetry.sdk.language", "rust");
        add("telemetry.sdk.name", env!("CARGO_PKG_NAME"));
        add("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
        Self {
            resource: Resource { attributes },
            scope: InstrumentationScope {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
        }
    }

    /// Encodes the body of a request with these spans.
    pub(super) fn encode(&self, spans: impl Iterator<Item = Span>) -> Bytes {
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(self.scope.clone()),
                    spans: spans.map(message).collect(),
                }],
                schema_url: SCHEMA.to_owned(),
            }],
        };
        request.encode_to_vec().into()
    }
}

/// Decodes a successful response: the number of spans that the collector rejected, and its reason.
pub(super) fn rejected(body: &[u8]) -> (u64, String) {
    // If the body is malformed, the status counts: the collector has accepted all spans.
    let response = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    let partial = response.partial_success.unwrap_or_default();
    let count = partial.rejected_spans.try_into().unwrap_or(0);
    (count, partial.error_message)
}

fn message(span: Span) -> message::Span {
    let start = nanos(since_epoch(span.start));
    let status = span.has_failed.then_some(Status {
        code: StatusCode::Error.into(),
    });
    let remote = if span.is_parent_remote { IS_REMOTE } else { 0 };
    message::Span {
        trace_id: span.context.trace_id.to_vec(),
        span_id: span.context.span_id.to_vec(),
        trace_state: state(span.state.as_ref()),
        parent_span_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: span.name.into_owned(),
        kind: span.kind as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(nanos(span.took)),
        attributes: span.attributes.into_iter().map(attribute).collect(),
        links: span
            .link
            .map(|link| {
                let SpanContext {
                    trace_id, span_id, ..
                } = link.context;
                Link {
                    trace_id: trace_id.to_vec(),
                    span_id: span_id.to_vec(),
                    trace_state: state(link.state.as_ref()),
                    flags: u32::from(link.context.flags()) | HAS_IS_REMOTE | IS_REMOTE,
                }
            })
            .into_iter()
            .collect(),
        status,
        flags: u32::from(span.context.flags()) | HAS_IS_REMOTE | remote,
    }
}

fn state(state: Option<&HeaderValue>) -> String {
    let text = state.and_then(|state| state.to_str().ok());
    text.unwrap_or_default().to_owned()
}

fn attribute((key, value): (&'static str, AttributeValue)) -> KeyValue {
    let value = match value {
        AttributeValue::Text(text) => AnyOf::Text(text.into_owned()),
        AttributeValue::Int(number) => AnyOf::Int(number),
        AttributeValue::Float(number) => AnyOf::Float(number),
        AttributeValue::Bool(truth) => AnyOf::Bool(truth),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(AnyOf::Text(value.to_owned())),
        }),
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Nanoseconds as OTLP has them; 64 bits suffice until the year 2554.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
