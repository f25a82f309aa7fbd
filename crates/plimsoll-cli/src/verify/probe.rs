//! A probe: requests to the service, and the checks that judge what they show.

use std::{fmt, pin::Pin};

use super::{evidence::Evidence, judgement::Judgement, scenario::Scenario, subject::Subject};

/// Sends the requests of a probe.
pub(super) type Collect = for<'a> fn(&'a mut Subject<'_>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Judges evidence.
pub(super) type Evaluate = fn(&Evidence) -> Judgement;

/// Requests in a scenario, and the checks on their evidence.
pub(super) struct Probe {
    pub(super) scenario: &'static Scenario,
    pub(super) observation: Observation,
    /// The ids of checks such as `RID-1:echo`. A check follows those that it depends on.
    pub(super) checks: &'static [(&'static str, Evaluate)],
}

/// What a probe needs.
#[derive(Clone, Copy)]
pub(super) enum Observation {
    /// The start, whether it succeeds or not.
    Start,
    /// Requests to a service that has started.
    Session(Collect),
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<&str> = self.checks.iter().map(|(id, _)| *id).collect();
        f.debug_struct("Probe")
            .field("scenario", &self.scenario.name)
            .field("checks", &checks)
            .finish_non_exhaustive()
    }
}
