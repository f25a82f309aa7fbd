//! The times of the steps of a start, for operators (contract ADM-16).

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::sync::{Mutex, lock};

/// The most steps that are kept.
const MAX_STEPS: usize = 256;

/// The steps of one start, in the order of their begin. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct StartupTimes {
    began: Instant,
    steps: Arc<Mutex<Vec<StartupStep>>>,
}

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    /// A part of the start.
    Phase,
    /// A start-up connection, by its name.
    Connect,
    /// A health check until its first success, by its name.
    Check,
}

impl StepKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Connect => "connect",
            Self::Check => "check",
        }
    }
}

/// A step. Times count from the begin of the start.
#[derive(Debug, Clone)]
pub(crate) struct StartupStep {
    pub(crate) kind: StepKind,
    pub(crate) name: String,
    pub(crate) began: Duration,
    /// `None` while the step is in progress.
    pub(crate) ended: Option<Duration>,
    /// The failed attempts.
    pub(crate) failures: u64,
    /// The error of the last failed attempt, with passwords masked.
    pub(crate) error: Option<String>,
}

/// A step in progress.
#[derive(Debug)]
pub(crate) struct StepTimer {
    times: StartupTimes,
    /// Beyond the list if it is full.
    index: usize,
}

impl StartupTimes {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            steps: Arc::default(),
        }
    }

    /// Begins a step.
    pub(crate) fn begin(&self, kind: StepKind, name: &str) -> StepTimer {
        let mut steps = lock(&self.steps);
        let index = steps.len();
        if index < MAX_STEPS {
            steps.push(StartupStep {
                kind,
                name: name.to_owned(),
                began: self.began.elapsed(),
                ended: None,
                failures: 0,
                error: None,
            });
        }
        StepTimer {
            times: self.clone(),
            index,
        }
    }

    pub(crate) fn steps(&self) -> Vec<StartupStep> {
        lock(&self.steps).clone()
    }
}

impl StepTimer {
    /// Records a failed attempt.
    pub(crate) fn fail(&self, error: &str) {
        self.update(|step| {
            step.failures = step.failures.saturating_add(1);
            step.error = Some(error.to_owned());
        });
    }

    /// Ends the step.
    pub(crate) fn end(self) {
        let ended = self.times.began.elapsed();
        self.update(|step| step.ended = Some(ended));
    }

    fn update(&self, change: impl FnOnce(&mut StartupStep)) {
        if let Some(step) = lock(&self.times.steps).get_mut(self.index) {
            change(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ADM-16
    #[tokio::test(start_paused = true)]
    async fn steps_are_timed_and_bounded() {
        let times = StartupTimes::new();
        let setup = times.begin(StepKind::Phase, "set-up");
        tokio::time::advance(Duration::from_secs(1)).await;
        let connect = times.begin(StepKind::Connect, "db");
        connect.fail("refused");
        connect.fail("still refused");
        tokio::time::advance(Duration::from_secs(2)).await;
        connect.end();
        for _ in 0..1000 {
            times.begin(StepKind::Connect, "again").end();
        }
        setup.end();
        let steps = times.steps();
        assert_eq!(steps.len(), MAX_STEPS);
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        assert_eq!(seconds(steps[0].ended), Some(3));
        let db = &steps[1];
        assert_eq!((db.began.as_secs(), seconds(db.ended)), (1, Some(3)));
        assert_eq!(
            (db.failures, db.error.as_deref()),
            (2, Some("still refused"))
        );
    }
}
