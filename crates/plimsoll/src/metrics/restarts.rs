//! Restart counters of background workers.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use super::{definition as families, text::TextEncoder};

type WorkerRestarts = (&'static str, AtomicU64);

/// A restart counter for each background worker. Counters exist from the start of the workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Restarts {
    workers: Arc<OnceLock<Box<[WorkerRestarts]>>>,
}

impl Restarts {
    /// Sets the names of the workers. Only the first call has an effect.
    pub(crate) fn define(&self, names: impl Iterator<Item = &'static str>) {
        self.workers
            .get_or_init(|| names.map(|name| (name, AtomicU64::new(0))).collect());
    }

    /// Counts a restart of a worker, by its index in `define`.
    pub(crate) fn count(&self, index: usize) {
        if let Some((_, restarts)) = self.workers.get().and_then(|workers| workers.get(index)) {
            restarts.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn render(&self, out: &mut TextEncoder) {
        let workers = self.workers.get().map_or(&[][..], |workers| workers);
        if !workers.is_empty() {
            out.family(&families::WORKER_TASK_RESTARTS);
        }
        for (name, restarts) in workers {
            let restarts = restarts.load(Ordering::Relaxed);
            out.sample("_total", &[("worker", name)], restarts);
        }
    }
}
