//! Limits the number of open connections, and evicts connections at the limit (contract SRV-4).
//!
//! | state at `MAX_CONNECTIONS` | result for a new connection |
//! |---|---|
//! | a connection has no complete head | the oldest of these is evicted |
//! | otherwise: a connection is idle | the one that is idle for longest is evicted |
//! | otherwise: the reserve is not full | one request: probes and metrics are served, others get 503 |
//! | otherwise | closed |
//!
//! So slow or silent clients never block new ones, because they evict each other.
//!
//! # Cost
//!
//! Below the limit, a connection takes one short lock when it opens and one when it closes. At the
//! limit, all connections are searched for those that can be evicted, and up to [`BATCH`] of them are
//! kept as candidates. If a search finds fewer, it has found all of them, and the next
//! search is delayed by 1 µs per connection. So searches take at most a few percent of one CPU if all
//! connections are busy. A connection that becomes idle meanwhile is found by the next search.

mod visit;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    connection::{ConnectionState, WaitReason},
    metrics::{Registry, Rejection},
    sync::{Mutex, MutexGuard, lock},
};

/// The number of connections above the limit that may send one request, so that probes are served.
const PROBE_RESERVE: usize = 32;

/// The maximum number of candidates that one search keeps.
const BATCH: usize = 256;

/// The pause after a search that found all connections that can be evicted.
fn search_pause(connections: usize) -> Duration {
    Duration::from_micros(connections as u64)
}

/// Limits the number of open connections of one service.
#[derive(Debug)]
pub(crate) struct ConnectionLimiter {
    limit: usize,
    registry: Arc<Registry>,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    connections: Vec<Option<Arc<ConnectionState>>>,
    /// Indexes of `connections` that are `None`.
    free: Vec<usize>,
    /// Connections that count against the limit.
    regular: usize,
    /// Connections of the reserve.
    reserve: usize,
    /// Connections that can be evicted, in order.
    candidates: VecDeque<Arc<ConnectionState>>,
    /// No search happens before this time.
    next_search: Option<Instant>,
}

/// The permit of one open connection, released when it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    index: usize,
    is_reserve: bool,
    has_evicted: bool,
}

impl ConnectionPermit {
    /// Returns true if another connection was evicted for this one. It may still be open.
    pub(super) fn has_evicted(&self) -> bool {
        self.has_evicted
    }
}

impl ConnectionLimiter {
    pub(crate) fn new(limit: usize, registry: Arc<Registry>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            registry,
            slots: Mutex::default(),
        })
    }

    /// Returns a permit for a connection, or `None` if the connection must be closed.
    pub(super) fn acquire(
        self: &Arc<Self>,
        state: &Arc<ConnectionState>,
    ) -> Option<ConnectionPermit> {
        let mut slots = self.lock();
        let is_full = slots.regular >= self.limit;
        let has_evicted = is_full && self.evict_one(&mut slots);
        let is_reserve = is_full && !has_evicted;
        if is_reserve && slots.reserve >= PROBE_RESERVE {
            drop(slots);
            self.registry.connections.rejected.count(Rejection::Full);
            return None;
        }
        if is_reserve {
            state.set_reserve();
            slots.reserve += 1;
        } else {
            slots.regular += 1;
        }
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.connections.push(None);
            slots.connections.len() - 1
        });
        slots.connections[index] = Some(Arc::clone(state));
        if has_evicted {
            // The last search has not found this connection.
            slots.candidates.push_back(Arc::clone(state));
        }
        Some(ConnectionPermit {
            limiter: Arc::clone(self),
            index,
            is_reserve,
            has_evicted,
        })
    }

    /// Evicts one connection, whose permit is free immediately. Returns false if none can be evicted.
    fn evict_one(&self, slots: &mut Slots) -> bool {
        for has_searched in [false, true] {
            while let Some(candidate) = slots.candidates.pop_front() {
                if let Some(waiting) = candidate.evict() {
                    slots.regular -= 1;
                    self.registry.connections.rejected.count(match waiting {
                        WaitReason::Idle => Rejection::Idle,
                        WaitReason::Head | WaitReason::Write => Rejection::NoRequest,
                    });
                    return true;
                }
            }
            if !has_searched {
                slots.search();
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        lock(&self.slots)
    }
}

impl Slots {
    /// Searches for candidates: connections without a complete head, then idle ones, longest wait
    /// first.
    fn search(&mut self) {
        let now = Instant::now();
        if self.next_search.is_some_and(|next| now < next) {
            return;
        }
        let mut found: Vec<_> = self
            .connections
            .iter()
            .flatten()
            .filter_map(|state| Some((state.eviction_order()?, state)))
            .collect();
        if found.len() > BATCH {
            found.select_nth_unstable_by_key(BATCH, |(order, _)| *order);
            found.truncate(BATCH);
        } else {
            self.next_search = Some(now + search_pause(self.connections.len()));
        }
        found.sort_unstable_by_key(|(order, _)| *order);
        self.candidates = found
            .into_iter()
            .map(|(_, state)| Arc::clone(state))
            .collect();
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut slots = self.limiter.lock();
        let state = slots.connections[self.index].take();
        slots.free.push(self.index);
        if self.is_reserve {
            slots.reserve -= 1;
        } else if state.is_none_or(|state| state.mark_closed()) {
            slots.regular -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::build_info::BuildInfo;

    fn limiter(limit: usize) -> Arc<ConnectionLimiter> {
        let registry = Registry::new(BuildInfo::new("test", "1", "now"), 1, Vec::new());
        ConnectionLimiter::new(limit, registry)
    }

    fn busy() -> Arc<ConnectionState> {
        let state = Arc::new(ConnectionState::new());
        state.request_began();
        state
    }

    #[tokio::test(start_paused = true)]
    async fn oldest_connection_without_request_is_evicted_first() {
        let limiter = limiter(2);
        let old = Arc::new(ConnectionState::new());
        advance(Duration::from_secs(1)).await;
        let young = Arc::new(ConnectionState::new());
        let permits = [limiter.acquire(&young), limiter.acquire(&old)];
        assert!(
            limiter
                .acquire(&busy())
                .is_some_and(|permit| !permit.is_reserve)
        );
        assert!(old.is_evicted() && !young.is_evicted());
        drop(permits);
        assert_eq!(
            limiter.lock().regular,
            0,
            "the evicted connection is not counted twice"
        );
    }

    #[tokio::test]
    async fn reserve_is_bounded_and_not_evicted() {
        let limiter = limiter(1);
        let first = limiter.acquire(&busy());
        let reserve: Vec<_> = (0..PROBE_RESERVE)
            .map(|_| limiter.acquire(&Arc::new(ConnectionState::new())))
            .collect();
        assert!(
            reserve
                .iter()
                .all(|permit| permit.as_ref().is_some_and(|permit| permit.is_reserve))
        );
        assert!(limiter.acquire(&Arc::new(ConnectionState::new())).is_none());
        drop(reserve);
        drop(first);
        let slots = limiter.lock();
        assert_eq!((slots.regular, slots.reserve), (0, 0));
    }

    #[tokio::test]
    async fn flood_of_connections_is_searched_once_per_batch() {
        let limiter = limiter(BATCH);
        let idle: Vec<_> = (0..BATCH)
            .map(|_| {
                let state = busy();
                state.request_ended(Instant::now());
                state
            })
            .collect();
        let permits: Vec<_> = idle.iter().map(|state| limiter.acquire(state)).collect();
        let new: Vec<_> = (0..BATCH).map(|_| limiter.acquire(&busy())).collect();
        assert!(idle.iter().all(|state| state.is_evicted()));
        assert!(new.iter().flatten().all(|permit| !permit.is_reserve));
        drop((permits, new));
        assert_eq!(limiter.lock().regular, 0);
    }

    /// SRV-4
    #[tokio::test(start_paused = true)]
    async fn busy_connections_are_not_searched_for_each_new_one() {
        const LIMIT: usize = 500;
        let limiter = limiter(LIMIT);
        let busy: Vec<_> = (0..LIMIT).map(|_| busy()).collect();
        let mut permits: Vec<_> = busy.iter().map(|state| limiter.acquire(state)).collect();
        let mut acquire = || {
            let permit = limiter.acquire(&Arc::new(ConnectionState::new()));
            let is_regular = permit.as_ref().is_some_and(|permit| !permit.is_reserve);
            permits.push(permit);
            is_regular
        };
        assert!(!acquire());
        busy[0].request_ended(Instant::now());
        advance(Duration::from_micros(250)).await;
        assert!(!acquire(), "the search is not repeated yet");
        advance(Duration::from_micros(250)).await;
        assert!(acquire() && busy[0].is_evicted());
        assert!(
            acquire(),
            "the last connection is a candidate without a search"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn closed_connection_is_not_evicted_and_frees_one_permit() {
        let limiter = limiter(3);
        let states: Vec<_> = (0..6).map(|_| Arc::new(ConnectionState::new())).collect();
        let mut permits: Vec<_> = states[..3]
            .iter()
            .map(|state| limiter.acquire(state))
            .collect();
        // One is evicted for the fourth, and the other two are candidates.
        permits.push(limiter.acquire(&states[3]));
        let evicted = states[..3].iter().position(|state| state.is_evicted());
        let rest: Vec<_> = (0..3).filter(|index| Some(*index) != evicted).collect();
        // One of them closes, and a new one gets its permit.
        permits[rest[0]] = None;
        permits.push(limiter.acquire(&states[4]));
        permits.push(limiter.acquire(&states[5]));
        assert!(
            states[rest[1]].is_evicted(),
            "the candidate that is still open is evicted for the sixth"
        );
        assert_eq!(limiter.lock().regular, 3);
        drop(permits);
        assert_eq!(limiter.lock().regular, 0);
    }
}
