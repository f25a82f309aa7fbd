//! ADM-5 and ADM-8: settings of the admin listener that are rejected.

use super::{controls, listener, open};
use crate::verify::{
    evidence::Evidence,
    judgement::{Judgement, each},
    probe::{Observation, Probe},
    scenario::OPERATED,
    subject::Subject,
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(starts(subject))),
    checks: &[
        ("ADM-5:address", address),
        ("ADM-5:used", used),
        ("ADM-8:token", token),
    ],
};

async fn starts(subject: &mut Subject<'_>) {
    if !open(subject).await {
        return;
    }
    let main = &[("ADMIN_ADDR", "127.0.0.1:{port}")];
    subject.start("main", &[], main).await;
    let name = &[("ADMIN_ADDR", "localhost:9")];
    subject.start("name", &[], name).await;
    let alone = &[("INFRA_ENDPOINTS", "admin")];
    subject.start("alone", &[], alone).await;
    let used = &[("ADMIN_ADDR", "127.0.0.1:{admin}")];
    subject.start("used", &[], used).await;
    let short = &[
        ("ADMIN_ADDR", "127.0.0.1:{admin}"),
        ("ADMIN_TOKEN", "0123456789abcdef0123456789abcde"),
    ];
    subject.start("short", &[], short).await;
    let space = &[
        ("ADMIN_ADDR", "127.0.0.1:{admin}"),
        ("ADMIN_TOKEN", "0123456789abcdef 0123456789abcdef"),
    ];
    subject.start("space", &[], space).await;
    let homeless = &[("ADMIN_TOKEN", "0123456789abcdef0123456789abcdef")];
    subject.start("homeless", &[], homeless).await;
}

fn address(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    let runs = [
        ("main", "ADMIN_ADDR"),
        ("name", "ADMIN_ADDR"),
        ("alone", "INFRA_ENDPOINTS"),
    ];
    each(runs, |(run, name)| evidence.run(run)?.is_rejected(&[name]))
}

fn used(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    let port = evidence.admin_port.map(|port| format!(":{port}"));
    evidence
        .run("used")?
        .is_rejected(&[&port.unwrap_or_default()])
}

fn token(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    each(["short", "space", "homeless"], |name| {
        evidence.run(name)?.is_rejected(&["ADMIN_TOKEN"])
    })
}
