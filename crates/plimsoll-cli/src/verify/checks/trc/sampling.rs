//! TRC-2 and TRC-3: requests whose spans are not recorded.

use std::time::Duration;

use super::{span_of, text, wait_for_last};
use crate::verify::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, require},
    probe::{Observation, Probe},
    scenario::{SAMPLED, UNTRACED},
    subject::{Subject, request},
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &SAMPLED,
        observation: Observation::Session(|subject| Box::pin(ratio(subject))),
        checks: &[("TRC-3:ratio", recorded)],
    },
    Probe {
        scenario: &UNTRACED,
        observation: Observation::Session(|subject| Box::pin(disabled(subject))),
        checks: &[("TRC-2:disabled", none)],
    },
];

/// The longest wait for the end of the process.
const END_LIMIT: Duration = Duration::from_secs(9);

/// The last bytes of a trace id that are above and below half of their range.
const HIGH: &str = "ffffffffffffffff";
const LOW: &str = "0000000000000001";

async fn ratio(subject: &mut Subject<'_>) {
    for (name, end) in [("high", HIGH), ("low", LOW)] {
        let nonce = subject.nonce();
        let context = format!("traceparent: 00-{nonce}{end}-{nonce}-01");
        let request = request("GET", &format!("/?plimsoll={nonce}"), &[&context]);
        subject.send(name, nonce, request).await;
    }
    // Spans are sent in the order of their requests, so the other one has arrived, too.
    wait_for_last(subject).await;
}

async fn disabled(subject: &mut Subject<'_>) {
    subject.get_marked("page", "/?plimsoll={nonce}", &[]).await;
    subject.terminate();
    // An exporter sends its last spans before the end.
    subject.wait_for_end(END_LIMIT).await;
}

fn recorded(evidence: &Evidence) -> Judgement {
    let high = evidence.exchange("high")?;
    if let Some(span) = evidence.span(high) {
        let expected = "no span: OTEL_TRACES_SAMPLER=traceidratio excludes this trace id";
        return Err(Finding::exchange(high, text(span), expected).into());
    }
    span_of(evidence, evidence.exchange("low")?)?;
    Ok(())
}

fn none(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("page")?;
    require(evidence.spans.is_empty(), || {
        let count = evidence.spans.len();
        let expected = "no span, because OTEL_SDK_DISABLED is true";
        Finding::exchange(exchange, format!("{count} spans"), expected)
    })?;
    let end = evidence.shutdown.and_then(|shutdown| shutdown.end);
    let reason = "the process did not end, so a span can follow";
    end.map(drop).ok_or_else(|| Fault::not_proven(reason))
}
