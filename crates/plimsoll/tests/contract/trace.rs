//! TRC: traces, and LOG-14, seen by a collector that is no part of the chassis.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

pub(crate) mod collector;
mod delivery;
mod exemplars;

use harness::{Process, field_names};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::Value;

use self::collector::{Collector, Manner, attribute, hex};
use crate::support::{access_line, access_record, request, run, start};

pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const CALLER: &str = "b7ad6b7169203331";

/// A fixture that sends its spans soon.
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

/// What the route `/trace` would send on: `traceparent` and `tracestate`.
#[track_caller]
fn sent_on(service: &Process, target: &str, headers: &str) -> (String, String) {
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
pub(crate) fn check(span: &Span, key: &str, expected: &str) {
    let value = attribute(&span.attributes, key);
    assert_eq!(value.as_deref(), Some(expected), "{key} of {span:?}");
}

pub(crate) const TRUSTING: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

/// TRC-2.
#[test]
fn without_an_endpoint_there_are_no_traces() {
    let service = start(&[("OTEL_TRACES_SAMPLER", "always_on")]);
    let sent = traceparent("01");
    assert_eq!(sent_on(&service, "/trace", &sent), ("-".into(), "-".into()));
    let record = access_record(&service, "/trace");
    assert_eq!(record.get("traceId"), None);
    assert!(service.metrics().family("trace_spans_total").is_none());
    service.terminate();
}

/// TRC-2.
#[test]
fn traces_can_be_switched_off_by_either_switch() {
    let collector = Collector::start(Manner::Takes);
    for switch in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        let service = traced(&collector, &[switch]);
        drop(service.get("/trace"));
        assert!(service.metrics().family("trace_spans_total").is_none());
        service.terminate();
    }
    assert!(collector.posts().is_empty());
}

/// TRC-1.
#[test]
fn a_service_that_takes_no_part_passes_a_trusted_trace_through() {
    let service = start(&[TRUSTING]);
    let sent = traceparent("01") + "tracestate: rojo=1\r\n";
    let (parent, state) = sent_on(&service, "/trace", &sent);
    assert_eq!(parent, format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(state, "rojo=1");
    service.terminate();
}

/// TRC-4.
#[test]
fn a_request_is_one_server_span_after_the_conventions() {
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

/// MET-4.
#[test]
fn a_label_of_the_application_names_the_span() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    drop(service.get("/labelled/7"));
    let span = collector.span("GET /labelled");
    check(&span, "http.route", "/labelled");
    service.terminate();
}

/// TRC-4.
#[test]
fn failures_of_the_service_are_errors_and_those_of_clients_are_not() {
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

    // A client that goes away, and one that is refused at once.
    let mut waiting = service.connect();
    waiting.send(request("GET", "/hang", ""));
    harness::eventually("it is in flight", || {
        let metrics = service.metrics();
        (metrics.sum("http_requests_in_flight", &[]) == 1.0).then_some(())
    });
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

/// TRC-4.
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

/// TRC-1.
#[test]
fn the_trace_of_a_trusted_caller_is_continued() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[TRUSTING]);
    let sent = traceparent("03") + "tracestate: rojo=1,congo=2\r\n";
    let (parent, state) = sent_on(&service, "/trace", &sent);
    let span = collector.span("GET /trace");
    assert_eq!(hex(&span.trace_id), TRACE);
    assert_eq!(hex(&span.parent_span_id), CALLER);
    assert_eq!(span.trace_state, "rojo=1,congo=2");
    assert_eq!(span.flags, 0x303, "sampled at random, by a remote parent");
    assert!(span.links.is_empty());
    assert_eq!(parent, format!("00-{TRACE}-{}-03", hex(&span.span_id)));
    assert_eq!(state, "rojo=1,congo=2");
    service.terminate();
}

/// TRC-1.
#[test]
fn the_trace_of_a_stranger_is_linked_and_a_new_one_begun() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    let sent = traceparent("00") + "tracestate: rojo=1\r\n";
    let (parent, state) = sent_on(&service, "/trace", &sent);
    let span = collector.span("GET /trace");
    assert_ne!(hex(&span.trace_id), TRACE);
    assert!(span.parent_span_id.is_empty() && span.trace_state.is_empty());
    let link = &span.links[0];
    assert_eq!(
        (hex(&link.trace_id), hex(&link.span_id)),
        (TRACE.into(), CALLER.into())
    );
    assert_eq!(link.trace_state, "rojo=1");
    let (trace, own) = (hex(&span.trace_id), hex(&span.span_id));
    assert_eq!(parent, format!("00-{trace}-{own}-01"));
    assert_eq!(state, "-", "what a stranger says goes to nobody");
    service.terminate();
}

/// TRC-1.
#[test]
fn a_malformed_context_counts_as_none() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[TRUSTING]);
    let good = traceparent("01");
    for headers in [
        good.clone() + &good,
        good.to_uppercase().replace("TRACEPARENT", "traceparent"),
        good.replace(CALLER, "0000000000000000"),
        good.replace(": 00-", ": ff-"),
        good.replace("-01\r", "-01-more\r"),
        "traceparent: \r\n".to_owned(),
        format!("traceparent: {}\r\n", "0".repeat(10_000)),
        "tracestate: rojo=1\r\n".to_owned(),
    ] {
        let (parent, state) = sent_on(&service, "/trace", &headers);
        assert!(!parent.contains(TRACE), "{headers:?}");
        assert_eq!(state, "-", "{headers:?}");
    }
    let (parent, state) = sent_on(&service, "/trace", &(good + "tracestate: no state\r\n"));
    assert!(parent.contains(TRACE));
    assert_eq!(state, "-", "a malformed state is dropped by itself");
    service.terminate();
    assert!(collector.spans().iter().all(|span| span.links.is_empty()));
}

/// TRC-3.
#[test]
fn whether_a_request_is_recorded_is_what_its_sampler_says() {
    #[track_caller]
    fn check(env: &[(&str, &str)], headers: &str, is_recorded: bool) {
        let collector = Collector::start(Manner::Takes);
        let service = traced(&collector, &[&[TRUSTING], env].concat());
        let (parent, _) = sent_on(&service, "/trace", headers);
        let flags = if is_recorded { "-01" } else { "-00" };
        assert!(parent.ends_with(flags), "{parent} with {env:?}");
        let record = access_record(&service, "/trace");
        assert_eq!(record.get("traceId").is_some(), is_recorded, "{record}");
        service.terminate();
        assert_eq!(collector.spans().len(), usize::from(is_recorded));
    }
    let sampler = |name| ("OTEL_TRACES_SAMPLER", name);
    check(&[], "", true);
    check(&[], &traceparent("00"), false);
    check(&[sampler("always_on")], &traceparent("00"), true);
    check(&[sampler("always_off")], &traceparent("01"), false);
    check(&[sampler("parentbased_always_off")], "", false);
    check(
        &[sampler("parentbased_always_off")],
        &traceparent("01"),
        true,
    );
    let none = ("OTEL_TRACES_SAMPLER_ARG", "0");
    check(&[sampler("traceidratio"), none], &traceparent("01"), false);
    check(&[sampler("parentbased_traceidratio"), none], "", false);
}

/// LOG-14.
#[test]
fn every_record_of_a_recorded_request_ends_in_the_ids_of_its_trace() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    drop(service.get("/log"));
    let span = collector.span("GET /log");
    let (trace, own) = (hex(&span.trace_id), hex(&span.span_id));
    let end = format!(",\"traceId\":\"{trace}\",\"spanId\":\"{own}\"}}");
    let access = access_line(&service, "/log");
    assert!(access.ends_with(&end), "{access}");
    let event = service.wait_for_line(|line| line.contains("fixture_event"));
    assert!(event.ends_with(&end), "{event}");
    let id = access_record(&service, "/log")["request_id"].clone();
    assert_ne!(id, trace.as_str(), "the request's id is one of its own");

    drop(service.get("/panic"));
    let trace = hex(&collector.span("GET /panic").trace_id);
    let panic = service.wait_for_record(|record| record["message"] == "panic");
    assert_eq!(panic["traceId"], trace.as_str());
    let ended = service.terminate();
    for record in ended.records() {
        let is_of_a_request = record["request_id"] != "-";
        assert_eq!(record.get("traceId").is_some(), is_of_a_request, "{record}");
    }
}

/// LOG-14.
#[test]
fn the_ids_of_a_trace_stand_behind_long_fields_and_have_their_names_to_themselves() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    let long = format!("/{}", "%01".repeat(400));
    let agent = format!("User-Agent: {}\r\n", "\u{e9}".repeat(2000));
    drop(service.request(request(
        "GET",
        &format!("{long}?{}", "q=%22&".repeat(600)),
        &agent,
    )));
    let line = service.wait_for_line(|line| line.contains("http_request"));
    assert!(
        line.len() < 16 * 1024 && line.contains("\"traceId\":\""),
        "{line}"
    );
    drop(service.get("/trace/spans"));
    let line = service.wait_for_line(|line| line.contains("inside_outer"));
    let names = field_names(&line);
    assert_eq!(
        names[7..],
        ["traceId_", "item", "ratio", "traceId", "spanId"],
        "{line}"
    );
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["traceId_"], "mine");
    service.terminate();
}

/// TRC-5, LOG-14: its `Debug` logs inside the very span that it is recorded for.
#[test]
fn a_value_that_logs_while_it_is_recorded_holds_nothing_up() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    assert_eq!(service.get("/span/acme").status, 200);
    assert_eq!(service.get("/hello").status, 200);
    service.terminate();
}

/// TRC-5, LOG-14.
#[test]
fn spans_in_a_handler_are_children_of_its_span() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    let (parent, _) = sent_on(&service, "/trace/spans", "");
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
    assert_eq!(spans.len(), 5, "a task of nobody's has no spans: {spans:?}");
    assert!(spans.iter().all(|span| span.trace_id == server.trace_id));
}

/// TRC-5, LOG-14.
#[test]
fn a_panic_inside_a_span_leaves_nothing_behind() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[("WORKERS", "1")]);
    assert_eq!(service.get("/trace/panic").status, 500);
    let doomed = collector.span("doomed");
    let panic = service.wait_for_record(|record| record["message"] == "panic");
    assert_eq!(panic["spanId"], hex(&doomed.span_id).as_str());
    let (parent, _) = sent_on(&service, "/trace", "");
    let next = collector.span("GET /trace");
    assert_eq!(
        parent,
        format!("00-{}-{}-01", hex(&next.trace_id), hex(&next.span_id))
    );
    service.terminate();
}

/// TRC-2, TRC-3.
#[test]
fn spans_of_a_request_that_is_not_recorded_are_not_either() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[("OTEL_TRACES_SAMPLER", "always_off")]);
    drop(service.get("/trace/spans"));
    service.terminate();
    assert!(collector.posts().is_empty());
}

/// TRC-2, CFG-3.
#[test]
fn mistakes_in_the_settings_of_traces_come_with_all_others() {
    let ended = run(
        &[],
        &[
            ("PORT", "70000"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "CANARY"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ],
    );
    assert_eq!(ended.code, Some(78));
    assert!(
        ended.stderr.contains("4 settings are wrong"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("CANARY"));
}
