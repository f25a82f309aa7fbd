//! LIFE-1, LIFE-2, LIFE-4 and LIFE-7: a service manager that gets notifications and sends SIGINT.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use crate::{
    target::{Notification, Start},
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        subject::Subject,
    },
    wire::Pending,
};

/// `SHUTDOWN_TIMEOUT + 3 s` of the scenario, and a second for a busy machine.
const END_LIMIT: Duration = Duration::from_secs(9);

/// The longest delay by a connection without a request: 250 ms, and 2 s for a busy machine.
const IDLE_LIMIT: Duration = Duration::from_millis(2250);

/// The name of the signal without a connection.
const ALONE: &str = "SIGINT alone";

/// The wait for the first notification, which may follow the first answer.
const NOTIFICATION: Duration = Duration::from_millis(500);

/// The signals during starts, at equal distances within the time of the first start.
const STARTS: u32 = 3;

pub(super) async fn manage(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    let idle = match subject.open(wire, 1).await.pop() {
        Some(connection) => {
            let idle = wire.send("idle", String::new(), Vec::new(), Ok(connection));
            Some(idle.await)
        }
        None => None,
    };
    // An answer on a later connection proves that the earlier one is accepted.
    subject.get("before", "/", &[]).await;
    subject.wait_for_notification(NOTIFICATION).await;
    let idle = idle.filter(Pending::is_unanswered);
    subject.signal("SIGINT", Signal::INT, END_LIMIT).await;
    subject.note_notifications();
    subject.add(idle.map(Pending::close));
    if delay(subject.evidence(), "SIGINT").is_some_and(|delay| delay > IDLE_LIMIT) {
        // A service may take this long without the connection, too.
        subject.restart_ready().await;
        subject.signal(ALONE, Signal::INT, END_LIMIT).await;
    }
    let Some(Start::Ready(time)) = subject.evidence().start else {
        return;
    };
    for part in 1..=STARTS {
        subject.restart().await;
        sleep(time * part / (STARTS + 1)).await;
        subject.signal("start", Signal::TERM, END_LIMIT).await;
        if !subject.has_ended() {
            return;
        }
    }
}

/// Returns the time from a signal to the end of the process.
fn delay(evidence: &Evidence, name: &str) -> Option<Duration> {
    let signal = evidence.signal(name).ok()?;
    Some(signal.end?.at.saturating_sub(signal.at))
}

pub(super) fn interrupt(evidence: &Evidence) -> Judgement {
    let expected = "the end of the process in time, with status 0, or 3 if work was cut off";
    let received = match evidence.signal("SIGINT")?.end {
        Some(end) if matches!(end.code, Some(0 | 3)) => return Ok(()),
        Some(end) => end.to_string(),
        None => format!("no end within {} s", END_LIMIT.as_secs()),
    };
    Err(Finding::new("SIGINT", received, expected).into())
}

pub(super) fn idle(evidence: &Evidence) -> Judgement {
    evidence.require_open()?;
    let signal = evidence.signal("SIGINT")?;
    let (Some(end), Some(time)) = (signal.end, delay(evidence, "SIGINT")) else {
        return Err(Fault::not_proven("SIGINT has not ended the service"));
    };
    if evidence.exchange("idle").is_err() {
        let reason = "the service closed a connection without a request before SIGINT";
        return Err(Fault::not_proven(reason));
    }
    if time <= IDLE_LIMIT {
        return Ok(());
    }
    let alone = delay(evidence, ALONE);
    let alone = alone.ok_or_else(|| Fault::not_proven("without a connection, no end was seen"))?;
    if time <= alone + IDLE_LIMIT {
        return Ok(());
    }
    let (after, alone) = (time.as_millis(), alone.as_millis());
    let received = format!("{end} after {after} ms, and after {alone} ms without the connection");
    let sent = "SIGINT, while a connection without a request is open";
    let expected = "the end of the process, delayed by 250 ms at most";
    let finding = Finding::new(sent, received, expected);
    Err(Fault::late(finding, IDLE_LIMIT, evidence.lag))
}

/// A signal during the start ends the process. Before a handler is installed, the system ends it.
pub(super) fn start(evidence: &Evidence) -> Judgement {
    const TERM: i32 = Signal::TERM.as_raw();
    evidence.signal("start")?;
    let expected = "the end of the process in time, with status 0 or by SIGTERM";
    for signal in evidence.signals.iter().filter(|it| it.name == "start") {
        let received = match signal.end {
            Some(end) if matches!(end.code, Some(0 | 3)) || end.signal == Some(TERM) => continue,
            Some(end) => end.to_string(),
            None => format!("no end within {} s", END_LIMIT.as_secs()),
        };
        return Err(Finding::new("SIGTERM during the start", received, expected).into());
    }
    Ok(())
}

pub(super) fn ready(evidence: &Evidence) -> Judgement {
    let ready = notification(evidence, "READY=1")?;
    let expected = "READY=1 when connections are accepted";
    let sent = "a start with NOTIFY_SOCKET";
    let Some(ready) = ready else {
        return Err(Finding::new(sent, "no READY=1", expected).into());
    };
    let signal = evidence.signal("SIGINT")?;
    if ready.refuses && ready.at > signal.at {
        let reason = "READY=1 arrived after SIGINT; timers were late".to_owned();
        return Err(Fault::Unmeasured(reason));
    }
    require(!ready.refuses, || {
        Finding::new(sent, "READY=1, and a refused connection", expected)
    })
}

pub(super) fn stopping(evidence: &Evidence) -> Judgement {
    let stopping = notification(evidence, "STOPPING=1")?;
    require(stopping.is_some(), || {
        let sent = "a start with NOTIFY_SOCKET, then SIGINT";
        Finding::new(sent, "no STOPPING=1", "STOPPING=1 when the shutdown begins")
    })
}

/// Returns the first notification with a line.
///
/// # Errors
///
/// Not proven if there is no notification at all.
fn notification<'a>(evidence: &'a Evidence, line: &str) -> Result<Option<&'a Notification>, Fault> {
    if evidence.notifications.is_empty() {
        let reason = "notifications of a service manager are not offered";
        return Err(Fault::not_proven(reason));
    }
    let mut all = evidence.notifications.iter();
    Ok(all.find(|notification| notification.has(line)))
}
