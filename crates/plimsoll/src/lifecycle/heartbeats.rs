//! Heartbeats of the workers, which detect a stalled worker.
//!
//! A worker runs on one thread, which changes only at `block_in_place`. A blocking handler stops
//! everything on that thread, timers included, so the worker cannot report it. Each worker therefore records a heartbeat twice a second, and the
//! watchdog thread checks them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use crate::{
    request,
    request::{PolledRequest, PolledSlot},
    sync::{Mutex, lock},
};

/// The time between two heartbeats of a worker, and between two checks of the watchdog.
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// The age of the last heartbeat from which a worker counts as stuck: three missed heartbeats.
pub(super) const STUCK: Duration = HEARTBEAT_INTERVAL.saturating_mul(3);

/// The shortest time without a heartbeat of any worker after which `/health` fails (contract HTTP-3).
const MIN_STALL_LIMIT: Duration = Duration::from_secs(30);

/// Returns the time without a heartbeat of any worker after which `/health` fails (contract HTTP-3).
///
/// A handler may block its worker for `REQUEST_TIMEOUT`, and for 30 s at least.
pub(crate) fn stall_limit(request_timeout: Option<Duration>) -> Duration {
    request_timeout.unwrap_or_default().max(MIN_STALL_LIMIT)
}

/// The last heartbeat of each worker.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    started: Instant,
    /// The last heartbeat of each worker, in milliseconds after `started`. Written by the worker.
    last: Box<[AtomicU64]>,
    /// For each worker, the [`PolledSlot`] of its thread: the request that the thread polls now.
    polled: Box<[Mutex<Option<Arc<PolledSlot>>>]>,
}

impl Heartbeats {
    /// Spawns the heartbeat task of each worker, which runs until the runtime shuts down.
    pub(crate) fn start(workers: &[Handle]) -> Arc<Self> {
        let heartbeats = Arc::new(Self::without_tasks(workers.len()));
        for (number, worker) in (0..).zip(workers) {
            let (heartbeats, index) = (Arc::clone(&heartbeats), usize::from(number));
            worker.spawn(async move {
                loop {
                    heartbeats.record(index);
                    // A worker moves to another thread where code calls `block_in_place`.
                    *lock(&heartbeats.polled[index]) = Some(request::note_polled(number));
                    sleep(HEARTBEAT_INTERVAL).await;
                }
            });
        }
        heartbeats
    }

    /// Records a heartbeat of a worker.
    pub(super) fn record(&self, index: usize) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last[index].store(now, Ordering::Relaxed);
    }

    /// Creates heartbeats that only [`Heartbeats::record`] updates. Each begins with age 0.
    pub(super) fn without_tasks(count: usize) -> Self {
        Self {
            started: Instant::now(),
            last: (0..count).map(|_| AtomicU64::new(0)).collect(),
            polled: (0..count).map(|_| Mutex::default()).collect(),
        }
    }

    /// Returns the request that a worker polls, if it polls one.
    pub(super) fn polled(&self, index: usize) -> Option<PolledRequest> {
        lock(self.polled.get(index)?).as_ref()?.read()
    }

    /// Returns the age of the last heartbeat of each worker.
    pub(crate) fn ages(&self) -> impl Iterator<Item = Duration> {
        let now = self.started.elapsed();
        self.last.iter().map(move |last| {
            now.saturating_sub(Duration::from_millis(last.load(Ordering::Relaxed)))
        })
    }

    /// Whether the last heartbeat of a worker is older than [`STUCK`].
    pub(crate) fn is_stuck(&self, index: usize) -> bool {
        self.ages().nth(index).is_some_and(|age| age > STUCK)
    }

    /// Whether every worker's last heartbeat is older than `limit` (contract HTTP-3).
    ///
    /// Always false without workers: the runtime that answers the probe is then the one that serves.
    pub(crate) fn all_stalled(&self, limit: Duration) -> bool {
        !self.last.is_empty() && self.ages().all(|age| age > limit)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn service_stalls_when_no_worker_has_a_heartbeat() {
        let heartbeats = Heartbeats::without_tasks(2);
        advance(Duration::from_secs(31)).await;
        assert!(heartbeats.all_stalled(Duration::from_secs(30)));
        heartbeats.record(1);
        assert!(
            !heartbeats.all_stalled(Duration::from_secs(30)),
            "one is enough"
        );
        let ages: Vec<_> = heartbeats.ages().map(|age| age.as_secs()).collect();
        assert_eq!(ages, [31, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn running_runtime_records_heartbeats() {
        let heartbeats = Heartbeats::start(&[Handle::current()]);
        sleep(Duration::from_secs(60)).await;
        assert!(heartbeats.ages().all(|age| age <= HEARTBEAT_INTERVAL));
        assert!(!Heartbeats::start(&[]).all_stalled(Duration::ZERO));
    }
}
