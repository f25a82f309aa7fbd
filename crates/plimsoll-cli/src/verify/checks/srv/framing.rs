//! SRV-3: requests whose end is not certain, and what follows them on the connection.
//!
//! A probe is a request for which RFC 9112 leaves a server no choice, with a second request, the canary,
//! behind it in the same segment. Another canary follows the first response in a segment of its own:
//! some servers leave bytes unread that arrived with a request, and then read the next segment.
//! Bare line feeds between fields, folded lines and other versions are left out, because servers may
//! handle them differently.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{self, Fault, Finding, Judgement, require},
        subject::{Subject, request},
    },
    wire::{Exchange, Outcome},
};

/// A request whose end is not certain.
struct Ambiguous {
    /// The reason.
    name: &'static str,
    /// The paragraph that determines the response.
    paragraph: &'static str,
    version: &'static str,
    headers: &'static str,
    body: &'static str,
    /// Whether the paragraph requires status 400.
    is_rejected: bool,
}

const fn rejected(
    name: &'static str,
    paragraph: &'static str,
    headers: &'static str,
    body: &'static str,
) -> Ambiguous {
    Ambiguous {
        name,
        paragraph,
        version: "1.1",
        headers,
        body,
        is_rejected: true,
    }
}

const fn last(
    name: &'static str,
    paragraph: &'static str,
    headers: &'static str,
    body: &'static str,
) -> Ambiguous {
    Ambiguous {
        is_rejected: false,
        ..rejected(name, paragraph, headers, body)
    }
}

/// The end of a chunked body. It has as many bytes as [`FIVE`].
const CHUNKED: &str = "0\r\n\r\n";

/// A body of five bytes.
const FIVE: &str = "hello";

const PROBES: [Ambiguous; 14] = [
    rejected(
        "two lengths",
        "6.3",
        "Content-Length: 5\r\nContent-Length: 50\r\n",
        FIVE,
    ),
    rejected(
        "a list of lengths",
        "6.3",
        "Content-Length: 5, 50\r\n",
        FIVE,
    ),
    rejected(
        "a length with a sign",
        "6.3",
        "Content-Length: +5\r\n",
        FIVE,
    ),
    rejected(
        "a coding other than chunked",
        "6.3",
        "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n",
        CHUNKED,
    ),
    rejected(
        "chunked before another coding",
        "6.3",
        "Content-Length: 5\r\nTransfer-Encoding: chunked, gzip\r\n",
        CHUNKED,
    ),
    rejected(
        "a coding that contains chunked",
        "6.3",
        "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
        CHUNKED,
    ),
    rejected(
        "a space after Content-Length",
        "5.1",
        "Content-Length : 5\r\n",
        FIVE,
    ),
    rejected(
        "a space after Transfer-Encoding",
        "5.1",
        "Transfer-Encoding : chunked\r\n",
        CHUNKED,
    ),
    last(
        "a length and a coding",
        "6.1",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        CHUNKED,
    ),
    Ambiguous {
        version: "1.0",
        ..last(
            "a coding in HTTP/1.0",
            "6.1",
            "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
            CHUNKED,
        )
    },
    last(
        "a length above 2^64",
        "6.2",
        "Content-Length: 18446744073709551621\r\n",
        FIVE,
    ),
    last(
        "a chunk size above 2^64",
        "7.1",
        "Transfer-Encoding: chunked\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    last(
        "a chunk size with a prefix",
        "7.1",
        "Transfer-Encoding: chunked\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
    ),
    last(
        "a chunk longer than its size",
        "7.1",
        "Transfer-Encoding: chunked\r\n",
        "3\r\nhello\r\n0\r\n\r\n",
    ),
];

/// The time for the response to a canary.
const LIMIT: Duration = Duration::from_millis(1500);

/// More than the 64 KiB of a head.
const LONG: usize = 70 * 1024;

impl Ambiguous {
    /// Returns the request, with a canary behind it.
    fn bytes(&self, nonce: &str) -> Vec<u8> {
        let Self {
            version,
            headers,
            body,
            ..
        } = self;
        let head =
            format!("POST /.plimsoll/{nonce} HTTP/{version}\r\nHost: localhost\r\n{headers}");
        let request = format!("{head}\r\n{body}");
        [request.into_bytes(), canary()].concat()
    }

    fn finding(&self, first: &Exchange, received: String, expected: &str) -> Finding {
        let request = String::from_utf8_lossy(&first.request);
        let (request, _) = request.split_once("GET /health").unwrap_or((&request, ""));
        let (name, paragraph) = (self.name, self.paragraph);
        let sent = format!("{name} (RFC 9112, {paragraph}), then GET /health\n{request}");
        let finding = Finding::new(sent.trim_end(), received, expected);
        finding.about(name)
    }
}

fn canary() -> Vec<u8> {
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()
}

pub(super) async fn requests(subject: &mut Subject<'_>) {
    subject.get("control", "/health", &[]).await;
    let wire = subject.wire();
    let mut pairs = JoinSet::new();
    for (position, probe) in PROBES.iter().enumerate() {
        let nonce = subject.nonce();
        let requests = [probe.bytes(&nonce), canary()];
        pairs.spawn(async move {
            let names = ["ambiguous", "canary"];
            let pair = wire.exchange_pair(names, nonce, requests, LIMIT).await;
            (position, pair)
        });
    }
    let nonce = subject.nonce();
    let post = format!(
        "POST /.plimsoll/{nonce} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{FIVE}"
    );
    let names = ["unread", "after unread"];
    let requests = [post.into_bytes(), request("GET", "/health", &[])];
    let unread = wire.exchange_pair(names, nonce, requests, LIMIT);
    let long = format!("X-Long: {}", "a".repeat(LONG));
    let head = wire.exchange(
        "long head",
        subject.nonce(),
        request("GET", "/health", &[&long]),
    );
    let (unread, head) = tokio::join!(unread, head);
    let mut pairs = pairs.join_all().await;
    pairs.sort_by_key(|(position, _)| *position);
    subject.add(pairs.into_iter().flat_map(|(_, pair)| pair));
    subject.add(unread);
    subject.add([head]);
}

/// Returns the probes with their exchanges and those of their canaries.
fn pairs(evidence: &Evidence) -> impl Iterator<Item = (&'static Ambiguous, [&Exchange; 2])> {
    let first = evidence.exchanges("ambiguous");
    let pairs = first.zip(evidence.exchanges("canary"));
    let pairs = pairs.map(|(first, second)| [first, second]);
    PROBES.iter().zip(pairs)
}

/// Judges that no request behind an ambiguous one is handled.
pub(super) fn canary_is_not_handled(evidence: &Evidence) -> Judgement {
    if evidence.exchange("control")?.status() != Some(200) {
        let reason = "GET /health has no status 200, so it shows nothing behind another request";
        return Err(Fault::not_proven(reason));
    }
    judgement::each(pairs(evidence), |(probe, [first, second])| {
        match (first.status(), second.status()) {
            (one, Some(200)) => {
                let one = one.map_or("no response".to_owned(), |it| format!("status {it}"));
                let received = format!("{one}, and status 200 for the request behind it");
                let expected = "at most one response, and the end of the connection";
                Err(probe.finding(first, received, expected).into())
            }
            _ => Ok(()),
        }
    })
}

/// Judges that requests whose length is not determined are rejected.
pub(super) fn length_is_required(evidence: &Evidence) -> Judgement {
    let rejected = pairs(evidence).filter(|(probe, _)| probe.is_rejected);
    judgement::each(rejected, |(probe, [first, _])| match &first.outcome {
        // RFC 9112, 6.1, recommends 501 for a coding that the server does not know.
        Outcome::Answered(response) if !matches!(response.status, 400 | 501) => {
            let received = format!("status {}", response.status);
            Err(probe.finding(first, received, "status 400").into())
        }
        Outcome::Late => {
            let received = format!("no response within {} ms", LIMIT.as_millis());
            let finding = probe.finding(first, received, "status 400");
            Err(Fault::late(finding, LIMIT, evidence.lag))
        }
        // The end of the connection can overtake its response.
        _ => Ok(()),
    })
}

pub(super) fn head_is_limited(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("long head")?;
    match &exchange.outcome {
        Outcome::Answered(response) => require(response.status == 431, || {
            let received = format!("status {}", response.status);
            let sent = format!("GET /health with a head of {LONG} bytes");
            Finding::new(sent, received, "status 431")
        }),
        _ => {
            let reason = "the connection ended before a response to the long head could be read";
            Err(Fault::not_proven(reason))
        }
    }
}

/// Judges that a connection ends announced, or goes on, after a body that was not read.
pub(super) fn unread_body(evidence: &Evidence) -> Judgement {
    let (_, response) = evidence.answer("unread")?;
    let second = evidence.exchange("after unread")?;
    if response.closes() || second.response().is_some() {
        return Ok(());
    }
    let finding = Finding::response(second, "a response, or Connection: close in the one before");
    let finding = Finding {
        sent: format!(
            "POST to an unknown path with a body of 5 bytes, answered with status {}, then {}",
            response.status, finding.sent
        ),
        repeat: None,
        subject: None,
        ..finding
    };
    Err(match second.outcome {
        Outcome::Late => Fault::late(finding, LIMIT, evidence.lag),
        _ => finding.into(),
    })
}
