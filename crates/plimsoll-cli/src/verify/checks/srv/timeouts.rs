//! SRV-1 and SRV-2: the time limits of connections.

use super::TOLERANCE;
use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        routes::Route,
        scenario::TIMEOUT,
        subject::{Subject, kept_request, request},
    },
    wire::{Exchange, Outcome, Response, Wire},
};

/// More than the buffers of both sides hold.
const UNREAD: usize = 8 << 20;

/// The most requests of a slow reader.
const MAX_REQUESTS: usize = 4000;

pub(super) async fn requests(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    subject.get("metrics", "/metrics", &[]).await;
    let metrics = subject.evidence().exchange("metrics").ok();
    let size = metrics.and_then(Exchange::response).map(size);
    let upload = subject.route(Route::Upload, &[]);
    let part = upload.map(|path| {
        let head = request("POST", &path, &["Content-Length: 10"]);
        [&head[..], b"abc"].concat()
    });
    let (idle, stalled, reader) =
        tokio::join!(idle(wire), stalled(wire, part), slow_reader(wire, size));
    subject.add([idle, stalled, reader].into_iter().flatten());
}

/// Waits for the end of a connection after one request.
async fn idle(wire: Wire) -> Option<Exchange> {
    let mut kept = None;
    let first = kept_request("GET", "/health", &[]);
    wire.exchange_kept(&mut kept, "idle", String::new(), first)
        .await;
    // Without a connection that stays open, nothing can be measured.
    Some(wire.watch("idle", kept?, TIMEOUT + TOLERANCE * 2).await)
}

async fn stalled(wire: Wire, request: Option<Vec<u8>>) -> Option<Exchange> {
    let exchange = wire.exchange("stalled", String::new(), request?);
    Some(exchange.await)
}

async fn slow_reader(wire: Wire, size: Option<usize>) -> Option<Exchange> {
    let count = UNREAD.div_ceil(size?);
    let request = kept_request("GET", "/metrics", &[]);
    let pause = TIMEOUT + TOLERANCE;
    let reads = wire.read_slowly("slow reader", &request, count, pause);
    match count <= MAX_REQUESTS {
        true => Some(reads.await),
        false => None,
    }
}

/// Returns the length of a response, about.
fn size(response: &Response) -> usize {
    response.body.len().max(1)
}

pub(super) fn idle_connection(evidence: &Evidence) -> Judgement {
    let reason = "the service closes the connection after a response";
    let idle = required(evidence, "idle", reason)?;
    let sent = "GET /health, and nothing more, with IDLE_TIMEOUT=1s";
    super::ends_in_time(evidence, idle, TIMEOUT, sent)
}

pub(super) fn stalled_body(evidence: &Evidence) -> Judgement {
    let stalled = evidence.exchange_of(Route::Upload, "stalled")?;
    let sent = "3 of 10 bytes of a body, with READ_TIMEOUT=1s";
    super::ends_in_time(evidence, stalled, TIMEOUT, sent)
}

pub(super) fn stalled_body_gets_408(evidence: &Evidence) -> Judgement {
    let stalled = evidence.exchange_of(Route::Upload, "stalled")?;
    require(stalled.status() == Some(408), || {
        let finding = Finding::response(stalled, "status 408");
        finding.sent_as(|sent| format!("{sent}, and 3 bytes of its body"))
    })?;
    super::reaches(stalled.time(), TIMEOUT)
}

pub(super) fn slow_reader_is_closed(evidence: &Evidence) -> Judgement {
    let reason = "no response of GET /metrics is large enough to fill the buffers";
    let reader = required(evidence, "slow reader", reason)?;
    match &reader.outcome {
        Outcome::Lost => Ok(()),
        Outcome::Refused => Err(Fault::not_proven("no connection was opened")),
        Outcome::Answered(response) if response.closes() => {
            let reason = "the service closes the connection after some responses";
            Err(Fault::not_proven(reason))
        }
        _ => {
            let sent = "GET /metrics, pipelined, and no read for 3 s, with WRITE_TIMEOUT=1s";
            let received = "an open connection with further responses";
            let finding = Finding::new(sent, received, "the end of the connection");
            Err(Fault::late(finding, TOLERANCE, evidence.lag))
        }
    }
}

fn required<'a>(evidence: &'a Evidence, name: &str, reason: &str) -> Result<&'a Exchange, Fault> {
    evidence.require_command()?;
    let mut exchanges = evidence.exchanges(name);
    exchanges.next().ok_or_else(|| Fault::not_proven(reason))
}
