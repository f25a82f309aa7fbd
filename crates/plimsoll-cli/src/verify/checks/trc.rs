//! TRC and LOG-14: spans, and the trace context of callers.

mod delivery;
mod handler;
mod sampling;

use std::time::Duration;

use crate::{
    verify::{
        collector::Span,
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, each, require},
        probe::{Observation, Probe},
        scenario::{TRACED, TRACED_PUBLIC},
        subject::{Subject, request},
    },
    wire::Exchange,
};

/// The probes of each part.
pub(super) const ALL: [&[Probe]; 3] = [PROBES, sampling::PROBES, delivery::PROBES];

const PROBES: &[Probe] = &[
    Probe {
        scenario: &TRACED,
        observation: Observation::Session(|subject| Box::pin(requests(subject))),
        checks: &[
            ("TRC-4:span", span),
            ("TRC-4:query", query),
            ("TRC-4:probes", probes),
            ("TRC-1:continued", continued),
            ("TRC-1:malformed", malformed),
            ("TRC-7:retried", delivery::retried),
            ("TRC-5:trace", handler::trace),
            ("TRC-5:fields", handler::fields),
            ("LOG-14:ids", ids),
        ],
    },
    Probe {
        scenario: &TRACED_PUBLIC,
        observation: Observation::Session(|subject| Box::pin(untrusted(subject))),
        checks: &[("TRC-1:untrusted", linked)],
    },
];

/// The longest wait for a span. The service sends spans after 100 ms.
const SPAN_LIMIT: Duration = Duration::from_secs(5);

/// The value of a parameter that must not be in a span.
const SECRET: &str = "hunter2-and-more";

/// The trace of malformed contexts.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Contexts that are malformed by W3C Trace Context: upper case, a forbidden version, an empty parent.
const MALFORMED: [&str; 3] = [
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
];

async fn requests(subject: &mut Subject<'_>) {
    // The collector rejects the first batch, which is that of this request.
    subject.get_marked("first", "/?plimsoll={nonce}", &[]).await;
    wait_for_last(subject).await;
    let secret = format!("/?token={SECRET}&plain=shown&plimsoll={{nonce}}");
    subject.get_marked("page", &secret, &[]).await;
    for path in ["/health", "/ready", "/metrics"] {
        continue_trace(subject, "probe", path).await;
    }
    for context in MALFORMED {
        let header = format!("traceparent: {context}");
        subject
            .get_marked("malformed", "/?plimsoll={nonce}", &[&header])
            .await;
    }
    handler::request(subject).await;
    continue_trace(subject, "continued", "/?plimsoll={nonce}").await;
    wait_for_last(subject).await;
    subject.settle().await;
}

async fn untrusted(subject: &mut Subject<'_>) {
    continue_trace(subject, "untrusted", "/?plimsoll={nonce}").await;
    wait_for_last(subject).await;
}

/// Sends a request in a trace whose id is its nonce, twice.
async fn continue_trace(subject: &mut Subject<'_>, name: &'static str, path: &str) {
    let nonce = subject.nonce();
    let (context, id) = (
        format!("traceparent: 00-{nonce}{nonce}-{nonce}-01"),
        format!("X-Request-ID: {nonce}"),
    );
    let path = path.replace("{nonce}", &nonce);
    let request = request("GET", &path, &[&context, &id]);
    subject.send(name, nonce, request).await;
}

/// Waits for the span of the last request. Whether it came is judged later.
async fn wait_for_last(subject: &mut Subject<'_>) {
    let last = subject.evidence().exchanges.last();
    let nonce = last.map_or_else(String::new, |last| last.nonce.clone());
    subject.wait_for_span(&nonce, SPAN_LIMIT).await;
}

/// Returns the span of a request.
fn span_of<'a>(evidence: &'a Evidence, exchange: &Exchange) -> Result<&'a Span, Fault> {
    let missing = || Finding::exchange(exchange, "no span".to_owned(), "a span of the request");
    Ok(evidence.span(exchange).ok_or_else(missing)?)
}

fn span(evidence: &Evidence) -> Judgement {
    if evidence.spans.is_empty() {
        let reason = "spans not offered: the collector at OTEL_EXPORTER_OTLP_ENDPOINT got none";
        return Err(Fault::not_proven(reason));
    }
    let (exchange, response) = evidence.answer("page")?;
    let span = span_of(evidence, exchange)?;
    let status = response.status.to_string();
    let attributes = [
        ("http.request.method", "GET"),
        ("http.response.status_code", status.as_str()),
        ("url.path", "/"),
        ("url.scheme", "http"),
    ];
    let mut all = attributes.iter();
    let has_all = all.all(|(name, value)| span.attribute(name) == Some(value));
    let holds = span.is_of_server() && span.name.starts_with("GET") && has_all;
    require(holds, || {
        let expected = attributes.map(|(name, value)| format!(", {name}={value}"));
        let expected = format!("a span GET of kind 2 (SERVER){}", expected.concat());
        Finding::exchange(exchange, text(span), expected)
    })
}

fn query(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("page")?;
    span_of(evidence, exchange)?;
    // Another span of the request can have the value, too.
    let mut spans = evidence.spans.iter();
    match spans.find(|span| span.contains(SECRET)) {
        None => Ok(()),
        Some(span) => {
            let expected = "no value of the parameter token";
            Err(Finding::exchange(exchange, text(span), expected).into())
        }
    }
}

fn probes(evidence: &Evidence) -> Judgement {
    each(evidence.exchanges("probe"), |exchange| {
        let trace = exchange.nonce.repeat(2);
        let path = super::log::path_of(exchange);
        // The span may be one of a new trace. Then it has the path, or the id of the request.
        let is_of_probe = |span: &&Span| {
            let mut values = span.attributes.values().chain([&span.name]);
            span.trace == trace
                || span.contains(&exchange.nonce)
                || values.any(|value| value.ends_with(&path))
        };
        match evidence.spans.iter().find(is_of_probe) {
            Some(span) => Err(Finding::exchange(exchange, text(span), "no span").into()),
            None => Ok(()),
        }
    })
}

fn continued(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("continued")?;
    let span = span_of(evidence, exchange)?;
    let (trace, parent) = (exchange.nonce.repeat(2), exchange.nonce.as_str());
    require(span.trace == trace && span.parent == parent, || {
        let expected = format!("a span of the trace {trace} with the parent {parent}");
        Finding::exchange(exchange, text(span), expected)
    })
}

fn malformed(evidence: &Evidence) -> Judgement {
    for exchange in evidence.exchanges("malformed") {
        let span = span_of(evidence, exchange)?;
        require(span.trace != TRACE && span.links.is_empty(), || {
            Finding::exchange(
                exchange,
                text(span),
                "a span of a new trace, without a link",
            )
        })?;
    }
    Ok(())
}

fn linked(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("untrusted")?;
    let span = span_of(evidence, exchange)?;
    let trace = exchange.nonce.repeat(2);
    require(span.trace != trace && span.links.contains(&trace), || {
        let expected = format!("a span of another trace, with a link to {trace}");
        Finding::exchange(exchange, text(span), expected)
    })
}

fn ids(evidence: &Evidence) -> Judgement {
    let (exchange, record) = evidence.access_record("page")?;
    let span = span_of(evidence, exchange)?;
    let names: Vec<&str> = record.names().collect();
    // Other names have an order of their own.
    let is_last = names.ends_with(&["traceId", "spanId"]) || evidence.names.require_none().is_err();
    let holds = is_last
        && record.text("traceId") == Some(&span.trace)
        && record.text("spanId") == Some(&span.id);
    require(holds, || {
        let (trace, id) = (&span.trace, &span.id);
        Finding::record(
            exchange,
            &record,
            format!("at the end traceId {trace} and spanId {id}"),
        )
    })
}

/// Returns a span for a report.
fn text(span: &Span) -> String {
    let attributes = span.attributes.iter();
    let attributes: String = attributes
        .map(|(name, value)| format!(", {name}={value}"))
        .collect();
    let texts: String = span.texts.iter().map(|text| format!(", {text}")).collect();
    format!(
        "a span {} of kind {}, trace {}, parent {:?}, links {:?}{attributes}{texts}",
        span.name, span.kind, span.trace, span.parent, span.links
    )
}
