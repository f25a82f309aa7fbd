//! What is known about one check: its state, its last result, and its effect on readiness.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    Check, CheckPolicy,
    track::{CheckState, Track},
};
use crate::{
    config::Level,
    lifecycle::{Holder, Lifecycle, Readiness},
    metrics::{CheckCells, CheckResult},
    telemetry::Log,
};

/// How one run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RunResult {
    Ok,
    /// The error, with passwords masked.
    Failed(String),
    TimedOut,
    Panicked,
}

impl RunResult {
    const fn kind(&self) -> CheckResult {
        match self {
            Self::Ok => CheckResult::Ok,
            Self::Failed(_) => CheckResult::Failed,
            Self::TimedOut => CheckResult::Timeout,
            Self::Panicked => CheckResult::Panicked,
        }
    }

    fn error(&self, limit: Duration) -> Option<String> {
        match self {
            Self::Ok => None,
            Self::Failed(error) => Some(error.clone()),
            Self::TimedOut => Some(format!("no result within {} ms", limit.as_millis())),
            Self::Panicked => Some("the check panicked".to_owned()),
        }
    }
}

/// The number of changes that are kept.
const KEPT_CHANGES: usize = 16;

/// The status of one check. Its lock is held while a change is logged, so records have the order of
/// the changes.
#[derive(Debug)]
pub(super) struct CheckStatus {
    track: Track,
    /// Whether the check holds readiness now.
    is_holding: bool,
    /// Whether an operator has removed the hold of the check (contract ADM-14).
    is_lifted: bool,
    runs: u64,
    last: Option<LastRun>,
    /// The last changes, newest last.
    changes: VecDeque<StateChange>,
}

/// The last run of a check.
#[derive(Debug)]
struct LastRun {
    result: RunResult,
    ended: Instant,
    took: Duration,
}

/// A change of a check's state.
#[derive(Debug, Clone)]
pub(crate) struct StateChange {
    pub(crate) at: SystemTime,
    pub(crate) state: &'static str,
    pub(crate) error: Option<String>,
}

/// The status of a check, for operators.
#[derive(Debug)]
pub(crate) struct CheckView {
    pub(crate) name: &'static str,
    pub(crate) policy: &'static str,
    pub(crate) is_required: bool,
    pub(crate) is_lifted: bool,
    pub(crate) state: &'static str,
    pub(crate) since: Option<SystemTime>,
    pub(crate) result: Option<&'static str>,
    pub(crate) error: Option<String>,
    /// The time since the last run ended.
    pub(crate) age: Option<Duration>,
    pub(crate) took: Option<Duration>,
    pub(crate) runs: u64,
    /// Newest first.
    pub(crate) changes: Vec<StateChange>,
}

/// The parts of the service that a change of a check affects.
#[derive(Debug, Clone)]
pub(super) struct Effects {
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) readiness: Readiness,
    pub(super) log: Log,
}

impl CheckStatus {
    /// The status of a check without a result. A required check holds readiness from here on.
    pub(super) fn new(check: &Check, effects: &Effects) -> Self {
        let mut status = Self {
            track: Track::new(),
            is_holding: false,
            is_lifted: false,
            runs: 0,
            last: None,
            changes: VecDeque::new(),
        };
        status.apply(check, effects, "has not succeeded yet");
        status
    }

    pub(super) const fn has_succeeded(&self) -> bool {
        self.track.has_succeeded()
    }

    /// Adds the result of a run. A change is logged and applied to readiness.
    pub(super) fn finish(
        &mut self,
        check: &Check,
        effects: &Effects,
        cells: &CheckCells,
        result: RunResult,
        took: Duration,
    ) {
        let ended = Instant::now();
        cells.finish(result.kind(), took);
        let has_changed = self.track.observe(ended, result == RunResult::Ok);
        let error = result.error(check.limit);
        self.runs += 1;
        self.last = Some(LastRun {
            result,
            ended,
            took,
        });
        self.publish(check, effects, cells, has_changed, error);
    }

    /// Removes the hold of the check on readiness, or restores it.
    pub(super) fn lift(&mut self, check: &Check, effects: &Effects, is_lifted: bool) {
        self.is_lifted = is_lifted;
        let change = if is_lifted {
            "is lifted by an operator"
        } else {
            "is no longer lifted by an operator"
        };
        self.apply(check, effects, change);
    }

    pub(super) fn view(&self, check: &Check) -> CheckView {
        let last = self.last.as_ref();
        CheckView {
            name: check.name,
            policy: check.policy.as_str(),
            is_required: check.is_required,
            is_lifted: self.is_lifted,
            state: self.track.state().as_str(),
            since: self.changes.back().map(|change| change.at),
            result: last.map(|last| last.result.kind().as_str()),
            error: last.and_then(|last| last.result.error(check.limit)),
            age: last.map(|last| last.ended.elapsed()),
            took: last.map(|last| last.took),
            runs: self.runs,
            changes: self.changes.iter().rev().cloned().collect(),
        }
    }

    /// Records that no run has finished for too long.
    pub(super) fn stall(&mut self, check: &Check, effects: &Effects, cells: &CheckCells) {
        let has_changed = self.track.stall(Instant::now());
        let error = Some("stale: no run finishes".to_owned());
        self.publish(check, effects, cells, has_changed, error);
    }

    fn publish(
        &mut self,
        check: &Check,
        effects: &Effects,
        cells: &CheckCells,
        has_changed: bool,
        error: Option<String>,
    ) {
        // After the signal, no change is logged or applied (contract HLT-10).
        if !has_changed || effects.lifecycle.is_ending() {
            return;
        }
        let is_up = self.track.state() == CheckState::Up;
        cells.set_up(is_up);
        let level = match check.policy {
            CheckPolicy::Gate | CheckPolicy::Degrade if !is_up => Level::Warning,
            _ => Level::Info,
        };
        effects.log.infra(level, "check_changed", |record| {
            record.str("check", check.name);
            record.str("policy", check.policy.as_str());
            record.str("state", self.track.state().as_str());
            if let Some(error) = &error {
                record.str("error", error);
            }
        });
        self.changes.push_back(StateChange {
            at: SystemTime::now(),
            state: self.track.state().as_str(),
            error,
        });
        if self.changes.len() > KEPT_CHANGES {
            self.changes.pop_front();
        }
        let change = if is_up { "is up" } else { "is down" };
        self.apply(check, effects, change);
    }

    /// Holds or releases readiness, by the policy of the check.
    fn apply(&mut self, check: &Check, effects: &Effects, change: &str) {
        let must_hold = match check.policy {
            _ if self.is_lifted => false,
            CheckPolicy::Gate => self.track.state() != CheckState::Up,
            CheckPolicy::Degrade => check.is_required && !self.track.has_succeeded(),
            CheckPolicy::Observe => false,
        };
        if must_hold == self.is_holding {
            return;
        }
        self.is_holding = must_hold;
        let reason = format!("check {} {change}", check.name);
        let holder = Holder::Check(check.name);
        if must_hold {
            effects.readiness.hold(holder, &reason);
        } else {
            effects.readiness.release(holder, &reason);
        }
    }
}
