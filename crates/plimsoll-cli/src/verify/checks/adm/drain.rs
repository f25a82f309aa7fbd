//! ADM-15: the shutdown by an operator.

use std::time::Duration;

use super::{control, controls, has_status, open_controls};
use crate::verify::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, require},
    probe::{Observation, Probe},
    scenario::OPERATED,
    subject::Subject,
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(drain(subject))),
    checks: &[
        ("ADM-15:accepted", |evidence| {
            controls(evidence)?;
            has_status(evidence, "drain", 202)
        }),
        ("ADM-15:conflict", |evidence| {
            controls(evidence)?;
            has_status(evidence, "conflict", 409)
        }),
        ("ADM-15:end", end),
    ],
};

/// `DRAIN_DELAY + SHUTDOWN_TIMEOUT + 3 s` of the scenario, and one more second.
const LIMIT: Duration = Duration::from_secs(10);

async fn drain(subject: &mut Subject<'_>) {
    if !open_controls(subject).await {
        return;
    }
    subject
        .send_admin("drain", control("POST", "/admin/drain", ""))
        .await;
    if subject
        .evidence()
        .exchange("drain")
        .is_ok_and(|it| it.status() == Some(202))
    {
        // The shutdown begins after the answer. DRAIN_DELAY keeps the process for another second.
        if super::poll(subject, "draining", 503).await {
            let hold = control("PUT", "/admin/readiness", "ready=false");
            subject.send_admin("conflict", hold).await;
        }
        subject.expect_end(LIMIT).await;
    }
}

fn end(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let Some(shutdown) = evidence.shutdown else {
        return Err(Fault::NotProven("the service was not ended".to_owned()));
    };
    let expected = "the end with status 0, and a last record of the logger infra with the reason \
                    operator";
    let records = evidence.records()?;
    let last = records
        .iter()
        .rfind(|record| record.text("reason").is_some());
    let is_reason = last.is_some_and(|record| record.text("reason") == Some("operator"));
    let holds = is_reason && shutdown.end.is_some_and(|end| end.code == Some(0));
    require(holds, || {
        let end = shutdown
            .end
            .map_or("no end".to_owned(), |end| end.to_string());
        let record = last.map_or("no record with a reason", |record| record.line());
        Finding::new("POST /admin/drain", format!("{end}; {record}"), expected)
    })
}
