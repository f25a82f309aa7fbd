//! LOG-13: requests that the parser rejects.

use crate::verify::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, require},
    record::Record,
    subject::{COUNTED, Subject},
};

/// Requests that a parser rejects.
const REJECTED: usize = 3;

/// The counter of requests, and the label of those without a method.
const COUNTER: &str = "http_requests_total";
const METHOD: &[(&str, &str)] = &[("method", "_OTHER")];

pub(super) async fn rejected(subject: &mut Subject<'_>) {
    subject.scrape("before").await;
    for _ in 0..REJECTED {
        let nonce = subject.nonce();
        subject
            .send("rejected", nonce, b"NOT HTTP\r\n\r\n".to_vec())
            .await;
    }
    subject.scrape_until_risen(COUNTER, METHOD, REJECTED).await;
    subject.settle().await;
}

pub(super) fn rejected_record(evidence: &Evidence) -> Judgement {
    evidence.exchange("rejected")?;
    let records = evidence.records_with("http_request")?;
    let is_complete = |record: &&Record| {
        record.text("protocolError").is_some()
            && record.text("method") == Some("-")
            && record.text("rawPath") == Some("-")
            && record.text("path") == Some("__unmatched__")
            && record.text("ip").is_some()
    };
    let found = records.iter().filter(is_complete).count();
    require(found >= REJECTED, || {
        let received = format!("{found} records with protocolError");
        let expected = "a record http_request for each, with protocolError, ip, \"-\" for method and \
                        rawPath, and path \"__unmatched__\"";
        not_http(received, expected)
    })
}

pub(super) fn rejected_count(evidence: &Evidence) -> Judgement {
    evidence.exchange("rejected")?;
    let rise = evidence.rise(COUNTER, METHOD)?;
    if rise >= REJECTED as f64 {
        return Ok(());
    }
    let received = format!("http_requests_total{{method=\"_OTHER\"}} rose by {rise}");
    let finding = not_http(received, "a rise by 3");
    Err(Fault::late(finding, COUNTED, evidence.lag))
}

fn not_http(received: String, expected: &str) -> Finding {
    let sent = format!("{REJECTED} times a line that is no request: NOT HTTP");
    Finding::new(sent, received, expected)
}
