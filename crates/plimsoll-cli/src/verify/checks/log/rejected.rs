//! LOG-13: requests that the parser rejects.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        metrics::Scrape,
        record::Record,
        subject::Subject,
    },
    wire::Exchange,
};

/// Requests that a parser rejects.
const REJECTED: usize = 3;

/// The most scrapes until they are counted, and the pause between two.
const SCRAPES: usize = 40;
const PAUSE: Duration = Duration::from_millis(25);

pub(super) async fn rejected(subject: &mut Subject<'_>) {
    subject.send_kept("before", "GET", "/metrics").await;
    for _ in 0..REJECTED {
        let nonce = subject.nonce();
        subject
            .send("rejected", nonce, b"NOT HTTP\r\n\r\n".to_vec())
            .await;
    }
    for _ in 0..SCRAPES {
        subject.send_kept("after", "GET", "/metrics").await;
        if rise(subject.evidence()).is_ok_and(|rise| rise >= REJECTED as f64) {
            break;
        }
        sleep(PAUSE).await;
    }
    subject.settle().await;
}

pub(super) fn rejected_record(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("rejected")?;
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
        not_http(exchange, received, expected)
    })
}

pub(super) fn rejected_count(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("rejected")?;
    let rise = rise(evidence)?;
    if rise >= REJECTED as f64 {
        return Ok(());
    }
    let received = format!("http_requests_total{{method=\"_OTHER\"}} rose by {rise}");
    let finding = not_http(exchange, received, "a rise by 3");
    Err(Fault::late(finding, PAUSE * 40, evidence.lag))
}

fn not_http(exchange: &Exchange, received: String, expected: &str) -> Finding {
    let sent = format!("{REJECTED} times a line that is no request: NOT HTTP");
    Finding {
        sent,
        repeat: None,
        subject: None,
        ..Finding::exchange(exchange, received, expected)
    }
}

/// Returns the rise of the requests without a method between the first scrape and the last.
fn rise(evidence: &Evidence) -> Result<f64, Fault> {
    let count = |exchange: &Exchange| {
        let scrape = Scrape::of(exchange)?;
        Ok::<f64, Fault>(scrape.sum("http_requests_total", &[("method", "_OTHER")]))
    };
    let last = evidence.exchanges("after").last();
    let last = last.ok_or_else(|| Fault::NotProven("no scrape was made".to_owned()))?;
    Ok(count(last)? - count(evidence.exchange("before")?)?)
}
