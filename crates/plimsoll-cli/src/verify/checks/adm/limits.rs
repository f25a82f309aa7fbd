//! ADM-4 and ADM-18: silent clients, and too many changes.

use std::time::Duration;

use tokio::time::sleep;

use super::{control, controls, finding, listener, open};
use crate::verify::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, each, require},
    probe::{Observation, Probe},
    scenario::OPERATED,
    subject::{Subject, request},
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(many(subject))),
    checks: &[("ADM-4:silent", silent), ("ADM-18:rate", rate)],
};

/// The silent clients of each listener. A service with a thread for each client has as many threads.
const SILENT: usize = 100;

/// Changes at once. Ten in a second are permitted, so these are too many for two seconds, too.
const CHANGES: usize = 25;

/// The time in which more than ten changes are too many.
const SECOND: Duration = Duration::from_secs(1);

async fn many(subject: &mut Subject<'_>) {
    if !open(subject).await {
        return;
    }
    let Some(admin) = subject.admin_wire() else {
        return;
    };
    let mut connections = Vec::new();
    for wire in [subject.wire(), admin] {
        connections.extend(subject.open(wire, SILENT).await);
        subject.get("main", "/health", &[]).await;
        let health = request("GET", "/health", &[]);
        subject.send_admin("admin", health).await;
    }
    drop(connections);
    if controls(subject.evidence()).is_err() {
        return;
    }
    for _ in 0..CHANGES {
        let change = control("PUT", "/admin/loglevel", "level=INFO");
        subject.send_admin("change", change).await;
    }
    // The limit counts the changes of a second, and the shutdown follows with another one.
    let limit = subject.wire().elapsed() + 2 * SECOND;
    loop {
        let end = control("DELETE", "/admin/loglevel", "");
        subject.send_admin("delete", end).await;
        let last = subject.evidence().exchanges("delete").last();
        let is_rejected = last.is_some_and(|delete| delete.status() == Some(429));
        if !is_rejected || subject.wire().elapsed() > limit {
            return;
        }
        sleep(super::POLL).await;
    }
}

fn silent(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    evidence.require_open()?;
    let named = |name, wrap: fn(Finding) -> Finding| {
        each(evidence.exchanges(name), move |exchange| {
            require(exchange.status() == Some(200), || {
                let finding = wrap(Finding::response(exchange, "status 200"));
                finding.sent_as(|sent| format!("{SILENT} silent clients, and {sent}"))
            })
        })
    };
    let main = named("main", |finding| finding);
    let admin = named("admin", |finding| {
        finding.about("/health on the admin listener")
    });
    each([main, admin], |judgement| judgement)
}

fn rate(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let changes: Vec<_> = evidence.exchanges("change").collect();
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
        return Err(Fault::not_proven("no change was sent"));
    };
    if changes.iter().any(|change| change.status() == Some(429)) {
        return Ok(());
    }
    let time = last.done.saturating_sub(first.sent);
    if time >= SECOND {
        let reason = format!(
            "{CHANGES} changes took {} ms: timers were late",
            time.as_millis()
        );
        return Err(Fault::Unmeasured(reason));
    }
    let expected = "status 429 for more than ten changes in a second";
    let finding = finding(last, expected);
    Err(Finding {
        sent: format!(
            "{CHANGES} changes in {} ms: {}",
            time.as_millis(),
            finding.sent
        ),
        ..finding
    }
    .into())
}
