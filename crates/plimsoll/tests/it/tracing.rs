//! Traces: contexts, spans, delivery, exemplars and outgoing requests.

mod collector;
mod contexts;
mod delivery;
mod exemplars;
mod log_ids;
mod outgoing;
mod propagation;
mod settings;
mod spans;

use harness::{Process, request};
use opentelemetry_proto::tonic::trace::v1::Span;

use self::collector::{Collector, attribute};
use crate::support::start;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

const CALLER: &str = "b7ad6b7169203331";

/// Starts a fixture that exports its spans soon.
#[track_caller]
fn traced(collector: &Collector, more: &[(&str, &str)]) -> Process {
    let endpoint = collector.endpoint();
    let mut env = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    env.extend(more);
    start(&env)
}

/// Returns `traceparent` and `tracestate` that the route `/trace` would propagate.
#[track_caller]
fn propagated_context(service: &Process, target: &str, headers: &str) -> (String, String) {
    let answer = service.request(request("GET", target, headers));
    let text = answer.text();
    let (parent, state) = text.trim_end().split_once('\n').unwrap();
    (parent.to_owned(), state.to_owned())
}

fn traceparent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n")
}

/// Asserts the value of an attribute of a span.
#[track_caller]
fn check(span: &Span, key: &str, expected: &str) {
    let value = attribute(&span.attributes, key);
    assert_eq!(value.as_deref(), Some(expected), "{key} of {span:?}");
}

const TRUSTING: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");
