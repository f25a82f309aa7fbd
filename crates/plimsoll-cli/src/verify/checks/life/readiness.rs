//! LIFE-1: the end of readiness at SIGTERM.

use std::time::Duration;

use tokio::time::sleep;

use super::signalled;
use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        subject::Subject,
    },
    wire::{Exchange, Outcome},
};

/// Time from the signal to the end of readiness.
const LIMIT: Duration = Duration::from_millis(100);

/// How long readiness is polled after the signal.
const POLLED: Duration = Duration::from_millis(500);

/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(10);

/// Polls `/ready` after the signal.
pub(super) async fn poll(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    let signal = subject.evidence().shutdown;
    let signal = signal.map_or_else(|| wire.elapsed(), |shutdown| shutdown.signal);
    while wire.elapsed() < signal + POLLED {
        subject.get("ready", "/ready", &[]).await;
        sleep(PAUSE).await;
    }
}

pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let signal = signalled(evidence)?.signal;
    let polls = evidence.exchanges("ready");
    let late: Vec<&Exchange> = polls.filter(|poll| poll.sent >= signal + LIMIT).collect();
    // A refused connection ends readiness as well, but it cannot replace the answer.
    let is_over = |poll: &Exchange| poll.status() == Some(503) || poll.outcome == Outcome::Refused;
    let Some(last) = late.iter().rfind(|poll| !is_over(poll)) else {
        return require(late.iter().any(|poll| poll.status() == Some(503)), || {
            let received = "no status 503, then refused connections";
            Finding::new("SIGTERM, then GET /ready", received, "status 503")
        });
    };
    let after = last.sent.saturating_sub(signal);
    // A busy machine delays the service as much as this command, and not always at the same time.
    let polls = evidence.exchanges("ready");
    let times = polls.map(|poll| poll.time());
    let lag = times.max().unwrap_or_default().max(evidence.lag);
    let finding = Finding::response(last, "status 503 from 100 ms after the signal");
    let finding =
        finding.sent_as(|sent| format!("SIGTERM, and {sent} after {} ms", after.as_millis()));
    Err(Fault::late(finding, after, lag))
}
