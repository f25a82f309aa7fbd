//! LIFE and LOG-1: the end of the service by SIGTERM, under requests.

mod activated;
mod in_flight;
mod managed;
mod readiness;
mod rolling;

use std::time::Duration;

use serde_json::Value;

use crate::verify::{
    evidence::{Evidence, Shutdown},
    judgement::{Fault, Finding, Judgement, require},
    probe::{Observation, Probe},
    scenario::{ACTIVATED, BASE, MANAGED, ROLLING},
    subject::{Subject, kept_request},
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(shutdown(subject))),
        checks: &[
            ("LIFE-1:exit", exit),
            ("LIFE-1:in-flight", in_flight::judge),
            ("LIFE-1:ready", readiness::judge),
            ("LIFE-1:accepts", accepts),
            ("LIFE-2:close", close),
            ("LOG-1:end", super::log::json),
            ("LIFE-6:report", report),
        ],
    },
    Probe {
        scenario: &MANAGED,
        observation: Observation::Session(|subject| Box::pin(managed::manage(subject))),
        checks: &[
            ("LIFE-1:interrupt", managed::interrupt),
            ("LIFE-2:idle", managed::idle),
            ("LIFE-4:start", managed::start),
            ("LIFE-7:ready", managed::ready),
            ("LIFE-7:stopping", managed::stopping),
        ],
    },
    Probe {
        scenario: &ROLLING,
        observation: Observation::Session(|subject| Box::pin(rolling::restart(subject))),
        checks: &[("LIFE-5:lost", rolling::judge)],
    },
    Probe {
        scenario: &ACTIVATED,
        observation: Observation::Session(|subject| Box::pin(activated::activate(subject))),
        checks: &[
            ("LIFE-8:served", activated::served),
            ("LIFE-8:port", activated::port),
            ("LIFE-8:restart", activated::restarted),
            ("LIFE-8:file", activated::file),
            ("LIFE-8:kind", activated::kind),
            ("LIFE-8:ignored", activated::ignored),
        ],
    },
];

/// `DRAIN_DELAY + SHUTDOWN_TIMEOUT + 3 s` of the scenario.
const END_LIMIT: Duration = Duration::from_secs(9);

/// The time beyond the limit in which an end is still observed.
const GRACE: Duration = Duration::from_secs(1);

async fn shutdown(subject: &mut Subject<'_>) {
    let volley = in_flight::send_and_terminate(subject).await;
    readiness::poll(subject).await;
    // The listener stays open for another half second.
    let accepted = kept_request("GET", "/health", &[]);
    subject.send("accepted", String::new(), accepted).await;
    subject.add(volley.join_all().await);
    subject.wait_for_end(END_LIMIT + GRACE).await;
}

fn signalled(evidence: &Evidence) -> Result<Shutdown, Fault> {
    let reason = "the service was not ended";
    let shutdown = evidence.shutdown;
    shutdown.ok_or_else(|| Fault::not_proven(reason))
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

/// Returns the text about a request during the drain.
fn drained(sent: &str) -> String {
    format!("SIGTERM with DRAIN_DELAY=1s, and {sent} after 500 ms")
}

fn accepts(evidence: &Evidence) -> Judgement {
    signalled(evidence)?;
    let exchange = evidence.exchange("accepted")?;
    require(exchange.response().is_some(), || {
        let finding = Finding::response(exchange, "an answer until DRAIN_DELAY is over");
        finding.sent_as(drained)
    })
}

fn close(evidence: &Evidence) -> Judgement {
    signalled(evidence)?;
    let exchange = evidence.exchange("accepted")?;
    let Some(response) = exchange.response() else {
        let reason = "no request was answered during the drain";
        return Err(Fault::not_proven(reason));
    };
    require(response.closes(), || {
        let connection = response.header("connection");
        let received = format!("connection: {:?}", connection.unwrap_or_default());
        let finding = Finding::exchange(exchange, received, "connection: close");
        finding.sent_as(drained)
    })
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
