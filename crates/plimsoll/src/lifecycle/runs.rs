//! Counts of background worker runs, which the shutdown reports.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the runs of background workers that are in progress or finished during the shutdown.
#[derive(Debug, Default)]
pub(crate) struct WorkerRuns {
    running: AtomicU64,
    finished: AtomicU64,
}

impl WorkerRuns {
    pub(crate) fn began(&self) {
        self.running.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts the end of a run. `finished` means that it ended by itself after the signal.
    pub(crate) fn ended(&self, finished: bool) {
        if finished {
            self.finished.fetch_add(1, Ordering::AcqRel);
        }
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    /// Returns the number of runs in progress.
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Acquire)
    }

    /// Returns the number of runs that ended by themselves after the signal.
    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Acquire)
    }
}
