//! TRC-5: the spans that a handler opens.

use super::{span_of, text, wait_for_last};
use crate::{
    verify::{
        collector::Span,
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        routes::Route,
        subject::Subject,
    },
    wire::Exchange,
};

/// The value of the field, which no other attribute has.
const NUMBER: u64 = 47_110_815;

pub(super) async fn request(subject: &mut Subject<'_>) {
    let Some(path) = subject.marked_route(Route::Span, &[("number", NUMBER)]) else {
        return;
    };
    subject.get_marked("handler", &path, &[]).await;
    // A span ends before that of its request, so it is not sent later.
    wait_for_last(subject).await;
}

/// Returns the request, its span, and the other spans of its trace.
fn spans(evidence: &Evidence) -> Result<(&Exchange, &Span, Vec<&Span>), Fault> {
    let exchange = evidence.exchange_of(Route::Span, "handler")?;
    let span = span_of(evidence, exchange)?;
    let others = evidence.spans.iter();
    let others = others.filter(|it| it.trace == span.trace && it.id != span.id);
    Ok((exchange, span, others.collect()))
}

pub(super) fn trace(evidence: &Evidence) -> Judgement {
    let (exchange, span, others) = spans(evidence)?;
    require(!others.is_empty(), || {
        let received = format!("{}, and no other span of its trace", text(span));
        let expected = format!("another span of the trace {}", span.trace);
        Finding::exchange(exchange, received, expected)
    })
}

pub(super) fn fields(evidence: &Evidence) -> Judgement {
    let (exchange, _, others) = spans(evidence)?;
    let number = NUMBER.to_string();
    let has_number = |span: &&Span| span.attributes.values().any(|value| *value == number);
    require(others.iter().any(has_number), || {
        let received: Vec<String> = others.iter().map(|span| text(span)).collect();
        let expected = format!("an attribute with the value {number}");
        Finding::exchange(exchange, received.join("\n"), expected)
    })
}
