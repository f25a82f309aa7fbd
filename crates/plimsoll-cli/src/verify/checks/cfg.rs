//! CFG: values of variables. CFG-1 is judged in `http.rs` and `log.rs`.

use crate::{
    target::Start,
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement},
        probe::{Observation, Probe},
        scenario::{NO_BOOLEAN, NO_DURATION, NO_PORT, SPELLINGS},
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
        checks: &[("CFG-2:port", rejected)],
    },
    Probe {
        scenario: &NO_BOOLEAN,
        observation: Observation::Start,
        checks: &[("CFG-2:boolean", rejected)],
    },
];

fn accepted(evidence: &Evidence) -> Judgement {
    match &evidence.start {
        Some(Start::Ready(_)) => Ok(()),
        Some(start) => {
            Err(Finding::new(evidence.start_name(), start.to_string(), "an answer").into())
        }
        None => super::needs_command(),
    }
}

fn rejected(evidence: &Evidence) -> Judgement {
    let expected = "the end of the process with a status other than 0, before it listens";
    match &evidence.start {
        Some(Start::Ended(end)) if end.code.is_some_and(|code| code != 0) => Ok(()),
        Some(Start::Silent { listens_on }) if listens_on.is_empty() => {
            let reason = "the process neither ended nor listened within the time for the start";
            Err(Fault::NotProven(reason.to_owned()))
        }
        Some(start) => Err(Finding::new(evidence.start_name(), start.to_string(), expected).into()),
        None => super::needs_command(),
    }
}
