//! LOG-11: a log that is not read, as by a shipper that hangs.

use tokio::task::JoinSet;

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        subject::{Subject, kept_request},
    },
    wire::Outcome,
};

/// Requests while the log is not read, on some connections. Their records exceed each usual buffer of a
/// pipe, 64 KiB, and of an output stream.
const UNREAD: usize = 400;
const CONNECTIONS: usize = 4;

/// The query that makes these records long.
const QUERY: usize = 1024;

pub(super) async fn unread_log(subject: &mut Subject<'_>) {
    subject.stop_reading();
    subject.get("before", "/metrics", &[]).await;
    let wire = subject.wire();
    let long = "a".repeat(QUERY);
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let nonces: Vec<String> = (0..UNREAD / CONNECTIONS).map(|_| subject.nonce()).collect();
        let long = long.clone();
        clients.spawn(async move {
            let (mut kept, mut exchanges) = (None, Vec::new());
            for nonce in nonces {
                let path = format!("/.plimsoll/stopped/{nonce}?{long}");
                let id = format!("X-Request-ID: {nonce}");
                let bytes = kept_request("GET", &path, &[&id]);
                let exchange = wire.exchange_kept(&mut kept, "unread", nonce, bytes).await;
                let is_late = exchange.outcome == Outcome::Late;
                exchanges.push(exchange);
                if is_late {
                    break;
                }
            }
            exchanges
        });
    }
    let exchanges = clients.join_all().await;
    subject.resume_reading();
    subject.add(exchanges.into_iter().flatten());
    subject.settle().await;
    subject.get("after", "/metrics", &[]).await;
}

pub(super) fn never_waits(evidence: &Evidence) -> Judgement {
    evidence.records()?;
    if evidence.start.is_none() {
        let reason = "the reader of the log of a service at a URL is unknown; pass a command";
        return Err(Fault::not_proven(reason));
    }
    let late = evidence
        .exchanges("unread")
        .find(|it| it.outcome == Outcome::Late);
    let Some(late) = late else {
        return enough(evidence);
    };
    let answered = evidence.exchanges("unread").count();
    let finding = Finding::response(late, "a response");
    Err(Finding {
        sent: format!("{UNREAD} requests, while standard output is not read"),
        received: format!("{} after {answered} requests", finding.received),
        repeat: None,
        subject: None,
        ..finding
    }
    .into())
}

fn enough(evidence: &Evidence) -> Judgement {
    let answered = evidence
        .exchanges("unread")
        .filter(|it| it.response().is_some());
    match answered.count() {
        UNREAD => Ok(()),
        count => Err(Fault::NotProven(format!(
            "{count} of {UNREAD} requests were answered"
        ))),
    }
}

/// Judges that each request has its record, or is counted as dropped.
pub(super) fn dropped_are_counted(evidence: &Evidence) -> Judgement {
    never_waits(evidence)?;
    let marker = evidence.exchange("marker")?;
    if evidence.records_of(marker)?.is_empty() {
        let reason = "the record of a later request has not arrived in time";
        return Err(Fault::Unmeasured(reason.to_owned()));
    }
    let dropped = evidence.rise("log_records_dropped_total", &[])?;
    let records = evidence.records_with("http_request")?;
    let of_probe = records.iter().filter(|record| {
        let path = record.text("rawPath").unwrap_or_default();
        path.starts_with("/.plimsoll/stopped/")
    });
    let written = of_probe.count();
    require(written as f64 + dropped >= UNREAD as f64, || {
        Finding::new(
            format!("{UNREAD} requests, while standard output is not read, and then it is"),
            format!("{written} access records, and log_records_dropped_total rose by {dropped}"),
            "a record of each request, or its count as dropped",
        )
    })
}
