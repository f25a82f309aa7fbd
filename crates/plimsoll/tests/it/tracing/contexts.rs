//! Trace contexts of callers: continued, linked or ignored.

use harness::access_record;

use super::collector::{Collector, Manner, hex};
use super::{CALLER, TRACE, TRUSTING, propagated_context, traced, traceparent};
use crate::support::start;

/// TRC-1
#[test]
fn service_without_tracing_forwards_a_trusted_context() {
    let service = start(&[TRUSTING]);
    let sent = traceparent("01") + "tracestate: rojo=1\r\n";
    let (parent, state) = propagated_context(&service, "/trace", &sent);
    assert_eq!(parent, format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(state, "rojo=1");
    service.terminate();
}

/// TRC-1
#[test]
fn trace_of_a_trusted_caller_is_continued() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[TRUSTING]);
    let sent = traceparent("03") + "tracestate: rojo=1,congo=2\r\n";
    let (parent, state) = propagated_context(&service, "/trace", &sent);
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

/// TRC-1
#[test]
fn trace_of_an_untrusted_caller_is_linked() {
    let collector = Collector::start(Manner::Takes);
    let service = traced(&collector, &[]);
    let sent = traceparent("00") + "tracestate: rojo=1\r\n";
    let (parent, state) = propagated_context(&service, "/trace", &sent);
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
    assert_eq!(
        state, "-",
        "the state of an untrusted peer is not propagated"
    );
    service.terminate();
}

/// TRC-1
#[test]
fn malformed_context_is_ignored() {
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
        let (parent, state) = propagated_context(&service, "/trace", &headers);
        assert!(!parent.contains(TRACE), "{headers:?}");
        assert_eq!(state, "-", "{headers:?}");
    }
    let (parent, state) =
        propagated_context(&service, "/trace", &(good + "tracestate: no state\r\n"));
    assert!(parent.contains(TRACE));
    assert_eq!(state, "-", "a malformed state is dropped by itself");
    service.terminate();
    assert!(collector.spans().iter().all(|span| span.links.is_empty()));
}

/// TRC-3
#[test]
fn sampler_decides_whether_a_request_is_recorded() {
    #[track_caller]
    fn check(env: &[(&str, &str)], headers: &str, is_recorded: bool) {
        let collector = Collector::start(Manner::Takes);
        let service = traced(&collector, &[&[TRUSTING], env].concat());
        let (parent, _) = propagated_context(&service, "/trace", headers);
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
