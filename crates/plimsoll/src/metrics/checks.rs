//! The metrics of health checks.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{definition as families, text::TextEncoder};

/// How a run of a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckResult {
    Ok,
    Failed,
    Timeout,
    Panicked,
}

impl CheckResult {
    const LABELS: [&'static str; 4] = ["ok", "failed", "timeout", "panicked"];

    pub(crate) const fn as_str(self) -> &'static str {
        Self::LABELS[self as usize]
    }
}

/// The values of one check.
#[derive(Debug)]
pub(crate) struct CheckCells {
    name: &'static str,
    policy: &'static str,
    created: Instant,
    /// 0 while the state is unknown, 1 if the check is down, 2 if it is up.
    state: AtomicU8,
    results: [AtomicU64; CheckResult::LABELS.len()],
    /// When the last run finished, in microseconds after `created`.
    finished: AtomicU64,
    /// The duration of the last run, in microseconds.
    took: AtomicU64,
}

impl CheckCells {
    pub(crate) fn new(name: &'static str, policy: &'static str) -> Self {
        Self {
            name,
            policy,
            created: Instant::now(),
            state: AtomicU8::new(0),
            results: Default::default(),
            finished: AtomicU64::new(0),
            took: AtomicU64::new(0),
        }
    }

    pub(crate) fn set_up(&self, is_up: bool) {
        self.state.store(1 + u8::from(is_up), Ordering::Relaxed);
    }

    /// Records the end of a run.
    pub(crate) fn finish(&self, result: CheckResult, took: Duration) {
        self.took.store(micros(took), Ordering::Relaxed);
        let finished = micros(self.created.elapsed());
        self.finished.store(finished, Ordering::Relaxed);
        // Last, so that a scrape that sees the count sees the times too.
        self.results[result as usize].fetch_add(1, Ordering::Release);
    }

    fn runs(&self) -> u64 {
        let count = |result: &AtomicU64| result.load(Ordering::Acquire);
        self.results.iter().map(count).sum()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

/// The metrics of all checks. They exist from the start of the checks.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckMetrics {
    checks: Arc<OnceLock<Vec<Arc<CheckCells>>>>,
}

impl CheckMetrics {
    /// Sets the checks. Only the first call has an effect.
    pub(crate) fn define(&self, cells: impl Iterator<Item = CheckCells>) -> Vec<Arc<CheckCells>> {
        self.checks
            .get_or_init(|| cells.map(Arc::new).collect())
            .clone()
    }

    pub(super) fn render(&self, out: &mut TextEncoder) {
        let checks = self.checks.get().map_or(&[][..], Vec::as_slice);
        if checks.is_empty() {
            return;
        }
        out.family(&families::CHECK_UP);
        for check in checks {
            let labels = [("check", check.name), ("policy", check.policy)];
            if let Some(value) = check.state.load(Ordering::Relaxed).checked_sub(1) {
                out.sample("", &labels, u64::from(value));
            }
        }
        out.family(&families::CHECK_RESULTS);
        for check in checks {
            for (label, count) in CheckResult::LABELS.iter().zip(&check.results) {
                let labels = [("check", check.name), ("result", label)];
                out.sample("_total", &labels, count.load(Ordering::Relaxed));
            }
        }
        let ran = || checks.iter().filter(|check| check.runs() > 0);
        out.family(&families::CHECK_AGE);
        for check in ran() {
            let now = micros(check.created.elapsed());
            let age = now.saturating_sub(check.finished.load(Ordering::Relaxed));
            out.sample("", &[("check", check.name)], seconds(age));
        }
        out.family(&families::CHECK_DURATION);
        for check in ran() {
            let took = seconds(check.took.load(Ordering::Relaxed));
            out.sample("", &[("check", check.name)], took);
        }
    }
}
