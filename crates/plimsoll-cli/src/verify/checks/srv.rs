//! SRV: late and invalid request heads.

use std::time::Duration;

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        scenario::{BASE, READ_TIMEOUT},
        subject::Subject,
    },
    wire::Outcome,
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &BASE,
    observation: Observation::Session(|subject| Box::pin(heads(subject))),
    checks: &[("SRV-1:head", late_head), ("SRV-3:host", host)],
}];

/// The time beyond the limit. Tomcat looks for late heads once a second, and was 1.5 s late.
const TOLERANCE: Duration = Duration::from_secs(2);

async fn heads(subject: &mut Subject<'_>) {
    let without = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    let two = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n";
    for (name, bytes) in [
        ("host", without),
        ("host", two),
        ("half", "GET / HTTP/1.1\r\nHost: localhost\r\n"),
    ] {
        let nonce = subject.nonce();
        subject.send(name, nonce, bytes.as_bytes().to_vec()).await;
    }
}

fn late_head(evidence: &Evidence) -> Judgement {
    if evidence.start.is_none() {
        return super::needs_command();
    }
    let exchange = evidence.exchange("half")?;
    let time = exchange.done.saturating_sub(exchange.sent);
    let is_closed = exchange.outcome != Outcome::Late;
    if is_closed && time <= READ_TIMEOUT + TOLERANCE {
        return Ok(());
    }
    let received = match is_closed {
        true => format!("the end of the connection after {} ms", time.as_millis()),
        false => format!("an open connection after {} ms", time.as_millis()),
    };
    let expected = "the end of the connection after READ_TIMEOUT, 1 s, and at most 2 s later";
    let finding = Finding::exchange(exchange, received, expected);
    let finding = Finding {
        sent: format!("half a request head: {}", finding.sent),
        repeat: None,
        ..finding
    };
    Err(match is_closed {
        true => Fault::late(finding, TOLERANCE, evidence.lag),
        false => finding.into(),
    })
}

fn host(evidence: &Evidence) -> Judgement {
    for exchange in evidence.exchanges("host") {
        require(exchange.status() == Some(400), || {
            let finding = Finding::response(exchange, "status 400");
            Finding {
                sent: String::from_utf8_lossy(&exchange.request)
                    .trim_end()
                    .to_owned(),
                repeat: None,
                ..finding
            }
        })?;
    }
    Ok(())
}
