//! LIFE and LOG-1: the end of the service by SIGTERM, under requests.
//!
//! A volley of requests is sent just before the signal, and answered after it.
//! Clients send one request per new connection, one after the other, across the signal.
//! A request has one outcome, so a connection that is closed while idle is never taken for a loss.

use std::time::Duration;

use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    verify::{
        evidence::{Evidence, Shutdown},
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        routes::Route,
        scenario::BASE,
        subject::{Subject, request},
    },
    wire::{Exchange, Outcome, Wire},
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &BASE,
    observation: Observation::Session(|subject| Box::pin(shutdown(subject))),
    checks: &[
        ("LIFE-1:exit", exit),
        ("LIFE-1:in-flight", in_flight),
        ("LIFE-1:ready", readiness),
        ("LIFE-1:accepts", accepts),
        ("LOG-1:end", super::log::json),
        ("LIFE-6:report", report),
    ],
}];

/// Clients that send requests across the signal.
const CLIENTS: usize = 4;

/// Requests just before the signal.
const VOLLEY: usize = 16;

/// The smallest number of requests in flight that is a proof.
const MIN_IN_FLIGHT: usize = 5;

/// The time in milliseconds that the route `slow` takes, so that the volley is in flight at the signal.
const SLOW: u64 = 300;

/// The time of requests before the signal, and after it.
const BEFORE: Duration = Duration::from_millis(100);
const AFTER: Duration = Duration::from_millis(200);

/// The pause of a client between two requests.
const PAUSE: Duration = Duration::from_millis(2);

/// Time from the signal to the end of readiness.
const READINESS_LIMIT: Duration = Duration::from_millis(100);

/// The time up to which a busy machine may delay the end of readiness: then nothing is proven.
const READINESS_DELAYED: Duration = Duration::from_millis(400);

/// How long readiness is polled after the signal.
const POLLED: Duration = Duration::from_millis(500);

/// The pause between two polls.
const POLL: Duration = Duration::from_millis(10);

/// `DRAIN_DELAY + SHUTDOWN_TIMEOUT + 3 s` of the scenario.
const END_LIMIT: Duration = Duration::from_secs(9);

/// The time beyond the limit in which an end is still observed.
const GRACE: Duration = Duration::from_secs(1);

async fn shutdown(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    let stop = wire.elapsed() + BEFORE + AFTER;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(send_until(wire, stop));
    }
    let mut connections = Vec::new();
    for _ in 0..VOLLEY {
        connections.push(wire.connect().await);
    }
    sleep(BEFORE).await;
    let slow = subject.route(Route::Slow, &[("ms", SLOW)]);
    let path = slow.as_deref().unwrap_or("/");
    let mut volley = JoinSet::new();
    for connection in connections {
        let bytes = request("GET", path, &[]);
        let pending = wire.send("client", String::new(), bytes, connection).await;
        // The task runs after the signal: writing to a connection without a backlog does not wait.
        volley.spawn(pending.receive());
    }
    let signal = subject.terminate();
    while wire.elapsed() < signal + POLLED {
        subject.get("ready", "/ready", &[]).await;
        sleep(POLL).await;
    }
    // The listener stays open for another half second.
    subject.get("accepted", "/health", &[]).await;
    subject.add(volley.join_all().await);
    subject.add(clients.join_all().await.into_iter().flatten());
    subject.wait_for_end(END_LIMIT + GRACE).await;
}

/// Sends one request after the other, and keeps those that are in flight around the signal.
async fn send_until(wire: Wire, stop: Duration) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    while wire.elapsed() < stop {
        let bytes = request("GET", "/", &[]);
        let exchange = wire.exchange("client", String::new(), bytes).await;
        let is_over = exchange.outcome == Outcome::Refused;
        exchanges.push(exchange);
        if is_over {
            break;
        }
        sleep(PAUSE).await;
    }
    exchanges
}

fn signalled(evidence: &Evidence) -> Result<Shutdown, Fault> {
    let reason = "the service was not ended";
    let shutdown = evidence.shutdown;
    shutdown.ok_or_else(|| Fault::NotProven(reason.to_owned()))
}

fn exit(evidence: &Evidence) -> Judgement {
    let shutdown = signalled(evidence)?;
    let limit = shutdown.signal + END_LIMIT + GRACE;
    let expected = format!(
        "the end of the process within {} s, with status 0, or 3 if work was cut off",
        END_LIMIT.as_secs()
    );
    let received = match shutdown.end {
        None => format!("no end within {} s", (END_LIMIT + GRACE).as_secs()),
        Some(end) if matches!(end.code, Some(0 | 3)) && end.at <= limit => return Ok(()),
        Some(end) => {
            let after = end.at.saturating_sub(shutdown.signal).as_millis();
            format!("{end}, {after} ms after SIGTERM")
        }
    };
    Err(Finding::new("SIGTERM", received, expected).into())
}

fn in_flight(evidence: &Evidence) -> Judgement {
    let signal = signalled(evidence)?.signal;
    let clients = evidence.exchanges("client");
    let in_flight: Vec<&Exchange> = clients
        .filter(|it| it.sent < signal && it.done > signal && it.outcome != Outcome::Refused)
        .collect();
    let lost = in_flight.iter().filter(|it| it.response().is_none());
    if let Some(first) = lost.clone().next() {
        let finding = Finding::response(first, "an answer");
        let count = lost.count();
        return Err(Finding {
            sent: format!("{}, in flight at SIGTERM", finding.sent),
            received: format!(
                "{} ({count} of {} requests)",
                finding.received,
                in_flight.len()
            ),
            repeat: None,
            ..finding
        }
        .into());
    }
    if in_flight.len() < MIN_IN_FLIGHT {
        let found = in_flight.len();
        let remedy = match evidence.has_route(Route::Slow) {
            true => String::new(),
            false => format!("; {}", Route::Slow.remedy()),
        };
        let reason = format!("{found} requests were in flight, fewer than {MIN_IN_FLIGHT}{remedy}");
        return Err(Fault::NotProven(reason));
    }
    Ok(())
}

fn readiness(evidence: &Evidence) -> Judgement {
    let signal = signalled(evidence)?.signal;
    let polls = evidence.exchanges("ready");
    let late: Vec<&Exchange> = polls
        .filter(|poll| poll.sent >= signal + READINESS_LIMIT)
        .collect();
    // A refused connection ends readiness as well, but it cannot replace the answer.
    let is_over = |poll: &Exchange| poll.status() == Some(503) || poll.outcome == Outcome::Refused;
    let Some(last) = late.iter().rfind(|poll| !is_over(poll)) else {
        return require(late.iter().any(|poll| poll.status() == Some(503)), || {
            let received = "no status 503, then refused connections";
            Finding::new("SIGTERM, then GET /ready", received, "status 503")
        });
    };
    let after = last.sent.saturating_sub(signal);
    let (lag, after_ms) = (evidence.lag, after.as_millis());
    // A busy machine delays the service as much as this command, and not always at the same time.
    if after < READINESS_DELAYED.max(READINESS_LIMIT + lag) {
        let lag = lag.as_millis();
        let reason =
            format!("ready {after_ms} ms after the signal, and timers were late by {lag} ms");
        return Err(Fault::NotProven(reason));
    }
    let finding = Finding::response(last, "status 503 from 100 ms after the signal");
    Err(Finding {
        sent: format!("SIGTERM, and {} after {after_ms} ms", finding.sent),
        repeat: None,
        ..finding
    }
    .into())
}

fn report(evidence: &Evidence) -> Judgement {
    signalled(evidence)?;
    let expected = "a last record of the logger infra with requestsFinished, requestsCutOff and the \
                    durations of the phases";
    let records = evidence.records()?;
    let Some(last) = records.last() else {
        return Err(Finding::new("SIGTERM", "no record", expected).into());
    };
    let is_number = |name: &str| last.get(name).is_some_and(Value::is_number);
    let durations = last
        .names()
        .filter(|name| name.ends_with("Ms") && is_number(name));
    let holds = last.text("name") == Some("infra")
        && ["requestsFinished", "requestsCutOff"]
            .into_iter()
            .all(is_number)
        && durations.count() >= 2;
    require(holds, || Finding::new("SIGTERM", last.line(), expected))
}

fn accepts(evidence: &Evidence) -> Judgement {
    signalled(evidence)?;
    let exchange = evidence.exchange("accepted")?;
    require(exchange.response().is_some(), || {
        let finding = Finding::response(exchange, "an answer until DRAIN_DELAY is over");
        Finding {
            sent: format!(
                "SIGTERM with DRAIN_DELAY=1s, and {} after 500 ms",
                finding.sent
            ),
            repeat: None,
            ..finding
        }
    })
}
