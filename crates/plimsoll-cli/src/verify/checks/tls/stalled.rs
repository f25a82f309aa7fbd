//! TLS-7: handshakes beside others that stall.

use tokio::io::AsyncWriteExt as _;

use crate::verify::{
    evidence::Evidence,
    judgement::{Finding, Judgement, require},
    probe::{Observation, Probe},
    scenario::TLS,
    subject::{Hello, Subject},
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &TLS,
    observation: Observation::Session(|subject| Box::pin(stalled(subject))),
    checks: &[("TLS-7:stalled", beside)],
}];

/// Handshakes that stall, more than a service has threads.
const STALLED: usize = 64;

/// The begin of a `ClientHello`.
const BEGIN: &[u8] = &[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];

async fn stalled(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    let mut connections = subject.open(wire, STALLED).await;
    for stream in &mut connections {
        // A service that closes the connection has no stalled handshake.
        let _ = stream.write_all(BEGIN).await;
    }
    subject.visit("beside", Hello::default()).await;
}

fn beside(evidence: &Evidence) -> Judgement {
    evidence.require_open()?;
    let handshake = evidence.handshake("beside")?;
    require(handshake.is_answered(), || {
        let sent = format!("a handshake beside {STALLED} that stall, and GET /health");
        Finding::new(sent, handshake.text(), "a response")
    })
}
