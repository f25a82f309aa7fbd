//! SRV: limits of time and size, and clients that exceed them.

mod framing;
mod limits;
mod panic;
mod timeouts;

use std::time::Duration;

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        scenario::{BASE, LIMITS, READ_TIMEOUT, TIMEOUTS},
        subject::Subject,
    },
    wire::{Exchange, Outcome},
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(heads(subject))),
        checks: &[("SRV-1:head", late_head), ("SRV-3:host", host)],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(framing::requests(subject))),
        checks: &[
            ("SRV-3:canary", framing::canary_is_not_handled),
            ("SRV-3:framing", framing::length_is_required),
            ("SRV-3:large", framing::head_is_limited),
            ("SRV-3:unread", framing::unread_body),
        ],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(limits::hostile(subject))),
        checks: &[("SRV-6:beside", limits::served)],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(panic::panics(subject))),
        checks: &[
            ("SRV-5:response", panic::response),
            ("SRV-5:record", panic::record),
            ("SRV-5:count", panic::count),
        ],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(panic::blocks(subject))),
        checks: &[("SRV-7:stuck", panic::stuck)],
    },
    Probe {
        scenario: &TIMEOUTS,
        observation: Observation::Session(|subject| Box::pin(timeouts::requests(subject))),
        checks: &[
            ("SRV-1:idle", timeouts::idle_connection),
            ("SRV-1:body", timeouts::stalled_body),
            ("SRV-1:write", timeouts::slow_reader_is_closed),
            ("SRV-2:stall", timeouts::stalled_body_gets_408),
        ],
    },
    Probe {
        scenario: &LIMITS,
        observation: Observation::Session(|subject| Box::pin(limits::requests(subject))),
        checks: &[
            ("SRV-2:handler", limits::slow_handler),
            ("SRV-3:body", limits::long_body),
            ("SRV-4:evicted", limits::evicted),
            ("SRV-4:served", limits::served_at_the_limit),
            ("SRV-4:shed", limits::shed),
            ("SRV-8:age", limits::connection_age),
        ],
    },
];

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
    let exchange = evidence.exchange("half")?;
    let sent = "half a request head: GET /, with READ_TIMEOUT=1s";
    ends_in_time(evidence, exchange, READ_TIMEOUT, sent)
}

/// Requires that the end of a connection is due to a time limit: it comes after half of the limit.
///
/// # Errors
///
/// Not proven if it comes before, such as by a refusal.
pub(super) fn reaches(time: Duration, limit: Duration) -> Judgement {
    if time >= limit / 2 {
        return Ok(());
    }
    let (time, limit) = (time.as_millis(), limit.as_millis());
    let reason =
        format!("the connection ended after {time} ms, long before the limit of {limit} ms");
    Err(Fault::not_proven(reason))
}

/// Judges that a connection ends after a time limit, and at most [`TOLERANCE`] later.
fn ends_in_time(
    evidence: &Evidence,
    exchange: &Exchange,
    limit: Duration,
    sent: &str,
) -> Judgement {
    evidence.require_command()?;
    let time = exchange.time();
    let is_closed = exchange.outcome != Outcome::Late;
    if is_closed && time <= limit + TOLERANCE {
        return reaches(time, limit);
    }
    let received = match is_closed {
        true => format!("the end of the connection after {} ms", time.as_millis()),
        false => format!("an open connection after {} ms", time.as_millis()),
    };
    let expected = format!(
        "the end of the connection after {} s, and at most {} s later",
        limit.as_secs(),
        TOLERANCE.as_secs()
    );
    let finding = Finding::new(sent, received, expected);
    Err(match is_closed {
        true => Fault::late(finding, TOLERANCE, evidence.lag),
        false => finding.into(),
    })
}

fn host(evidence: &Evidence) -> Judgement {
    for exchange in evidence.exchanges("host") {
        require(exchange.status() == Some(400), || {
            let finding = Finding::response(exchange, "status 400");
            let request = String::from_utf8_lossy(&exchange.request);
            finding.sent_as(|_| request.trim_end().to_owned())
        })?;
    }
    Ok(())
}
