//! Whether the workers still run: a beat of each, seen from outside.
//!
//! A worker is one thread. A handler that blocks it stops everything on it, timers too, so nothing
//! on that worker can say so. Each worker therefore beats twice a second, and a thread of its own
//! listens.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
};

/// The pause between two beats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// A worker that was silent for so long is stuck: a beat is due every half second.
pub(super) const STUCK: Duration = Duration::from_millis(1500);

/// How long all workers may be silent, before the process counts as dead (contract HTTP-3): a
/// handler may block its worker for as long as it may take, and for this long at least.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// How long that is with this `REQUEST_TIMEOUT`.
pub(crate) fn stall_limit(request_timeout: Option<Duration>) -> Duration {
    request_timeout.unwrap_or_default().max(STALL_LIMIT)
}

/// The beats of all workers.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    born: Instant,
    /// The last beat of each, in milliseconds after `born`.
    beats: Box<[AtomicU64]>,
    /// Where the thread that beat last notes the requests that it polls, for each worker.
    polled: Box<[Mutex<Option<Arc<PolledSlot>>>]>,
}

impl Heartbeats {
    /// Makes these workers beat, for as long as their runtimes live.
    pub(crate) fn start(workers: &[Handle]) -> Arc<Self> {
        let pulse = Arc::new(Self::of_silent(workers.len()));
        for (index, worker) in workers.iter().enumerate() {
            let pulse = Arc::clone(&pulse);
            worker.spawn(async move {
                loop {
                    pulse.record(index);
                    // A worker moves to another thread where code calls `block_in_place`.
                    *lock(&pulse.polled[index]) = Some(request::note_polled());
                    sleep(HEARTBEAT_INTERVAL).await;
                }
            });
        }
        pulse
    }

    pub(super) fn record(&self, index: usize) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beats[index].store(now, Ordering::Relaxed);
    }

    /// Workers that have beaten just now, and beat by [`Heartbeats::beat`] only.
    pub(super) fn of_silent(count: usize) -> Self {
        Self {
            born: Instant::now(),
            beats: (0..count).map(|_| AtomicU64::new(0)).collect(),
            polled: (0..count).map(|_| Mutex::default()).collect(),
        }
    }

    /// The request that a worker polls, if it polls one.
    pub(super) fn polled(&self, index: usize) -> Option<PolledRequest> {
        lock(self.polled.get(index)?).as_ref()?.read()
    }

    /// How long each worker has been silent.
    pub(crate) fn ages(&self) -> impl Iterator<Item = Duration> {
        let now = self.born.elapsed();
        self.beats.iter().map(move |beat| {
            now.saturating_sub(Duration::from_millis(beat.load(Ordering::Relaxed)))
        })
    }

    /// Whether a worker has been silent for longer than a beat can be late.
    pub(crate) fn is_stuck(&self, index: usize) -> bool {
        self.ages()
            .nth(index)
            .is_some_and(|silence| silence > STUCK)
    }

    /// Whether every worker has been silent for longer than `limit` (contract HTTP-3). A service
    /// without workers of its own never is: whoever answers shows that it is not.
    pub(crate) fn all_stalled(&self, limit: Duration) -> bool {
        !self.beats.is_empty() && self.ages().all(|silence| silence > limit)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_service_is_gone_when_every_worker_is_silent() {
        let pulse = Heartbeats::of_silent(2);
        advance(Duration::from_secs(31)).await;
        assert!(pulse.all_stalled(Duration::from_secs(30)));
        pulse.record(1);
        assert!(!pulse.all_stalled(Duration::from_secs(30)), "one is enough");
        let silences: Vec<_> = pulse.ages().map(|silence| silence.as_secs()).collect();
        assert_eq!(silences, [31, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_runs_beats() {
        let pulse = Heartbeats::start(&[Handle::current()]);
        sleep(Duration::from_secs(60)).await;
        assert!(pulse.ages().all(|silence| silence <= HEARTBEAT_INTERVAL));
        assert!(!Heartbeats::start(&[]).all_stalled(Duration::ZERO));
    }
}
