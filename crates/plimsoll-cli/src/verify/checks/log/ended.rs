//! LOG-12: the records of a service that has ended.
//!
//! It ends twice: first right after its last response, then with a log that was not read.
//! The second time, so many records are written that the buffers of most services are full.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    target::Start,
    verify::{
        evidence::{Evidence, Signalled},
        judgement::{Fault, Finding, Judgement, require},
        record::Record,
        subject::{Subject, kept_request},
    },
};

/// Requests to a service whose log is read, and a part of their path.
const READ: usize = 400;
const READ_PATH: &str = "end-read";

/// The same while the log is not read. Their records exceed 4 MiB together.
const UNREAD: usize = 2200;
const UNREAD_PATH: &str = "end-unread";

/// The time for these requests. A service that is slower gets fewer.
const SENDING: Duration = Duration::from_secs(3);

/// The connections, each with one request at a time.
const CONNECTIONS: usize = 4;

/// The bytes in each of path and query that make a record long.
const FILLER: usize = 1000;

/// `SHUTDOWN_TIMEOUT + 3 s` of the scenario, and a second for a busy machine.
const END_LIMIT: Duration = Duration::from_secs(9);

/// The time for the flush of the log (LIFE-1).
const FLUSH: Duration = Duration::from_secs(3);

pub(super) async fn end(subject: &mut Subject<'_>) {
    send(subject, "read", READ, READ_PATH, "").await;
    subject.signal("read", Signal::TERM, END_LIMIT).await;
}

/// Starts the service again, stops reading, and ends it right after reading goes on.
pub(super) async fn end_unread(subject: &mut Subject<'_>) {
    if !matches!(subject.restart_ready().await, Some(Start::Ready(_))) {
        return;
    }
    subject.stop_reading();
    let filler = "f".repeat(FILLER);
    send(subject, "unread", UNREAD, UNREAD_PATH, &filler).await;
    subject.resume_reading();
    subject.signal("unread", Signal::TERM, END_LIMIT).await;
}

/// Sends requests over some connections, up to their number or until the time is over.
async fn send(
    subject: &mut Subject<'_>,
    name: &'static str,
    count: usize,
    path: &'static str,
    filler: &str,
) {
    let wire = subject.wire();
    let end = wire.elapsed() + SENDING;
    let mut clients = JoinSet::new();
    for client in 0..CONNECTIONS {
        let filler = filler.to_owned();
        clients.spawn(async move {
            let (mut kept, mut exchanges) = (None, Vec::new());
            for number in 0..count / CONNECTIONS {
                let path = format!("/.plimsoll/{path}/{client}-{number}-{filler}?{filler}");
                let bytes = kept_request("GET", &path, &[]);
                let exchange = wire.exchange_kept(&mut kept, name, String::new(), bytes);
                let exchange = exchange.await;
                let is_last = exchange.response().is_none() || wire.elapsed() > end;
                exchanges.push(exchange);
                if is_last {
                    break;
                }
            }
            exchanges
        });
    }
    let exchanges = clients.join_all().await;
    subject.add(exchanges.into_iter().flatten());
}

/// The access records and the responses of requests, after the end of the service.
struct Ended {
    signal: Signalled,
    written: usize,
    answered: usize,
    records: Vec<Record>,
}

impl Ended {
    fn of(evidence: &Evidence, name: &str, path: &str) -> Result<Self, Fault> {
        let records = evidence.records()?;
        let signal = evidence.signal(name)?;
        if signal.end.is_none() {
            return Err(Fault::not_proven("SIGTERM did not end the service"));
        }
        let unanswered = evidence.exchanges(name).find(|it| it.response().is_none());
        if let Some(unanswered) = unanswered {
            let reason = Finding::response(unanswered, "an answer").received;
            return Err(Fault::NotProven(format!("before SIGTERM: {reason}")));
        }
        let answered = evidence.exchanges(name).count();
        if answered == 0 {
            return Err(Fault::not_proven("no request was answered"));
        }
        let of_probe = records.iter().filter(|record| {
            record.text("message") == Some("http_request") && record.line().contains(path)
        });
        Ok(Self {
            signal,
            written: of_probe.count(),
            answered,
            records,
        })
    }

    /// Returns the last record.
    fn last(&self) -> Option<&Record> {
        self.records.last()
    }
}

pub(super) fn all(evidence: &Evidence) -> Judgement {
    let Ended {
        written, answered, ..
    } = Ended::of(evidence, "read", READ_PATH)?;
    if written == answered {
        return Ok(());
    }
    let finding = Finding::new(
        format!("{answered} requests, and SIGTERM right after the last response"),
        format!("{written} access records at the end"),
        format!("{answered} access records"),
    );
    Err(Fault::late(finding, FLUSH, evidence.lag))
}

pub(super) fn last(evidence: &Evidence) -> Judgement {
    let ended = Ended::of(evidence, "read", READ_PATH)?;
    let code = ended.signal.end.and_then(|end| end.code);
    let Some(last) = ended.last() else {
        return Err(Fault::not_proven("there is no record"));
    };
    let status = last.get("exitStatus").and_then(Value::as_i64);
    require(status.is_some() && status == code.map(i64::from), || {
        let code = code.map_or("a signal".to_owned(), |code| format!("status {code}"));
        let received = format!("the end with {code}, and {}", last.line());
        let expected = "a last record whose exitStatus is that of the process";
        Finding::new("SIGTERM", received, expected)
    })
}

pub(super) fn sum(evidence: &Evidence) -> Judgement {
    let ended = Ended::of(evidence, "unread", UNREAD_PATH)?;
    let dropped = ended.last().and_then(|last| last.get("logRecordsDropped"));
    let dropped = dropped.and_then(Value::as_u64).unwrap_or_default();
    let (written, answered) = (ended.written, ended.answered);
    let sum = u64::try_from(written)
        .unwrap_or(u64::MAX)
        .saturating_add(dropped);
    if sum >= u64::try_from(answered).unwrap_or(u64::MAX) {
        return Ok(());
    }
    let finding = Finding::new(
        format!("{answered} requests, while standard output is not read; then it is, and SIGTERM"),
        format!("{written} access records, and logRecordsDropped {dropped} in the last record"),
        format!("a sum of {answered}"),
    );
    Err(Fault::late(finding, FLUSH, evidence.lag))
}
