//! Limits the number of responses whose clients accept nothing (contract SRV-4).
//!
//! A stalled response holds no slot, but it holds memory. At most as many responses may stall as there
//! are slots. Beyond that limit, the response that has stalled for longest is reset.
//!
//! A response is registered only after its client has accepted nothing for [`STALL`]. The timer that
//! limits the wait also registers it. A response that makes progress costs nothing here.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use crate::sync::{Mutex, MutexGuard, lock};

/// The time without progress after which a response counts as stalled. A client that reads at all
/// accepts some bytes within this time, unless its network has failed.
pub(crate) const STALL: Duration = Duration::from_secs(1);

/// The stalled responses of one service.
#[derive(Debug)]
pub(crate) struct StalledResponses {
    /// The largest number of stalled responses; 0 is unlimited.
    limit: usize,
    registered: AtomicU64,
    longest_first: Mutex<BTreeMap<Key, StalledEviction>>,
}

/// The begin of the stall, and a number that makes the key unique.
type Key = (Instant, u64);

/// Evicts one response.
#[derive(Debug)]
struct StalledEviction {
    evicted: Arc<AtomicBool>,
    waker: Waker,
}

/// The registration of a stalled response, until the response makes progress or ends.
#[derive(Debug)]
pub(crate) struct StalledResponse {
    all: Arc<StalledResponses>,
    key: Key,
    evicted: Arc<AtomicBool>,
}

impl StalledResponses {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            registered: AtomicU64::new(0),
            longest_first: Mutex::default(),
        })
    }

    /// Registers a response that has stalled since `since`, for the task of `waker`.
    pub(crate) fn register(self: &Arc<Self>, since: Instant, waker: &Waker) -> StalledResponse {
        let key = (since, self.registered.fetch_add(1, Ordering::Relaxed));
        let evicted = Arc::new(AtomicBool::new(false));
        let eviction = StalledEviction {
            evicted: Arc::clone(&evicted),
            waker: waker.clone(),
        };
        let is_full = {
            let mut stalled = self.lock();
            stalled.insert(key, eviction);
            self.limit > 0 && stalled.len() > self.limit
        };
        if is_full {
            self.evict_longest();
        }
        StalledResponse {
            all: Arc::clone(self),
            key,
            evicted,
        }
    }

    /// Whether a response has stalled.
    pub(super) fn is_any(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Evicts the response that has stalled for longest. Returns false if there is none.
    pub(super) fn evict_longest(&self) -> bool {
        let Some((_, eviction)) = self.lock().pop_first() else {
            return false;
        };
        eviction.evicted.store(true, Ordering::Release);
        eviction.waker.wake();
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, StalledEviction>> {
        lock(&self.longest_first)
    }
}

impl StalledResponse {
    pub(crate) fn since(&self) -> Instant {
        self.key.0
    }

    /// Whether the response must be reset to free its memory.
    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }
}

impl Drop for StalledResponse {
    fn drop(&mut self) {
        self.all.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn longest_stall_is_evicted_above_the_limit() {
        let all = StalledResponses::new(2);
        let now = Instant::now();
        let register = |seconds| all.register(now + Duration::from_secs(seconds), Waker::noop());
        let (second, first) = (register(2), register(1));
        assert!(!first.is_evicted() && !second.is_evicted());
        let third = register(3);
        assert!(first.is_evicted() && !second.is_evicted() && !third.is_evicted());
        assert!(all.evict_longest() && second.is_evicted());
        drop(third);
        assert!(!all.evict_longest(), "it has made progress");
    }
}
