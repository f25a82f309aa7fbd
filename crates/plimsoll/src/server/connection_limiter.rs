//! All connections together, and who makes room when there are too many (contract SRV-4).
//!
//! | found at `MAX_CONNECTIONS` | what happens to the new connection |
//! |---|---|
//! | one without a complete head | it takes the place of the oldest of these |
//! | else an idle one | it takes the place of the one that is idle for longest |
//! | else room in the reserve | one request: probes and metrics are answered, all else is 503 |
//! | else | it is closed |
//!
//! So a limiter of slow or silent clients cannot keep anybody out: they make room for each other.
//!
//! # Cost
//!
//! Below the limit a connection costs one short lock when it comes and one when it goes. At the
//! limit all connections are searched for those that can be evicted, and up to [`BATCH`] are remembered.
//! A search that finds fewer has found all of them. It is not repeated for 1 µs per connection,
//! so that searches take a few percent of one CPU at most, even if all connections are busy.
//! A connection that becomes idle within that time is found by the next search.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    connection::{ConnectionState, WaitReason},
    metrics::{Registry, Rejection},
};

/// Connections above the limit that are answered, so that probes are.
const PROBE_RESERVE: usize = 32;

/// How many connections that can be evicted are remembered from one search.
const BATCH: usize = 256;

/// How long no search follows one that found all connections that can be evicted.
fn pause(places: usize) -> Duration {
    Duration::from_micros(places as u64)
}

/// The connections of one service.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    limit: usize,
    registry: Arc<Registry>,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    places: Vec<Option<Arc<ConnectionState>>>,
    free: Vec<usize>,
    /// Members with a place within the limit.
    regular: usize,
    /// Members of the reserve.
    reserve: usize,
    /// Connections that can be evicted, in this order.
    candidates: VecDeque<Arc<ConnectionState>>,
    /// No search before this moment.
    next_search: Option<Instant>,
}

/// A place in the limiter, given back by the drop.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    place: usize,
    reserve: bool,
    /// Somebody was told to go for it, and may not have gone yet.
    at_the_expense_of_another: bool,
}

impl ConnectionPermit {
    pub(super) fn has_evicted(&self) -> bool {
        self.at_the_expense_of_another
    }
}

impl ConnectionLimiter {
    pub(super) fn new(limit: usize, registry: Arc<Registry>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            registry,
            slots: Mutex::default(),
        })
    }

    /// Takes a connection in, or nothing if it must be closed.
    pub(super) fn acquire(
        self: &Arc<Self>,
        state: &Arc<ConnectionState>,
    ) -> Option<ConnectionPermit> {
        let mut slots = self.lock();
        let is_full = slots.regular >= self.limit;
        let made_room = is_full && self.evict_one(&mut slots);
        let reserve = is_full && !made_room;
        if reserve && slots.reserve >= PROBE_RESERVE {
            drop(slots);
            self.registry.connections.rejected.count(Rejection::Full);
            return None;
        }
        if reserve {
            state.set_reserve();
            slots.reserve += 1;
        } else {
            slots.regular += 1;
        }
        let place = slots.free.pop().unwrap_or_else(|| {
            slots.places.push(None);
            slots.places.len() - 1
        });
        slots.places[place] = Some(Arc::clone(state));
        if made_room {
            // No search has seen it.
            slots.candidates.push_back(Arc::clone(state));
        }
        Some(ConnectionPermit {
            limiter: Arc::clone(self),
            place,
            reserve,
            at_the_expense_of_another: made_room,
        })
    }

    /// Tells somebody to go, whose place is free from this moment on.
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
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Finds those who may go: without a complete head before idle, longest first.
    fn search(&mut self) {
        let now = Instant::now();
        if self.next_search.is_some_and(|next| now < next) {
            return;
        }
        let mut found: Vec<_> = self
            .places
            .iter()
            .flatten()
            .filter_map(|state| Some((state.eviction_order()?, state)))
            .collect();
        if found.len() > BATCH {
            found.select_nth_unstable_by_key(BATCH, |(order, _)| *order);
            found.truncate(BATCH);
        } else {
            self.next_search = Some(now + pause(self.places.len()));
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
        let state = slots.places[self.place].take();
        slots.free.push(self.place);
        if self.reserve {
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
    async fn the_oldest_without_a_request_goes_first_and_its_place_is_free_at_once() {
        let limiter = limiter(2);
        let old = Arc::new(ConnectionState::new());
        advance(Duration::from_secs(1)).await;
        let young = Arc::new(ConnectionState::new());
        let permits = [limiter.acquire(&young), limiter.acquire(&old)];
        assert!(
            limiter
                .acquire(&busy())
                .is_some_and(|permit| !permit.reserve)
        );
        assert!(old.is_evicted() && !young.is_evicted());
        drop(permits);
        assert_eq!(
            limiter.lock().regular,
            0,
            "whoever was told to go is not counted twice"
        );
    }

    #[tokio::test]
    async fn a_reserve_is_bounded_and_its_slots_make_no_room() {
        let limiter = limiter(1);
        let first = limiter.acquire(&busy());
        let reserve: Vec<_> = (0..PROBE_RESERVE)
            .map(|_| limiter.acquire(&Arc::new(ConnectionState::new())))
            .collect();
        assert!(
            reserve
                .iter()
                .all(|permit| permit.as_ref().is_some_and(|permit| permit.reserve))
        );
        assert!(limiter.acquire(&Arc::new(ConnectionState::new())).is_none());
        drop(reserve);
        drop(first);
        let slots = limiter.lock();
        assert_eq!((slots.regular, slots.reserve), (0, 0));
    }

    #[tokio::test]
    async fn a_flood_looks_once_a_batch() {
        let limiter = limiter(BATCH);
        let idle: Vec<_> = (0..BATCH)
            .map(|_| {
                let state = busy();
                state.request_ended(Instant::now());
                state
            })
            .collect();
        let permits: Vec<_> = idle.iter().map(|state| limiter.acquire(state)).collect();
        let newcomers: Vec<_> = (0..BATCH).map(|_| limiter.acquire(&busy())).collect();
        assert!(idle.iter().all(|state| state.is_evicted()));
        assert!(newcomers.iter().flatten().all(|permit| !permit.reserve));
        drop((permits, newcomers));
        assert_eq!(limiter.lock().regular, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn crowd_of_busy_connections_is_not_searched_for_each() {
        const MEMBERS: usize = 500;
        let limiter = limiter(MEMBERS);
        let busy: Vec<_> = (0..MEMBERS).map(|_| busy()).collect();
        let mut permits: Vec<_> = busy.iter().map(|state| limiter.acquire(state)).collect();
        let mut join = || {
            let permit = limiter.acquire(&Arc::new(ConnectionState::new()));
            let is_regular = permit.as_ref().is_some_and(|permit| !permit.reserve);
            permits.push(permit);
            is_regular
        };
        assert!(!join());
        busy[0].request_ended(Instant::now());
        advance(Duration::from_micros(250)).await;
        assert!(!join(), "the search is not repeated yet");
        advance(Duration::from_micros(250)).await;
        assert!(join() && busy[0].is_evicted());
        assert!(join(), "the one before is silent, and needs no search");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_gone_by_itself_is_not_told_to_go_and_gives_its_place_back_once() {
        let limiter = limiter(3);
        let states: Vec<_> = (0..6).map(|_| Arc::new(ConnectionState::new())).collect();
        let mut permits: Vec<_> = states[..3]
            .iter()
            .map(|state| limiter.acquire(state))
            .collect();
        // One goes for the fourth, and the other two are remembered for the next time.
        permits.push(limiter.acquire(&states[3]));
        let told = states[..3].iter().position(|state| state.is_evicted());
        let rest: Vec<_> = (0..3).filter(|index| Some(*index) != told).collect();
        // One of them ends by itself, and another one takes its place.
        permits[rest[0]] = None;
        permits.push(limiter.acquire(&states[4]));
        permits.push(limiter.acquire(&states[5]));
        assert!(
            states[rest[1]].is_evicted(),
            "the one that is still there makes room for the sixth"
        );
        assert_eq!(limiter.lock().regular, 3);
        drop(permits);
        assert_eq!(limiter.lock().regular, 0);
    }
}
