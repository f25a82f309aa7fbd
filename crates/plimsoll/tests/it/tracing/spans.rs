//! Spans of requests and of handlers.

use harness::{access_record, request};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::collector::{Collector, Manner, attribute, hex};
use super::{check, propagated_context, traced, traceparent};
use crate::in_flight::wait_for_in_flight;

/// TRC-4
#[test]
fn request_is_one_server_span_with_conventional_attributes() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(
        &collector,
        &[("OTEL_RESOURCE_ATTRIBUTES", "deployment=a%20b")],
    );
    let headers = "User-Agent: tester/1\r\n";
    drop(service.request(request("GET", "/items/7?a=1&token=CANARY", headers)));
    let span = collector.span("GET /items/{id}");
    assert_eq!(span.kind, SpanKind::Server as i32);
    assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
    assert!(span.parent_span_id.is_empty() && span.links.is_empty());
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    assert!(span.start_time_unix_nano > 1_700_000_000_000_000_000);
    assert_eq!(span.flags, 0x101, "sampled, and no remote parent");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/items/7"),
        ("url.query", "a=1&token=***"),
        ("http.route", "/items/{id}"),
        ("http.response.status_code", "200"),
        ("server.address", "localhost"),
        ("server.port", "80"),
        ("client.address", "127.0.0.1"),
        ("user_agent.original", "tester/1"),
        ("network.protocol.version", "1.1"),
    ] {
        check(&span, key, value);
    }
    assert_eq!(attribute(&span.attributes, "error.type"), None);
    assert_eq!(span.status.map_or(0, |status| status.code), 0);

    let post = &collector.posts()[0];
    assert!(
        post.head.starts_with("post /v1/traces http/1.1\r\n"),
        "{}",
        post.head
    );
    assert!(
        post.head
            .contains("content-type: application/x-protobuf\r\n")
    );
    let resource = post.request.resource_spans[0].resource.as_ref().unwrap();
    let of_resource = |key| attribute(&resource.attributes, key);
    assert_eq!(
        of_resource("service.name").as_deref(),
        Some("fixture-service")
    );
    assert_eq!(of_resource("service.version").as_deref(), Some("1.2.3"));
    assert_eq!(of_resource("deployment").as_deref(), Some("a b"));
    assert_eq!(
        of_resource("telemetry.sdk.language").as_deref(),
        Some("rust")
    );
    service.terminate();
    assert_eq!(collector.spans().len(), 1);
}

/// MET-4
#[test]
fn application_label_names_the_span() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    drop(service.get("/labelled/7"));
    let span = collector.span("GET /labelled");
    check(&span, "http.route", "/labelled");
    service.terminate();
}

/// TRC-4
#[test]
fn service_failures_are_errors_but_not_client_failures() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(
        &collector,
        &[("OTEL_SERVICE_NAME", "other"), ("MAX_IN_FLIGHT", "1")],
    );
    drop(service.get("/error"));
    let span = collector.span("GET /error");
    check(&span, "error.type", "500");
    assert_eq!(span.status.unwrap().code, StatusCode::Error as i32);

    drop(service.get("/no/such/path"));
    let span = collector.span("GET");
    check(&span, "http.response.status_code", "404");
    assert_eq!(attribute(&span.attributes, "http.route"), None);
    assert_eq!(span.status.map_or(0, |status| status.code), 0);

    drop(service.request(request("BREW", "/hello", "")));
    let span = collector.span("HTTP /hello");
    check(&span, "http.request.method", "_OTHER");
    check(&span, "http.request.method_original", "BREW");

    // A disconnect, and an immediate rejection.
    let mut waiting = service.connect();
    waiting.send(request("GET", "/hang", ""));
    wait_for_in_flight(&service, 1.0);
    assert_eq!(service.get("/hello").status, 503);
    waiting.reset();
    check(&collector.span("GET /hang"), "error.type", "aborted");
    let spans = collector.spans();
    let shed = spans
        .iter()
        .filter(|span| attribute(&span.attributes, "error.type").as_deref() == Some("503"));
    assert!(shed.count() > 0, "a request that is shed has a span");
    let resource = &collector.posts()[0].request.resource_spans[0];
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    assert_eq!(
        attribute(attributes, "service.name").as_deref(),
        Some("other")
    );
    service.terminate();
}

/// TRC-4
#[test]
fn probes_and_scrapes_make_no_spans() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    for path in ["/health", "/ready", "/metrics", "/livez", "/startupz"] {
        drop(service.request(request("GET", path, &traceparent("01"))));
    }
    drop(service.get("/hello"));
    service.terminate();
    assert_eq!(collector.spans().len(), 1);
}

/// TRC-5, LOG-14: its `Debug` logs inside the span that records it.
#[test]
fn value_that_logs_while_recorded_does_not_deadlock() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    assert_eq!(service.get("/span/acme").status, 200);
    assert_eq!(service.get("/hello").status, 200);
    service.terminate();
}

/// TRC-5, LOG-14
#[test]
fn handler_spans_are_children_of_the_request_span() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    let (parent, _) = propagated_context(&service, "/trace/spans", "");
    let server = collector.span("GET /trace/spans");
    let outer = collector.span("outer");
    assert_eq!(outer.kind, SpanKind::Internal as i32);
    assert_eq!(outer.parent_span_id, server.span_id);
    check(&outer, "item", "7");
    check(&outer, "ratio", "0.5");
    check(&outer, "late", "yes");
    let inner = collector.span("inner");
    assert_eq!(
        inner.parent_span_id, outer.span_id,
        "a span that is too fine is left out"
    );
    assert_eq!(
        parent,
        format!("00-{}-{}-01", hex(&server.trace_id), hex(&inner.span_id))
    );
    assert_eq!(collector.span("spawned").parent_span_id, server.span_id);
    let task = collector.span("task");
    assert_eq!(task.parent_span_id, server.span_id);

    let event = |message: &str| {
        let record = service.wait_for_record(|record| record["message"] == message);
        record["spanId"].as_str().unwrap().to_owned()
    };
    assert_eq!(event("inside_outer"), hex(&outer.span_id));
    assert_eq!(event("inside_task"), hex(&task.span_id));
    let access = access_record(&service, "/trace/spans");
    assert_eq!(access["spanId"], hex(&server.span_id).as_str());
    service.terminate();
    let spans = collector.spans();
    assert_eq!(spans.len(), 5, "an unrelated task has no spans: {spans:?}");
    assert!(spans.iter().all(|span| span.trace_id == server.trace_id));
}

/// TRC-5, LOG-14
#[test]
fn panic_inside_a_span_leaves_no_state() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[("WORKERS", "1")]);
    assert_eq!(service.get("/trace/panic").status, 500);
    let doomed = collector.span("doomed");
    let panic = service.wait_for_record(|record| record["message"] == "panic");
    assert_eq!(panic["spanId"], hex(&doomed.span_id).as_str());
    let (parent, _) = propagated_context(&service, "/trace", "");
    let next = collector.span("GET /trace");
    assert_eq!(
        parent,
        format!("00-{}-{}-01", hex(&next.trace_id), hex(&next.span_id))
    );
    service.terminate();
}

/// TRC-2, TRC-3
#[test]
fn spans_of_an_unsampled_request_are_not_recorded() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[("OTEL_TRACES_SAMPLER", "always_off")]);
    drop(service.get("/trace/spans"));
    service.terminate();
    assert!(collector.posts().is_empty());
}
