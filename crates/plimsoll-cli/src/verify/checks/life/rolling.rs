//! LIFE-5: a rolling restart behind a load balancer.
//!
//! The balancer is simulated. It polls `/ready` of each instance every 100 ms, and stops sending requests
//! to an instance 200 ms after the first poll that is refused or gets a 503.
//! A second instance is started, and then the first one gets SIGTERM under requests. If the command
//! serves one port only, there is no second instance, and the balancer stops with the first one.
//! A request to a connection that is being closed gets no response (RFC 9112, 9.5), so the balancer
//! sends it again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{END_LIMIT, GRACE, signalled};
use crate::{
    target::Process,
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement},
        subject::{Subject, kept_request, request},
    },
    wire::{Exchange, Outcome, Wire},
};

/// The pause between two polls of an instance.
const POLL: Duration = Duration::from_millis(100);

/// The time from the poll that fails to the last request.
const DETECTION: Duration = Duration::from_millis(200);

/// The longest time from the end of the service to its detection.
const REMOVAL_LIMIT: Duration = Duration::from_secs(1);

/// `DRAIN_DELAY` of the scenario, which exceeds both.
const DRAIN_DELAY: Duration = Duration::from_secs(1);

/// The time from the signal to the end of readiness (LIFE-1).
const READINESS: Duration = Duration::from_millis(100);

/// The clients of the balancer. Every other one keeps its connections.
const CLIENTS: usize = 4;

/// The pause of a client between two requests.
const PAUSE: Duration = Duration::from_millis(10);

/// The requests before the signal, and the longest time for them.
const BEFORE: usize = 10 * CLIENTS;
const BEFORE_LIMIT: Duration = Duration::from_secs(2);

/// The smallest number of requests to the old instance after the signal that is a proof.
const MIN_SENT: usize = 10;

/// The names of requests and polls, by instance.
const REQUESTS: [&str; 2] = ["old instance", "new instance"];
const POLLS: [&str; 2] = ["poll of the old instance", "poll of the new instance"];

/// A simulated load balancer in front of the instances.
#[derive(Debug)]
struct Balancer {
    instances: Vec<Instance>,
    /// The number of requests so far.
    turn: watch::Sender<usize>,
    is_over: AtomicBool,
}

/// An instance of the service.
#[derive(Debug)]
struct Instance {
    number: usize,
    wire: Wire,
    /// Whether the balancer sends no more requests to it.
    is_removed: watch::Sender<bool>,
}

pub(super) async fn restart(subject: &mut Subject<'_>) {
    subject.get("before", "/", &[]).await;
    let old = subject.wire();
    let second = subject.start_instance("second instance").await;
    let new = second.as_ref().and_then(Process::wire);
    let new = new.map(|new| old.with_port(new.port()));
    let wires = [Some(old), new];
    let instances = wires.into_iter().flatten().enumerate();
    let instances = instances.map(|(number, wire)| Instance {
        number,
        wire,
        is_removed: watch::Sender::new(false),
    });
    let balancer = Arc::new(Balancer {
        instances: instances.collect(),
        turn: watch::Sender::new(0),
        is_over: AtomicBool::new(false),
    });
    let mut tasks = JoinSet::new();
    for number in 0..balancer.instances.len() {
        tasks.spawn(balancer.clone().poll(number));
    }
    for client in 0..CLIENTS {
        tasks.spawn(balancer.clone().send(client % 2 == 0));
    }
    let mut turns = balancer.turn.subscribe();
    // A service that answers too slowly gets the signal after fewer requests.
    let _ = timeout(BEFORE_LIMIT, turns.wait_for(|turn| *turn >= BEFORE)).await;
    subject.terminate();
    subject.wait_for_end(END_LIMIT + GRACE).await;
    // The balancer sends requests to a service that has ended, too, until it detects that.
    if let Some(old) = balancer.instances.first() {
        let mut is_removed = old.is_removed.subscribe();
        let removed = is_removed.wait_for(|is_removed| *is_removed);
        // Without an end, the instance can stay.
        let _ = timeout(REMOVAL_LIMIT, removed).await;
    }
    balancer.is_over.store(true, Ordering::Relaxed);
    subject.add(tasks.join_all().await.into_iter().flatten());
}

impl Balancer {
    /// Polls an instance until it is removed. Returns the polls.
    async fn poll(self: Arc<Self>, number: usize) -> Vec<Exchange> {
        let instance = &self.instances[number];
        let mut polls = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) {
            let ready = request("GET", "/ready", &[]);
            let poll = instance.wire.exchange(POLLS[number], String::new(), ready);
            let poll = poll.await;
            let is_over = is_unready(&poll);
            polls.push(poll);
            if is_over {
                sleep(DETECTION).await;
                instance.is_removed.send_replace(true);
                break;
            }
            sleep(POLL).await;
        }
        polls
    }

    /// Sends requests to the instances in turn. Returns them.
    async fn send(self: Arc<Self>, keeps: bool) -> Vec<Exchange> {
        let mut kept: [Option<TcpStream>; 2] = [None, None];
        let mut exchanges = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) {
            // A balancer closes its connections to an instance that it has removed.
            for instance in &self.instances {
                if instance.is_removed() {
                    kept[instance.number] = None;
                }
            }
            let Some(instance) = self.next() else {
                break;
            };
            let (name, nonce) = (REQUESTS[instance.number], String::new());
            let exchange = match keeps {
                true => {
                    let bytes = kept_request("GET", "/", &[]);
                    let kept = &mut kept[instance.number];
                    instance.wire.exchange_kept(kept, name, nonce, bytes).await
                }
                false => {
                    let bytes = request("GET", "/", &[]);
                    instance.wire.exchange(name, nonce, bytes).await
                }
            };
            let is_repeated = is_closed_while_idle(&exchange);
            exchanges.push(exchange);
            if !is_repeated {
                sleep(PAUSE).await;
            }
        }
        exchanges
    }

    /// Returns the instance for the next request.
    fn next(&self) -> Option<&Instance> {
        let instances = self.instances.iter();
        let usable = instances.filter(|it| !it.is_removed());
        let usable: Vec<&Instance> = usable.collect();
        self.turn.send_modify(|turn| *turn += 1);
        let turn = *self.turn.borrow();
        usable.get(turn % usable.len().max(1)).copied()
    }
}

impl Instance {
    fn is_removed(&self) -> bool {
        *self.is_removed.borrow()
    }
}

/// Whether a poll removes its instance.
fn is_unready(poll: &Exchange) -> bool {
    poll.status() == Some(503) || poll.outcome == Outcome::Refused
}

/// Whether the connection was closed between two requests, so the balancer sends the request again.
fn is_closed_while_idle(exchange: &Exchange) -> bool {
    exchange.is_reused && exchange.outcome == Outcome::Lost
}

pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let signal = signalled(evidence)?.signal;
    let unavailable = evidence.exchange("before")?.status() == Some(503);
    let is_lost = |it: &&Exchange| match it.status() {
        Some(status) => status == 503 && !unavailable,
        None => !is_closed_while_idle(it),
    };
    let [old, new] = REQUESTS.map(|name| evidence.exchanges(name).collect::<Vec<_>>());
    let all = || old.iter().chain(&new).copied();
    if all().any(|it| is_lost(&it) && it.done < signal) {
        return Err(Fault::not_proven("a request was lost before SIGTERM"));
    }
    let lost: Vec<&Exchange> = all().filter(is_lost).collect();
    // A request that is sent later has left the balancer too late.
    let is_early = |it: &Exchange| it.name == REQUESTS[1] || it.sent < signal + DRAIN_DELAY;
    let early = lost.iter().find(|it| is_early(it));
    if let Some(first) = early.or(lost.first()) {
        let finding = finding(first, lost.len(), all().count(), signal);
        return Err(match early.is_some() {
            true => finding.into(),
            false => late(evidence, finding, signal),
        });
    }
    let sent = old.iter().filter(|it| it.sent >= signal).count();
    require_sent(evidence, sent)
}

fn finding(first: &Exchange, lost: usize, all: usize, signal: Duration) -> Finding {
    let finding = Finding::response(first, "an answer to each request of a load balancer");
    let after = first.sent.saturating_sub(signal).as_millis();
    Finding {
        sent: format!(
            "{} to the {}, {after} ms after SIGTERM with DRAIN_DELAY=1s",
            finding.sent, first.name
        ),
        received: format!("{} ({lost} of {all} requests)", finding.received),
        repeat: None,
        subject: None,
        ..finding
    }
}

/// Returns the fault of a request after `DRAIN_DELAY`: either the service was ready for too long, or the
/// timers of the balancer were late.
fn late(evidence: &Evidence, finding: Finding, signal: Duration) -> Fault {
    let polls = evidence.exchanges(POLLS[0]);
    let was_ready = |poll: &&Exchange| poll.sent >= signal + READINESS && !is_unready(poll);
    let polls: Vec<&Exchange> = polls.filter(was_ready).collect();
    let Some(longest) = polls.iter().map(|poll| poll.time()).max() else {
        let reason = "timers were late: the load balancer sent a request after DRAIN_DELAY";
        return Fault::Unmeasured(reason.to_owned());
    };
    Fault::late(finding, READINESS, longest.max(evidence.lag))
}

/// Requires that the old instance has got requests after the signal.
fn require_sent(evidence: &Evidence, sent: usize) -> Judgement {
    if sent >= MIN_SENT {
        return Ok(());
    }
    let reason = format!("{sent} requests were sent after SIGTERM, fewer than {MIN_SENT}");
    Err(match evidence.lag > PAUSE {
        true => {
            let lag = evidence.lag.as_millis();
            Fault::Unmeasured(format!("{reason}; timers were late by {lag} ms"))
        }
        false => Fault::NotProven(reason),
    })
}
