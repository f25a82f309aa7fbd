//! What is known about one check: its state, its last result, and its effect on readiness.

use std::{sync::Arc, time::Duration};

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

/// The status of one check. Its lock is held while a change is logged, so records have the order of
/// the changes.
#[derive(Debug)]
pub(super) struct CheckStatus {
    track: Track,
    /// Whether the check holds readiness now.
    is_holding: bool,
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
        result: &RunResult,
        took: Duration,
    ) {
        let now = Instant::now();
        cells.finish(result.kind(), took);
        let has_changed = self.track.observe(now, *result == RunResult::Ok);
        self.publish(
            check,
            effects,
            cells,
            has_changed,
            result.error(check.limit),
        );
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
        let change = if is_up { "is up" } else { "is down" };
        self.apply(check, effects, change);
    }

    /// Holds or releases readiness, by the policy of the check.
    fn apply(&mut self, check: &Check, effects: &Effects, change: &str) {
        let must_hold = match check.policy {
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
