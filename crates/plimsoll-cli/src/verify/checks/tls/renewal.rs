//! TLS-4 and TLS-5: new files, usable or not.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    verify::{
        evidence::Evidence,
        handshake::Handshake,
        judgement::{Fault, Finding, Judgement, require},
        metrics::Scrape,
        probe::{Observation, Probe},
        scenario::TLS,
        subject::{Hello, Subject},
    },
    wire::{Response, Session},
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &TLS,
        observation: Observation::Session(|subject| Box::pin(renewal(subject))),
        checks: &[("TLS-4:renewed", renewed), ("TLS-4:open", open)],
    },
    Probe {
        scenario: &TLS,
        observation: Observation::Session(|subject| Box::pin(broken(subject))),
        checks: &[
            ("TLS-5:kept", kept),
            ("TLS-5:record", record),
            ("TLS-5:counter", counter),
        ],
    },
];

/// The time from new files to their use, by itself and after SIGHUP.
const LIMIT: Duration = Duration::from_secs(5);
const SIGNALLED_LIMIT: Duration = Duration::from_secs(1);

/// The time beyond these limits that a busy machine may need.
const TOLERANCE: Duration = Duration::from_secs(2);

/// The pause between two handshakes.
const POLL: Duration = Duration::from_millis(50);

/// Handshakes for one request over the open connection.
const POLLS_PER_REQUEST: u32 = 10;

/// A request after which the connection stays open.
const KEPT: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The message of a reload that has failed.
const FAILED: &str = "tls_reload_failed";

async fn renewal(subject: &mut Subject<'_>) {
    let mut open = subject.session(&Hello::default()).await.ok();
    request_open(subject, &mut open).await;
    let renewed = |subject: &mut Subject<'_>| subject.authority()?.renew_by_link("second");
    if renewed(subject).is_ok() {
        let limit = LIMIT + TOLERANCE;
        poll(subject, &mut open, "link", "second", limit).await;
    }
    let renewed = |subject: &mut Subject<'_>| subject.authority()?.renew_in_place("third");
    if renewed(subject).is_ok() {
        subject.reload();
        let limit = SIGNALLED_LIMIT + TOLERANCE;
        poll(subject, &mut open, "SIGHUP", "third", limit).await;
    }
    request_open(subject, &mut open).await;
}

/// Sends a request over the connection that is open since before the renewal.
async fn request_open(subject: &mut Subject<'_>, open: &mut Option<Session>) {
    if let Some(session) = open {
        let exchange = session.exchange("open", String::new(), KEPT.to_vec());
        let exchange = exchange.await;
        if exchange.response().is_none_or(Response::closes) {
            *open = None;
        }
        subject.add([exchange]);
    }
}

/// Makes handshakes until the service presents a certificate, or the time is over.
async fn poll(
    subject: &mut Subject<'_>,
    open: &mut Option<Session>,
    name: &'static str,
    expected: &str,
    limit: Duration,
) {
    let end = subject.wire().elapsed() + limit;
    for number in 1.. {
        subject.visit(name, Hello::default()).await;
        let last = subject.evidence().handshakes.last();
        let is_presented = last.and_then(Handshake::certificate) == Some(expected);
        if is_presented || subject.wire().elapsed() > end {
            return;
        }
        // A service may close a connection that is idle for longer.
        if number % POLLS_PER_REQUEST == 0 {
            request_open(subject, open).await;
        }
        sleep(POLL).await;
    }
}

async fn broken(subject: &mut Subject<'_>) {
    let replaced = subject.authority().and_then(|it| it.break_certificate());
    if replaced.is_ok() {
        subject.reload();
        subject.wait_for_line(FAILED).await;
        subject.visit("broken", Hello::default()).await;
        subject.get_encrypted("failures", "/metrics").await;
    }
}

fn renewed(evidence: &Evidence) -> Judgement {
    presented(evidence, "link", "second", "a link to new files")?;
    presented(evidence, "SIGHUP", "third", "a new certificate, and SIGHUP")?;
    let records = evidence.records_with("tls_reloaded")?;
    require(!records.is_empty(), || {
        let sent = "a new certificate, and SIGHUP";
        Finding::new(sent, "no record tls_reloaded", "a record tls_reloaded")
    })
}

fn presented(evidence: &Evidence, name: &str, certificate: &str, sent: &str) -> Judgement {
    let expected =
        "handshakes with the new certificate within 5 s, after SIGHUP at once; none fails";
    for handshake in evidence.handshakes(name) {
        require(handshake.is_answered(), || {
            Finding::new(sent, handshake.text(), expected)
        })?;
    }
    let handshakes = evidence.handshakes(name);
    let Some(last) = handshakes.last() else {
        return Err(Fault::not_proven("no certificate was renewed"));
    };
    if last.certificate() == Some(certificate) {
        return Ok(());
    }
    let finding = Finding::new(sent, last.text(), expected);
    Err(Fault::late(finding, TOLERANCE, evidence.lag))
}

fn open(evidence: &Evidence) -> Judgement {
    evidence.exchange("open")?;
    for exchange in evidence.exchanges("open") {
        let Some(response) = exchange.response() else {
            let finding = Finding::response(exchange, "a response over the connection from before");
            let finding = finding.sent_as(|sent| format!("new certificates, and {sent}"));
            return Err(finding.into());
        };
        if response.closes() {
            let reason = "the service keeps no connection open";
            return Err(Fault::not_proven(reason));
        }
    }
    Ok(())
}

fn kept(evidence: &Evidence) -> Judgement {
    let handshake = evidence.handshake("broken")?;
    let is_kept = handshake.is_answered() && handshake.certificate() == Some("third");
    require(is_kept, || {
        let expected = "a session with the third certificate";
        Finding::new(SENT, handshake.text(), expected)
    })
}

/// What `broken` does.
const SENT: &str = "a file tls.crt without a certificate, and SIGHUP";

fn record(evidence: &Evidence) -> Judgement {
    let records = evidence.records_with(FAILED)?;
    let mut levels = records.iter().map(|record| record.text("levelname"));
    require(levels.any(|level| level == Some("ERROR")), || {
        let received = format!("no ERROR {FAILED}");
        Finding::new(SENT, received, format!("an ERROR {FAILED}"))
    })
}

fn counter(evidence: &Evidence) -> Judgement {
    const NAME: &str = "tls_reload_failures_total";
    let (exchange, _) = evidence.answer("failures")?;
    let value = Scrape::of(exchange)?.sum(NAME, &[]);
    require(value >= 1.0, || {
        Finding::new(SENT, format!("{NAME} {value}"), format!("{NAME} 1"))
    })
}
