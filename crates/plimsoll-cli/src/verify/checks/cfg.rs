//! CFG: values of variables. CFG-1 is judged in `http.rs` and `log.rs`.

mod names;
mod report;
mod secrets;

use crate::{
    target::{Start, Stream},
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        scenario::{NO_BOOLEAN, NO_DURATION, NO_PORT, SPELLINGS, TWO_FAULTS},
    },
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &SPELLINGS,
        observation: Observation::Start,
        checks: &[("CFG-2:spellings", accepted)],
    },
    Probe {
        scenario: &NO_DURATION,
        observation: Observation::Start,
        checks: &[("CFG-2:duration", rejected)],
    },
    Probe {
        scenario: &NO_PORT,
        observation: Observation::Start,
        checks: &[("CFG-2:port", port)],
    },
    Probe {
        scenario: &NO_BOOLEAN,
        observation: Observation::Start,
        checks: &[("CFG-2:boolean", rejected)],
    },
    Probe {
        scenario: &TWO_FAULTS,
        observation: Observation::Start,
        checks: &[
            ("CFG-3:status", status),
            ("CFG-3:together", together),
            ("CFG-3:record", record),
        ],
    },
    names::PROBE,
    report::PROBE,
    // It follows the others, since it searches the whole output so far.
    secrets::PROBE,
];

fn accepted(evidence: &Evidence) -> Judgement {
    match &evidence.start {
        Some(Start::Ready(_)) => Ok(()),
        Some(start) => {
            Err(Finding::new(evidence.start_name(), start.to_string(), "an answer").into())
        }
        None => evidence.require_command(),
    }
}

pub(super) fn rejected(evidence: &Evidence) -> Judgement {
    let expected = "the end of the process with a status other than 0, before it listens";
    match &evidence.start {
        Some(Start::Ended(end)) if end.code.is_some_and(|code| code != 0) => Ok(()),
        Some(Start::Silent { listens_on }) if listens_on.is_empty() => {
            let reason = "the process neither ended nor listened within the time for the start";
            Err(Fault::not_proven(reason))
        }
        Some(start) => Err(Finding::new(evidence.start_name(), start.to_string(), expected).into()),
        None => evidence.require_command(),
    }
}

/// Judges a wrong port. A service that ignores it can end as well, because its default port is in use.
fn port(evidence: &Evidence) -> Judgement {
    /// The name of the setting, its value in the scenario, and the largest port.
    const TEXTS: [&str; 3] = ["PORT", "70000", "65535"];
    rejected(evidence)?;
    let lines = evidence.lines.iter().flatten();
    let mut lines = lines.map(|line| line.text());
    match lines.any(|line| report::words(&line).any(|word| TEXTS.contains(&word))) {
        true => Ok(()),
        false => Err(Fault::not_proven(
            "the process ended without a line about PORT, so it may have tried another port",
        )),
    }
}

fn status(evidence: &Evidence) -> Judgement {
    let expected = "the end of the process with status 78";
    match &evidence.start {
        Some(Start::Ended(end)) if end.code == Some(78) => Ok(()),
        Some(start) => Err(Finding::new(evidence.start_name(), start.to_string(), expected).into()),
        None => evidence.require_command(),
    }
}

fn together(evidence: &Evidence) -> Judgement {
    let lines = evidence.lines(Stream::Err)?;
    let text: Vec<String> = lines.iter().map(|line| line.text()).collect();
    let text = text.join("\n");
    let mut names = evidence.scenario.variables.iter().map(|(name, _)| name);
    require(names.all(|name| text.contains(name)), || {
        let received = format!("on standard error: {text}");
        Finding::new(
            evidence.start_name(),
            received,
            "both names on standard error",
        )
    })
}

fn record(evidence: &Evidence) -> Judgement {
    let count = evidence.records_with("config_invalid")?.len();
    require(count == 1, || {
        let received = format!("{count} records config_invalid");
        Finding::new(evidence.start_name(), received, "one record config_invalid")
    })
}
