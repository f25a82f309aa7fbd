//! TLS: versions, protocols and clients of handshakes, and settings that cannot be served.

mod clients;
mod renewal;
mod stalled;

use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use crate::{
    target::Start,
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        metrics::Scrape,
        probe::{Observation, Probe},
        scenario::{HALF_TLS, TLS, UNUSABLE_TLS},
        subject::{Hello, Subject, request},
    },
    wire::Outcome,
};

/// The probes of each part.
pub(super) const ALL: [&[Probe]; 4] = [PROBES, clients::PROBES, stalled::PROBES, renewal::PROBES];

const PROBES: &[Probe] = &[
    Probe {
        scenario: &TLS,
        observation: Observation::Session(|subject| Box::pin(handshakes(subject))),
        checks: &[
            ("TLS-1:versions", versions),
            ("TLS-1:old", old),
            ("TLS-2:preferred", preferred),
            ("TLS-2:other", other),
            ("TLS-6:end", end),
            ("TLS-6:soon", soon),
            ("TLS-7:plain", plain),
            ("TLS-7:counted", counted),
        ],
    },
    Probe {
        scenario: &HALF_TLS,
        observation: Observation::Start,
        checks: &[("TLS-1:pair", rejected)],
    },
    Probe {
        scenario: &UNUSABLE_TLS,
        observation: Observation::Start,
        checks: &[("TLS-1:unusable", rejected)],
    },
];

/// The versions that are served, each alone.
const NEW: &[&SupportedProtocolVersion] = &[&TLS13];
const OLD: &[&SupportedProtocolVersion] = &[&TLS12];

/// The protocol of no service.
const OTHER: &str = "plimsoll/0";

/// The counter of handshakes that fail.
const ERRORS: &str = "http_protocol_errors_total";
const KIND: &[(&str, &str)] = &[("kind", "tls_handshake")];

/// The life of a certificate in TLS-6 from which on its end is logged, in a report.
const SOON: &str = "a certificate that ends in 10 days";

async fn handshakes(subject: &mut Subject<'_>) {
    let both: &[&str] = &["h2", "http/1.1"];
    for (name, versions, protocols) in [
        ("TLS 1.3", NEW, &["http/1.1"][..]),
        ("TLS 1.2", OLD, &["http/1.1"]),
        ("none", rustls::ALL_VERSIONS, &[]),
        ("h2", rustls::ALL_VERSIONS, &["h2"]),
        ("both", rustls::ALL_VERSIONS, both),
        ("other", rustls::ALL_VERSIONS, &[OTHER]),
    ] {
        let hello = Hello {
            versions,
            protocols,
            ..Hello::default()
        };
        subject.visit(name, hello).await;
    }
    old_handshake(subject).await;
    subject.scrape("before").await;
    let nonce = subject.nonce();
    subject
        .send("plain", nonce, request("GET", "/health", &[]))
        .await;
    subject.scrape_until_risen(ERRORS, KIND, 1).await;
}

/// Begins a handshake with TLS 1.1. Without a connection, nothing is known.
async fn old_handshake(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    let Ok(connection) = wire.connect().await else {
        return;
    };
    let hello = old_hello();
    let sent = wire.elapsed();
    let received = wire.first_bytes(connection, &hello).await;
    let outcome = match received.is_empty() {
        true => Outcome::Lost,
        false => Outcome::Broken {
            received,
            fault: "the first bytes".to_owned(),
        },
    };
    subject.add([wire.ended("old", String::new(), hello, sent, outcome)]);
}

/// Returns the first message of a client that has TLS 1.1 and nothing newer.
///
/// No current library sends it.
fn old_hello() -> Vec<u8> {
    const VERSION: [u8; 2] = [3, 2];
    // ECDHE with ECDSA or RSA, and RSA, with AES in CBC mode and SHA-1.
    const SUITES: [u8; 12] = [0xc0, 9, 0xc0, 10, 0xc0, 0x13, 0xc0, 0x14, 0, 0x2f, 0, 0x35];
    // The curves X25519 and P-256, and uncompressed points.
    const EXTENSIONS: [u8; 16] = [0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 11, 0, 2, 1, 0];
    let random = [7; 32];
    let (suites, extensions) = (prefixed(&[0], &SUITES), prefixed(&[0], &EXTENSIONS));
    let body = [&VERSION[..], &random, &[0], &suites, &[1, 0], &extensions].concat();
    prefixed(&[22, 3, 1, 0], &prefixed(&[1, 0, 0], &body))
}

/// Returns the bytes after a head and their length, which are fewer than 256.
fn prefixed(head: &[u8], bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [head, &[length], bytes].concat()
}

fn versions(evidence: &Evidence) -> Judgement {
    let all = ["TLS 1.3", "TLS 1.2"].map(|name| evidence.handshake(name));
    let [new, old] = all;
    let (new, old) = (new?, old?);
    let plain = evidence.exchange("plain")?.status();
    let is_plain = plain.is_some_and(|status| status != 400);
    if new.result.is_err() && old.result.is_err() && is_plain {
        let reason = "TLS not offered: the listener answers HTTP without TLS";
        return Err(Fault::not_proven(reason));
    }
    for handshake in [new, old] {
        require(handshake.is_answered(), || {
            let sent = format!("a handshake with {}, and GET /health", handshake.name);
            Finding::new(
                sent,
                handshake.text(),
                "a response over TLS 1.3 and TLS 1.2",
            )
        })?;
    }
    Ok(())
}

fn old(evidence: &Evidence) -> Judgement {
    /// The type of a record with a message of the handshake, such as `ServerHello`.
    const HANDSHAKE: u8 = 22;
    let exchange = evidence.exchange("old")?;
    let is_accepted = match &exchange.outcome {
        Outcome::Broken { received, .. } => received.first() == Some(&HANDSHAKE),
        _ => false,
    };
    require(!is_accepted, || {
        let expected = "an alert, or the end of the connection";
        Finding::new("a ClientHello of TLS 1.1", "a ServerHello", expected)
    })
}

fn preferred(evidence: &Evidence) -> Judgement {
    let none = evidence.handshake("none")?;
    require(none.is_answered(), || {
        let sent = "a handshake without ALPN, and GET /health";
        Finding::new(sent, none.text(), "an answer over HTTP/1.1")
    })?;
    let both = evidence.handshake("both")?;
    if evidence.handshake("h2")?.protocol() != "h2" && both.protocol() != "h2" {
        let reason = "HTTP/2 not offered: it is not negotiated over TLS";
        return Err(Fault::not_proven(reason));
    }
    require(both.protocol() == "h2", || {
        let sent = "a handshake with the protocols h2 and http/1.1";
        Finding::new(sent, both.text(), "a session with h2")
    })
}

fn other(evidence: &Evidence) -> Judgement {
    let other = evidence.handshake("other")?;
    require(other.result.is_err(), || {
        let sent = format!("a handshake with the protocol {OTHER}");
        Finding::new(sent, other.text(), "an alert")
    })
}

fn end(evidence: &Evidence) -> Judgement {
    const NAME: &str = "tls_certificate_not_after_seconds";
    let (exchange, _) = evidence.answer("before")?;
    let value = Scrape::of(exchange)?.sum(NAME, &[]);
    let missing = || Fault::not_proven("the scenario has no certificate");
    let expected = evidence.certificate_end.ok_or_else(missing)? as f64;
    require((value - expected).abs() <= 1.0, || {
        let received = format!("{NAME} {value}");
        Finding::exchange(exchange, received, format!("{NAME} {expected}"))
    })
}

fn soon(evidence: &Evidence) -> Judgement {
    const MESSAGE: &str = "tls_certificate_expires_soon";
    let records = evidence.records_with(MESSAGE)?;
    let mut levels = records.iter().map(|record| record.text("levelname"));
    require(levels.any(|level| level == Some("WARNING")), || {
        let received = format!("no WARNING {MESSAGE}");
        Finding::new(format!("a start with {SOON}"), received, "one record")
    })
}

fn plain(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("plain")?;
    require(exchange.response().is_none(), || {
        let finding = Finding::response(exchange, "the end of the connection, without a response");
        finding.sent_as(|sent| format!("{sent}, without TLS"))
    })
}

fn counted(evidence: &Evidence) -> Judgement {
    evidence.require_rise(ERRORS, KIND, "GET /health, without TLS")
}

/// Judges a start with settings that cannot be served.
fn rejected(evidence: &Evidence) -> Judgement {
    if let Some(Start::Silent { .. }) = &evidence.start {
        let reason = "the process neither ended nor answered within the time for the start";
        return Err(Fault::not_proven(reason));
    }
    super::cfg::rejected(evidence)
}
