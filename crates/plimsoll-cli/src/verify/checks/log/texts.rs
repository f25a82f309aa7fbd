//! LOG-8: texts of a client that are long, or not UTF-8.

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, each, require},
        record::Record,
        subject::{Subject, request},
    },
    wire::Exchange,
};

/// The most bytes of a text, and of a method.
const MAX_TEXT: usize = 1024;
const MAX_METHOD: usize = 32;

/// The end of a text that was cut.
const CUT: char = '…';

/// A method that is longer.
const LONG_METHOD: &str = "XABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOP";

pub(super) async fn long_texts(subject: &mut Subject<'_>) {
    let long = "a".repeat(2000);
    // Each character has two bytes, and the 1,024th byte is within one.
    let agent = format!("a{}", "ä".repeat(1000));
    let path = format!("/{long}?q={long}");
    send_with_agent(subject, "long", &path, agent.as_bytes()).await;
    let nonce = subject.nonce();
    let id = format!("X-Request-ID: {nonce}");
    let path = format!("/.plimsoll/{nonce}");
    let method = request(LONG_METHOD, &path, &[&id]);
    subject.send("method", nonce, method).await;
    send_with_agent(subject, "invalid", "", b"x\xffy").await;
    subject.settle().await;
}

/// Sends a request for an unknown path, which ends in `rest`, with a `User-Agent` of any bytes.
pub(super) async fn send_with_agent(
    subject: &mut Subject<'_>,
    name: &'static str,
    rest: &str,
    agent: &[u8],
) {
    let nonce = subject.nonce();
    let head = format!(
        "GET /.plimsoll/{nonce}{rest} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         X-Request-ID: {nonce}\r\nUser-Agent: "
    );
    let request = [head.as_bytes(), agent, b"\r\n\r\n"].concat();
    subject.send(name, nonce, request).await;
}

fn cut_text(record: &Record, name: &str, max: usize) -> Option<bool> {
    let text = record.text(name)?;
    // The characters of the text that were kept fill the limit, up to one.
    let kept = text.strip_suffix(CUT)?;
    Some(kept.len() <= max && kept.len() + 2 > max)
}

pub(super) fn cut(evidence: &Evidence) -> Judgement {
    let (exchange, record) = recorded(evidence, "long")?;
    each(["rawPath", "query", "userAgent"], |name| {
        require(cut_text(&record, name, MAX_TEXT) == Some(true), || {
            let expected = format!("{name} cut at 1,024 bytes, with … at the end");
            Finding::record(exchange, &record, expected).about(name)
        })
    })
}

pub(super) fn cut_method(evidence: &Evidence) -> Judgement {
    let (exchange, record) = recorded(evidence, "method")?;
    require(
        cut_text(&record, "method", MAX_METHOD) == Some(true),
        || {
            let expected = "method cut at 32 bytes, with … at the end";
            Finding::record(exchange, &record, expected)
        },
    )
}

pub(super) fn invalid(evidence: &Evidence) -> Judgement {
    let (exchange, record) = recorded(evidence, "invalid")?;
    let agent = record.text("userAgent");
    require(agent == Some("x\u{fffd}y"), || {
        Finding::record(exchange, &record, "userAgent \"x\u{fffd}y\"")
    })
}

/// Returns the access record of a request.
///
/// # Errors
///
/// Not proven if the service rejects the request without a record.
fn recorded<'a>(evidence: &'a Evidence, name: &str) -> Result<(&'a Exchange, Record), Fault> {
    evidence.access_record(name).map_err(|fault| {
        let status = evidence.exchange(name).ok().and_then(Exchange::status);
        match (fault, status) {
            (Fault::Violated(_), Some(400 | 405 | 414 | 431 | 501) | None) => {
                let status = status.map_or("no".to_owned(), |status| status.to_string());
                Fault::NotProven(format!(
                    "the request got status {status} and made no record"
                ))
            }
            (fault, _) => fault,
        }
    })
}
