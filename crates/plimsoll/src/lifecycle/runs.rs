//! The runs of background workers, as the drain sees them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts runs of background workers.
#[derive(Debug, Default)]
pub(crate) struct WorkerRuns {
    running: AtomicU64,
    finished: AtomicU64,
}

impl WorkerRuns {
    pub(crate) fn began(&self) {
        self.running.fetch_add(1, Ordering::AcqRel);
    }

    /// A run has ended, by itself and after the signal if `finished`.
    pub(crate) fn ended(&self, finished: bool) {
        if finished {
            self.finished.fetch_add(1, Ordering::AcqRel);
        }
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    /// The number of runs in progress.
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Acquire)
    }

    /// The number of runs that ended by themselves after the signal.
    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Acquire)
    }
}
