//! LOG-16: the records of DEBUG that a failed request leaves.

use serde_json::Value;

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, each, require},
        names::LEADING,
        record::Record,
        routes::Route,
        subject::Subject,
    },
    wire::Exchange,
};

/// The requests, and the status that each of them asks for.
const FAILED: (&str, u16) = ("failed", 500);
const SUCCEEDED: (&str, u16) = ("succeeded", 200);

/// The field that marks such a record.
const MARK: &str = "debugOnError";

pub(super) async fn requests(subject: &mut Subject<'_>) {
    for (name, status) in [FAILED, SUCCEEDED] {
        let Some(path) = subject.route(Route::Debug, &[("status", status.into())]) else {
            return;
        };
        subject.get_marked(name, &path, &[]).await;
    }
    subject.settle().await;
}

/// Returns a request that has the status that it asks for.
fn answered<'a>(
    evidence: &'a Evidence,
    (name, status): (&str, u16),
) -> Result<&'a Exchange, Fault> {
    let exchange = evidence.exchange_of(Route::Debug, name)?;
    match exchange.status() == Some(status) {
        true => Ok(exchange),
        false => Err(Fault::NotProven(format!(
            "the route debug has not answered with status {status}"
        ))),
    }
}

fn is_debug(record: &Record) -> bool {
    record.text("levelname") == Some("DEBUG")
}

pub(super) fn kept(evidence: &Evidence) -> Judgement {
    let exchange = answered(evidence, FAILED)?;
    let records = evidence.records_of(exchange)?;
    let is_access = |record: &Record| record.text("message") == Some("http_request");
    let Some(end) = records.iter().position(is_access) else {
        return Err(evidence.no_access_record(exchange));
    };
    let holds = records[..end].iter().any(is_debug) && !records[end..].iter().any(is_debug);
    require(holds, || {
        let lines: Vec<&str> = records.iter().map(Record::line).collect();
        let expected = "records at DEBUG with the request id, all before the access record";
        Finding::exchange(exchange, lines.join("\n"), expected)
    })
}

pub(super) fn marked(evidence: &Evidence) -> Judgement {
    let exchange = answered(evidence, FAILED)?;
    let mut records = evidence.records_of(exchange)?;
    records.retain(is_debug);
    // Other names have an order of their own.
    let is_ordered = evidence.names.require_none().is_ok();
    each(&records, |record| {
        let is_next = record.names().nth(LEADING.len()) == Some(MARK);
        let holds = record.get(MARK) == Some(&Value::Bool(true)) && (is_next || !is_ordered);
        require(holds, || {
            let expected = format!("{MARK}: true after the leading fields");
            Finding::record(exchange, record, expected)
        })
    })
}

pub(super) fn freed(evidence: &Evidence) -> Judgement {
    let exchange = answered(evidence, SUCCEEDED)?;
    let records = evidence.records_of(exchange)?;
    match records.iter().find(|record| is_debug(record)) {
        None => Ok(()),
        Some(record) => {
            let expected = "no record at DEBUG of a request that has succeeded";
            Err(Finding::record(exchange, record, expected).into())
        }
    }
}
