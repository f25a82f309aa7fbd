//! LIFE-1: requests in flight at SIGTERM.
//!
//! A request is in flight if it was written to an open connection, and no byte of its response had
//! arrived before the signal. A service that answers in microseconds has no such request by chance.
//! So the whole service is stopped while the requests and the signal arrive, as a hypervisor may do.
//! With the route `slow` this is not necessary, and shows more: the handlers are running.

use std::time::Duration;

use tokio::{task::JoinSet, time::sleep};

use super::signalled;
use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement},
        routes::Route,
        subject::{Subject, request},
    },
    wire::{Exchange, Pending},
};

/// Requests just before the signal.
const VOLLEY: usize = 8;

/// The smallest number of requests in flight that is a proof.
const MIN_IN_FLIGHT: usize = 5;

/// The time in milliseconds that the route `slow` takes.
const SLOW: u64 = 300;

/// The time for the service to accept the connections, and to begin requests to the route `slow`.
const SETTLING: Duration = Duration::from_millis(50);

/// Sends requests and SIGTERM. Returns the requests that are in flight.
pub(super) async fn send_and_terminate(subject: &mut Subject<'_>) -> JoinSet<Exchange> {
    let wire = subject.wire();
    let mut connections = Vec::new();
    for _ in 0..VOLLEY {
        connections.push(wire.connect().await);
    }
    // An answer on a later connection proves that the earlier ones are accepted.
    subject.get("before", "/", &[]).await;
    sleep(SETTLING).await;
    let slow = subject.route(Route::Slow, &[("ms", SLOW)]);
    if slow.is_none() {
        subject.freeze().await;
    }
    let path = slow.as_deref().unwrap_or("/");
    let mut volley = Vec::new();
    for connection in connections {
        let bytes = request("GET", path, &[]);
        let pending = wire.send("in flight", String::new(), bytes, connection);
        volley.push(pending.await);
    }
    if slow.is_some() {
        sleep(SETTLING).await;
    }
    volley.retain(Pending::is_unanswered);
    subject.terminate();
    subject.thaw();
    volley.into_iter().map(Pending::receive).collect()
}

pub(super) fn judge(evidence: &Evidence) -> Judgement {
    signalled(evidence)?;
    let in_flight = evidence.exchanges("in flight").count();
    let lost = evidence.exchanges("in flight");
    let lost: Vec<&Exchange> = lost.filter(|it| it.response().is_none()).collect();
    if let Some(first) = lost.first() {
        let finding = Finding::response(first, "an answer");
        let count = lost.len();
        return Err(Finding {
            sent: format!("{}, in flight at SIGTERM", finding.sent),
            received: format!("{} ({count} of {in_flight} requests)", finding.received),
            repeat: None,
            ..finding
        }
        .into());
    }
    if in_flight < MIN_IN_FLIGHT {
        let remedy = match evidence.has_route(Route::Slow) {
            true => String::new(),
            false => format!("; {}", Route::Slow.remedy()),
        };
        let reason =
            format!("{in_flight} requests were in flight, fewer than {MIN_IN_FLIGHT}{remedy}");
        return Err(Fault::not_proven(reason));
    }
    Ok(())
}
