//! TRC and LOG-14: spans, sampling and delivery.

use std::collections::BTreeMap;

use super::*;
use crate::{project::Project, verify::collector::Span, waivers::Day};

/// The span of a request.
fn span(name: &str) -> Span {
    let attributes = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.path", "/"),
        ("url.scheme", "http"),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let query = (
        "url.query".to_owned(),
        format!("token=***&plimsoll=nonce-of-{name}"),
    );
    Span {
        trace: "new".to_owned(),
        id: "own".to_owned(),
        name: "GET /".to_owned(),
        kind: 2,
        attributes: attributes
            .into_iter()
            .chain([query])
            .collect::<BTreeMap<_, _>>(),
        ..Span::default()
    }
}

#[track_caller]
fn judge_span(id: &str, name: &'static str, spans: impl Into<Vec<Span>>) -> Option<bool> {
    let evidence = Evidence {
        spans: spans.into(),
        ..started([exchange(name, response(200, &[], ""))], &[])
    };
    judge(id, &evidence)
}

#[test]
fn request_is_a_span_of_the_conventions() {
    assert_eq!(judge_span("TRC-4:span", "page", [span("page")]), Some(true));
    assert_eq!(judge_span("TRC-4:span", "page", []), None);
    assert_eq!(
        judge_span("TRC-4:span", "page", [span("other")]),
        Some(false)
    );
    let client = Span {
        kind: 3,
        ..span("page")
    };
    assert_eq!(judge_span("TRC-4:span", "page", [client]), Some(false));
    let mut bare = span("page");
    bare.attributes.remove("http.request.method");
    assert_eq!(judge_span("TRC-4:span", "page", [bare]), Some(false));

    assert_eq!(
        judge_span("TRC-4:query", "page", [span("page")]),
        Some(true)
    );
    let mut open = span("page");
    open.attributes
        .insert("a".to_owned(), "hunter2-and-more".to_owned());
    assert_eq!(judge_span("TRC-4:query", "page", [open]), Some(false));
    let inner = Span {
        attributes: BTreeMap::from([("a".to_owned(), "hunter2-and-more".to_owned())]),
        ..span("other")
    };
    assert_eq!(
        judge_span("TRC-4:query", "page", [span("page"), inner]),
        Some(false)
    );
    assert_eq!(
        judge_span("TRC-4:probes", "probe", [span("page")]),
        Some(true)
    );
    let probe = Span {
        trace: "nonce-of-probe".repeat(2),
        ..span("page")
    };
    assert_eq!(judge_span("TRC-4:probes", "probe", [probe]), Some(false));
    let mut of_path = span("page");
    of_path
        .attributes
        .insert("url.path".to_owned(), "/a".to_owned());
    let with_id = span("probe");
    let named = Span {
        name: "GET /a".to_owned(),
        ..span("page")
    };
    for probe in [of_path, with_id, named] {
        assert_eq!(judge_span("TRC-4:probes", "probe", [probe]), Some(false));
    }
}

#[test]
fn spans_of_a_handler_are_in_the_trace_of_its_request() {
    let judge = |id: &str, spans: Vec<Span>| {
        let exchanges = [exchange("handler", response(200, &[], ""))];
        let evidence = Evidence {
            spans,
            ..with_routes(started(exchanges, &[]))
        };
        judge(id, &evidence)
    };
    let inner = |trace: &str, value: &str| Span {
        trace: trace.to_owned(),
        id: "inner".to_owned(),
        kind: 1,
        attributes: BTreeMap::from([("a".to_owned(), value.to_owned())]),
        ..Span::default()
    };
    for (trace, value, is_in_trace, has_field) in [
        ("new", "47110815", true, true),
        ("new", "4711081", true, false),
        ("other", "47110815", false, false),
    ] {
        let spans = || vec![inner(trace, value), span("handler")];
        assert_eq!(judge("TRC-5:trace", spans()), Some(is_in_trace), "{trace}");
        assert_eq!(judge("TRC-5:fields", spans()), Some(has_field), "{value}");
    }
    assert_eq!(judge("TRC-5:trace", vec![span("handler")]), Some(false));
    assert_eq!(judge("TRC-5:trace", Vec::new()), Some(false));
    // The query of the request has the number as well.
    let mut of_request = span("handler");
    of_request
        .attributes
        .insert("b".to_owned(), "47110815".to_owned());
    // So does a span that ends before it and has its query.
    let of_layer = Span {
        id: "layer".to_owned(),
        kind: 1,
        ..span("handler")
    };
    let spans = vec![of_layer, inner("new", ""), of_request];
    assert_eq!(judge("TRC-5:fields", spans), Some(false));
    let without_route = started([exchange("handler", response(200, &[], ""))], &[]);
    assert_eq!(super::judge("TRC-5:trace", &without_route), None);
}

#[test]
fn context_of_a_trusted_caller_is_continued() {
    let of_caller = |name: &str| Span {
        trace: format!("nonce-of-{name}").repeat(2),
        parent: format!("nonce-of-{name}"),
        ..span(name)
    };
    assert_eq!(
        judge_span("TRC-1:continued", "continued", [of_caller("continued")]),
        Some(true)
    );
    assert_eq!(
        judge_span("TRC-1:continued", "continued", [span("continued")]),
        Some(false)
    );
    assert_eq!(
        judge_span("TRC-1:untrusted", "untrusted", [of_caller("untrusted")]),
        Some(false)
    );
    assert_eq!(
        judge_span("TRC-1:untrusted", "untrusted", [span("untrusted")]),
        Some(false)
    );
    let linked = Span {
        links: vec!["nonce-of-untrusted".repeat(2)],
        ..span("untrusted")
    };
    assert_eq!(
        judge_span("TRC-1:untrusted", "untrusted", [linked]),
        Some(true)
    );
    assert_eq!(
        judge_span("TRC-1:malformed", "malformed", [span("malformed")]),
        Some(true)
    );
    let continued = Span {
        trace: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        ..span("malformed")
    };
    assert_eq!(
        judge_span("TRC-1:malformed", "malformed", [continued]),
        Some(false)
    );
}

#[test]
fn sampler_excludes_spans() {
    let disabled = |end, spans| {
        let signal = Duration::from_secs(1);
        let evidence = Evidence {
            shutdown: Some(Shutdown { signal, end }),
            spans,
            ..started([exchange("page", response(200, &[], ""))], &[])
        };
        judge("TRC-2:disabled", &evidence)
    };
    let end = Some(ended(Some(0)));
    assert_eq!(disabled(end, Vec::new()), Some(true));
    assert_eq!(disabled(end, vec![span("page")]), Some(false));
    assert_eq!(disabled(None, Vec::new()), None);
    let ratio = |spans: Vec<Span>| {
        let exchanges = ["high", "low"].map(|name| exchange(name, response(200, &[], "")));
        let evidence = Evidence {
            spans,
            ..started(exchanges, &[])
        };
        judge("TRC-3:ratio", &evidence)
    };
    assert_eq!(ratio(vec![span("low")]), Some(true));
    assert_eq!(ratio(vec![span("low"), span("high")]), Some(false));
    assert_eq!(ratio(Vec::new()), Some(false));
}

#[test]
fn records_end_in_the_ids_of_the_span() {
    let ids = |end: &str| {
        let line = format!(r#"{{"message":"http_request","request_id":"nonce-of-page",{end}}}"#);
        let evidence = Evidence {
            spans: vec![span("page")],
            ..started([exchange("page", response(200, &[], ""))], &[&line])
        };
        judge("LOG-14:ids", &evidence)
    };
    assert_eq!(ids(r#""traceId":"new","spanId":"own""#), Some(true));
    assert_eq!(ids(r#""traceId":"new","spanId":"other""#), Some(false));
    assert_eq!(ids(r#""traceId":"new","spanId":"own","a":1"#), Some(false));
    assert_eq!(ids(r#""traceId":"new""#), Some(false));
}

#[test]
fn order_of_the_ids_is_not_judged_with_other_names() {
    let ids = |end: &str| {
        let text = "[verify.names]\n\"log.traceId\" = \"trace_id\"\n";
        let project = Project::parse(text, "a.toml", Day::today()).unwrap();
        let line = format!(r#"{{"message":"http_request","request_id":"nonce-of-page",{end}}}"#);
        let evidence = Evidence {
            spans: vec![span("page")],
            names: project.verify.names,
            ..started([exchange("page", response(200, &[], ""))], &[&line])
        };
        judge("LOG-14:ids", &evidence)
    };
    assert_eq!(ids(r#""spanId":"own","trace_id":"new","a":1"#), Some(true));
    assert_eq!(ids(r#""spanId":"own","trace_id":"other""#), Some(false));
    assert_eq!(ids(r#""spanId":"own","traceId":"new""#), Some(false));
}

#[test]
fn spans_are_sent_again_and_counted() {
    assert_eq!(
        judge_span("TRC-7:retried", "first", [span("first")]),
        Some(true)
    );
    assert_eq!(
        judge_span("TRC-7:retried", "first", [span("other")]),
        Some(false)
    );
    let counts = |exported: u32| {
        let text = format!(
            "trace_spans_total 3\ntrace_spans_exported_total {exported}\ntrace_spans_dropped_total{{reason=\"a\"}} 1\n"
        );
        let outcome = response(200, &[("content-type", "text/plain")], &text);
        judge_response("TRC-7:counts", "counts", outcome)
    };
    assert_eq!(counts(2), Some(true));
    assert_eq!(counts(1), Some(false));
    let ended = |dropped: u32| {
        let line = format!(
            r#"{{"message":"trace_export_ended","spansProduced":3,"spansExported":2,"spansDropped":{dropped}}}"#
        );
        judge("TRC-7:ended", &started([], &[&line]))
    };
    assert_eq!(ended(1), Some(true));
    assert_eq!(ended(0), Some(false));
    assert_eq!(judge("TRC-7:ended", &started([], &[])), Some(false));
}

#[test]
fn exemplars_are_in_openmetrics_alone() {
    let bucket = "http_request_duration_seconds_bucket{le=\"1\"} 1";
    let exemplar = format!("{bucket} # {{trace_id=\"a\",span_id=\"b\"}} 0.1 1.0\n");
    let exemplars = |open: &str, text: &str| {
        let exchanges = [("exemplars", open), ("counts", text)]
            .map(|(name, text)| exchange(name, response(200, &[], text)));
        judge("TRC-8:exemplars", &started(exchanges, &[]))
    };
    assert_eq!(exemplars(&exemplar, bucket), Some(true));
    assert_eq!(exemplars(bucket, bucket), Some(false));
    assert_eq!(exemplars(&exemplar, &exemplar), Some(false));
}

#[test]
fn collector_delays_neither_requests_nor_the_end() {
    let stuck = |done, outcome| {
        judge(
            "TRC-6:requests",
            &started([timed("stuck", 0, done, outcome)], &[]),
        )
    };
    assert_eq!(stuck(2000, response(200, &[], "")), Some(true));
    assert_eq!(stuck(2001, response(200, &[], "")), Some(false));
    assert_eq!(stuck(1, Outcome::Lost), Some(false));
    let end = |signal, end| {
        let evidence = Evidence {
            shutdown: Some(Shutdown {
                signal: Duration::from_secs(signal),
                end,
            }),
            ..started([], &[])
        };
        judge("TRC-6:shutdown", &evidence)
    };
    let late = Ended {
        at: Duration::from_secs(8),
        ..ended(Some(0))
    };
    assert_eq!(end(1, Some(ended(Some(0)))), Some(true));
    assert_eq!(end(1, Some(late)), Some(false));
    assert_eq!(end(1, None), Some(false));
}
