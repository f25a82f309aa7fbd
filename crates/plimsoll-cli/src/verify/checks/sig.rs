//! SIG and LIFE-3: signals other than the first SIGTERM.
//!
//! Each signal goes to the main process, as supervisors send it. SIGSTOP stops all processes.
//! If a signal ends the service, it is started again for the next one.

use std::time::Duration;

use rustix::process::Signal;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    target::Start,
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, each, require},
        probe::{Observation, Probe},
        routes::Route,
        scenario::SIGNALS,
        subject::{Subject, request},
    },
    wire::{Exchange, Pending},
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &SIGNALS,
    observation: Observation::Session(|subject| Box::pin(signals(subject))),
    checks: &[
        ("LIFE-3:second", second),
        ("SIG-1:quit", quit),
        ("SIG-2:continues", |evidence| {
            survives(evidence, &["SIGHUP"])
        }),
        ("SIG-3:ignored", |evidence| survives(evidence, &IGNORED)),
        ("SIG-3:user", |evidence| {
            survives(evidence, &["SIGUSR1", "SIGUSR2"])
        }),
        ("SIG-3:record", record),
        ("SIG-4:continues", continues),
        ("SIG-4:rebind", rebind),
    ],
}];

/// The signals that have no effect at all.
const IGNORED: [&str; 4] = ["SIGPIPE", "SIGCHLD", "SIGCONT", "SIGWINCH"];

/// The time in which a signal takes effect.
const EFFECT: Duration = Duration::from_millis(250);

/// The time of a stop, longer than `READ_TIMEOUT`.
const STOPPED: Duration = Duration::from_millis(1500);

/// Requests to a service that is stopped.
const CLIENTS: usize = 4;

/// The time from the first signal to the second. Signals within a second can count as one.
const BETWEEN: Duration = Duration::from_millis(1200);

/// The time for the end: 1 s for the flush, and 2 s for a busy machine.
const END_LIMIT: Duration = Duration::from_secs(3);

/// The time in milliseconds of a request that a second signal cuts off.
const SLOW: u64 = 15_000;

async fn signals(subject: &mut Subject<'_>) {
    for (name, signal) in [
        ("SIGPIPE", Signal::PIPE),
        ("SIGCHLD", Signal::CHILD),
        ("SIGCONT", Signal::CONT),
        ("SIGWINCH", Signal::WINCH),
        ("SIGHUP", Signal::HUP),
        ("SIGUSR1", Signal::USR1),
        ("SIGUSR2", Signal::USR2),
    ] {
        subject.signal(name, signal, EFFECT).await;
        subject.get(name, "/health", &[]).await;
        if subject.has_ended() {
            subject.restart_ready().await;
            if signal == Signal::USR1 {
                // SIGUSR2 shows nothing more, and a Java virtual machine writes a crash report.
                break;
            }
        }
    }
    stop(subject).await;
    kill(subject).await;
    subject.signal("SIGQUIT", Signal::QUIT, END_LIMIT).await;
    subject.restart_ready().await;
    let slow = subject.route(Route::Slow, &[("ms", SLOW)]);
    let pending = match slow {
        Some(path) => Some(write(subject, "slow", &path).await),
        None => None,
    };
    subject.signal("first SIGTERM", Signal::TERM, BETWEEN).await;
    // Without the second signal, this request delays the end.
    let pending = pending.filter(Pending::is_unanswered);
    subject
        .signal("second SIGTERM", Signal::TERM, END_LIMIT)
        .await;
    if let Some(pending) = pending {
        subject.add([pending.close()]);
    }
}

/// Sends requests while the service is stopped.
async fn stop(subject: &mut Subject<'_>) {
    subject.freeze().await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(write(subject, "stopped", "/health").await);
    }
    sleep(STOPPED).await;
    subject.thaw();
    let clients: JoinSet<Exchange> = clients.into_iter().map(Pending::receive).collect();
    subject.add(clients.join_all().await);
    subject.get("continued", "/health", &[]).await;
}

/// Kills the service while connections are open, and starts it again.
async fn kill(subject: &mut Subject<'_>) {
    let connections = [
        subject.wire().connect().await,
        subject.wire().connect().await,
    ];
    subject.get("open", "/health", &[]).await;
    let start = subject.restart_ready().await;
    if !matches!(start, Some(Start::Ready(_))) {
        // The other signals are judged nevertheless.
        subject.restart_ready().await;
    }
    subject.note_restart(start);
    drop(connections);
}

async fn write(subject: &Subject<'_>, name: &'static str, path: &str) -> Pending {
    let wire = subject.wire();
    let connection = wire.connect().await;
    let bytes = request("GET", path, &[]);
    wire.send(name, String::new(), bytes, connection).await
}

fn survives(evidence: &Evidence, names: &[&str]) -> Judgement {
    each(names, |name| {
        let signal = evidence.signal(name)?;
        let expected = "no end, and an answer to the next request";
        if let Some(end) = signal.end {
            let finding = Finding::new(*name, end.to_string(), expected);
            return Err(finding.about(*name).into());
        }
        let exchange = evidence.exchange(name)?;
        require(exchange.response().is_some(), || {
            let finding = Finding::response(exchange, expected).about(*name);
            finding.sent_as(|request| format!("{name}, then {request}"))
        })
    })
}

fn record(evidence: &Evidence) -> Judgement {
    let records = evidence.records_with("signal_ignored")?;
    each(["SIGUSR1", "SIGUSR2"], |name| {
        let mut records = records.iter();
        let is_recorded = records.any(|record| record.text("signal") == Some(name));
        require(is_recorded, || {
            let received = format!("no record signal_ignored about {name}");
            let expected = "a record signal_ignored with its name";
            Finding::new(name, received, expected).about(name)
        })
    })
}

fn continues(evidence: &Evidence) -> Judgement {
    let sent = "SIGSTOP, requests, SIGCONT after 1.5 s";
    let expected = "an answer to each request";
    for name in ["stopped", "continued"] {
        evidence.exchange(name)?;
        for exchange in evidence.exchanges(name) {
            require(exchange.response().is_some(), || {
                let finding = Finding::response(exchange, expected);
                finding.sent_as(|_| sent.to_owned())
            })?;
        }
    }
    Ok(())
}

fn rebind(evidence: &Evidence) -> Judgement {
    match &evidence.restart {
        Some(Start::Ready(_)) => Ok(()),
        Some(start) => {
            let sent = "SIGKILL, then a start on the same port";
            Err(Finding::new(sent, start.to_string(), "an answer").into())
        }
        None => Err(Fault::not_proven("the service was not killed")),
    }
}

fn quit(evidence: &Evidence) -> Judgement {
    let signal = evidence.signal("SIGQUIT")?;
    let sent = "SIGQUIT with DRAIN_DELAY=20s";
    let expected =
        "the end of the process within a second, with status 0, or 3 if work was cut off";
    match signal.end {
        Some(end) if matches!(end.code, Some(0 | 3)) => Ok(()),
        Some(end) => Err(Finding::new(sent, end.to_string(), expected).into()),
        None => Err(not_ended(sent, expected, evidence)),
    }
}

fn second(evidence: &Evidence) -> Judgement {
    let first = evidence.signal("first SIGTERM")?;
    if let Some(end) = first.end {
        let remedy = match evidence.has_route(Route::Slow) {
            true => String::new(),
            false => format!("; {}", Route::Slow.remedy()),
        };
        let reason = format!("before the second signal, {end}{remedy}");
        return Err(Fault::not_proven(reason));
    }
    evidence.require_route(Route::Slow)?;
    if evidence.exchange("slow").is_err() {
        let reason = "the slow request ended before the second signal";
        return Err(Fault::not_proven(reason));
    }
    let sent = "SIGTERM with DRAIN_DELAY=20s and a slow request, and SIGTERM again after 1.2 s";
    let expected = "the end of the process within a second";
    match evidence.signal("second SIGTERM")?.end {
        Some(_) => Ok(()),
        None => Err(not_ended(sent, expected, evidence)),
    }
}

fn not_ended(sent: &str, expected: &str, evidence: &Evidence) -> Fault {
    let received = format!("no end within {} s", END_LIMIT.as_secs());
    Fault::late(
        Finding::new(sent, received, expected),
        END_LIMIT,
        evidence.lag,
    )
}
