//! ADM-2 and ADM-15: the shutdown by an operator.
//!
//! With the route `slow`, a request keeps the shutdown from its end while the main listener is closed.

use std::time::Duration;

use super::{control, controls, finding, has_status, open_controls};
use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        routes::Route,
        scenario::OPERATED,
        subject::{Subject, request},
    },
    wire::{Exchange, Outcome},
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
        ("ADM-2:drain", answers),
    ],
};

/// `DRAIN_DELAY + SHUTDOWN_TIMEOUT + 3 s` of the scenario, and one more second.
const LIMIT: Duration = Duration::from_secs(10);

/// The time in milliseconds that the route `slow` takes, which is longer than DRAIN_DELAY.
const SLOW: u64 = 2500;

async fn drain(subject: &mut Subject<'_>) {
    if !open_controls(subject).await {
        return;
    }
    let wire = subject.wire();
    let slow = subject.route(Route::Slow, &[("ms", SLOW)]).map(|path| {
        let bytes = request("GET", &path, &[]);
        tokio::spawn(async move { wire.exchange("slow", String::new(), bytes).await })
    });
    let drain = control("POST", "/admin/drain", "");
    subject.send_admin("drain", drain).await;
    let drain = subject.evidence().exchange("drain");
    if drain.is_ok_and(|drain| drain.status() == Some(202)) {
        // The shutdown begins after the answer. DRAIN_DELAY keeps the process for another second.
        if super::poll(subject, "draining", Some(503)).await {
            let hold = control("PUT", "/admin/readiness", "ready=false");
            subject.send_admin("conflict", hold).await;
        }
        if slow.is_some() {
            super::poll(subject, "closed", None).await;
            let health = request("GET", "/health", &[]);
            subject.send_admin("late", health).await;
        }
        subject.expect_end(LIMIT).await;
    }
    if let Some(slow) = slow
        && let Ok(exchange) = slow.await
    {
        subject.add([exchange]);
    }
}

fn answers(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    evidence.require_route(Route::Slow)?;
    let (late, slow) = (evidence.exchange("late")?, evidence.exchange("slow")?);
    let is_closed = |it: &Exchange| matches!(it.outcome, Outcome::Refused | Outcome::Lost);
    if !evidence.exchanges("closed").any(is_closed) {
        let reason = "the main listener did not close before the end of the process";
        return Err(Fault::not_proven(reason));
    }
    // The process ran at least until it had answered the slow request.
    if slow.response().is_none() || slow.done < late.done {
        let reason = "the slow request ended too early: timers were late";
        return Err(Fault::Unmeasured(reason.to_owned()));
    }
    require(late.status() == Some(200), || {
        let finding = finding(late, "status 200 until the shutdown is over");
        Finding {
            sent: format!("after the main listener has closed, {}", finding.sent),
            ..finding
        }
    })
}

fn end(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let Some(shutdown) = evidence.shutdown else {
        return Err(Fault::not_proven("the service was not ended"));
    };
    let expected = "the end with status 0, and a last record of the logger infra with the reason \
                    operator";
    let records = evidence.records()?;
    let mut records = records.iter();
    let last = records.rfind(|record| record.text("name") == Some("infra"));
    let is_reason = last.is_some_and(|record| record.text("reason") == Some("operator"));
    let holds = is_reason && shutdown.end.is_some_and(|end| end.code == Some(0));
    require(holds, || {
        let end = shutdown
            .end
            .map_or("no end".to_owned(), |end| end.to_string());
        let record = last.map_or("no record of infra", |record| record.line());
        Finding::new("POST /admin/drain", format!("{end}; {record}"), expected)
    })
}
