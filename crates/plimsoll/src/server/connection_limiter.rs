//! All connections together, and who makes room when there are too many (contract SRV-4).
//!
//! | found at `MAX_CONNECTIONS` | what happens to the new connection |
//! |---|---|
//! | one without a complete head | it takes the place of the oldest of these |
//! | else an idle one | it takes the place of the one that is idle for longest |
//! | else room in the reserve | one request: probes and metrics are answered, all else is 503 |
//! | else | it is closed |
//!
//! So a crowd of slow or silent clients cannot keep anybody out: they make room for each other.
//!
//! # Cost
//!
//! Below the limit a connection costs one short lock when it comes and one when it goes. At the
//! limit all connections are searched for those that can be evicted, and up to [`BATCH`] are remembered.
//! A search that finds fewer has found all of them. It is not repeated for 1 ms per 1,000 connections,
//! so that searches take a few percent of one CPU at most, even if all connections are busy.
//! A connection that becomes idle within that time is found by the next search.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::state::{ConnectionState, WaitReason};
use crate::metrics::{Registry, Rejection};

/// Connections above the limit that are answered, so that probes are.
const PROBE_RESERVE: usize = 32;

/// How many connections that can be evicted are remembered from one search.
const BATCH: usize = 256;

/// How long no search follows one that found all connections that can be evicted.
fn pause(places: usize) -> Duration {
    Duration::from_millis(places as u64 / 1000)
}

/// The connections of one service.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    limit: usize,
    registry: Arc<Registry>,
    members: Mutex<Slots>,
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

/// A place in the crowd, given back by the drop.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    crowd: Arc<ConnectionLimiter>,
    place: usize,
    reserve: bool,
    /// Somebody was told to go for it, and may not have gone yet.
    at_the_expense_of_another: bool,
}

impl ConnectionPermit {
    pub(super) fn is_at_the_expense_of_another(&self) -> bool {
        self.at_the_expense_of_another
    }
}

impl ConnectionLimiter {
    pub(super) fn new(limit: usize, registry: Arc<Registry>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            registry,
            members: Mutex::default(),
        })
    }

    /// Takes a connection in, or nothing if it must be closed.
    pub(super) fn acquire(
        self: &Arc<Self>,
        state: &Arc<ConnectionState>,
    ) -> Option<ConnectionPermit> {
        let mut members = self.lock();
        let is_full = members.regular >= self.limit;
        let made_room = is_full && self.evict_one(&mut members);
        let reserve = is_full && !made_room;
        if reserve && members.reserve >= PROBE_RESERVE {
            drop(members);
            self.registry.connections.rejected.count(Rejection::Full);
            return None;
        }
        if reserve {
            state.set_reserve();
            members.reserve += 1;
        } else {
            members.regular += 1;
        }
        let place = members.free.pop().unwrap_or_else(|| {
            members.places.push(None);
            members.places.len() - 1
        });
        members.places[place] = Some(Arc::clone(state));
        if made_room {
            // No search has seen it.
            members.candidates.push_back(Arc::clone(state));
        }
        Some(ConnectionPermit {
            crowd: Arc::clone(self),
            place,
            reserve,
            at_the_expense_of_another: made_room,
        })
    }

    /// Tells somebody to go, whose place is free from this moment on.
    fn evict_one(&self, members: &mut Slots) -> bool {
        for has_searched in [false, true] {
            while let Some(candidate) = members.candidates.pop_front() {
                if let Some(waiting) = candidate.evict() {
                    members.regular -= 1;
                    self.registry.connections.rejected.count(match waiting {
                        WaitReason::Idle => Rejection::Idle,
                        WaitReason::Head | WaitReason::Write => Rejection::NoRequest,
                    });
                    return true;
                }
            }
            if !has_searched {
                members.search();
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut members = self.crowd.lock();
        let state = members.places[self.place].take();
        members.free.push(self.place);
        if self.reserve {
            members.reserve -= 1;
        } else if state.is_none_or(|state| state.mark_closed()) {
            members.regular -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::build_info::BuildInfo;

    fn crowd(limit: usize) -> Arc<ConnectionLimiter> {
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
        let crowd = crowd(2);
        let old = Arc::new(ConnectionState::new());
        advance(Duration::from_secs(1)).await;
        let young = Arc::new(ConnectionState::new());
        let seats = [crowd.acquire(&young), crowd.acquire(&old)];
        assert!(crowd.acquire(&busy()).is_some_and(|seat| !seat.reserve));
        assert!(old.is_evicted() && !young.is_evicted());
        drop(seats);
        assert_eq!(
            crowd.lock().regular,
            0,
            "whoever was told to go is not counted twice"
        );
    }

    #[tokio::test]
    async fn a_reserve_is_bounded_and_its_members_make_no_room() {
        let crowd = crowd(1);
        let first = crowd.acquire(&busy());
        let reserve: Vec<_> = (0..PROBE_RESERVE)
            .map(|_| crowd.acquire(&Arc::new(ConnectionState::new())))
            .collect();
        assert!(
            reserve
                .iter()
                .all(|seat| seat.as_ref().is_some_and(|seat| seat.reserve))
        );
        assert!(crowd.acquire(&Arc::new(ConnectionState::new())).is_none());
        drop(reserve);
        drop(first);
        let members = crowd.lock();
        assert_eq!((members.regular, members.reserve), (0, 0));
    }

    #[tokio::test]
    async fn a_flood_looks_once_a_batch() {
        let crowd = crowd(BATCH);
        let idle: Vec<_> = (0..BATCH)
            .map(|_| {
                let state = busy();
                state.request_ended(Instant::now());
                state
            })
            .collect();
        let seats: Vec<_> = idle.iter().map(|state| crowd.acquire(state)).collect();
        let newcomers: Vec<_> = (0..BATCH).map(|_| crowd.acquire(&busy())).collect();
        assert!(idle.iter().all(|state| state.is_evicted()));
        assert!(newcomers.iter().flatten().all(|seat| !seat.reserve));
        drop((seats, newcomers));
        assert_eq!(crowd.lock().regular, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn crowd_of_busy_connections_is_not_searched_for_each() {
        const MEMBERS: usize = 2000;
        let crowd = crowd(MEMBERS);
        let busy: Vec<_> = (0..MEMBERS).map(|_| busy()).collect();
        let mut seats: Vec<_> = busy.iter().map(|state| crowd.acquire(state)).collect();
        let mut join = || {
            let seat = crowd.acquire(&Arc::new(ConnectionState::new()));
            let is_regular = seat.as_ref().is_some_and(|seat| !seat.reserve);
            seats.push(seat);
            is_regular
        };
        assert!(!join());
        busy[0].request_ended(Instant::now());
        advance(Duration::from_millis(1)).await;
        assert!(!join(), "the search is not repeated yet");
        advance(Duration::from_millis(1)).await;
        assert!(join() && busy[0].is_evicted());
        assert!(join(), "the one before is silent, and needs no search");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_gone_by_itself_is_not_told_to_go_and_gives_its_place_back_once() {
        let crowd = crowd(3);
        let states: Vec<_> = (0..6).map(|_| Arc::new(ConnectionState::new())).collect();
        let mut seats: Vec<_> = states[..3]
            .iter()
            .map(|state| crowd.acquire(state))
            .collect();
        // One goes for the fourth, and the other two are remembered for the next time.
        seats.push(crowd.acquire(&states[3]));
        let told = states[..3].iter().position(|state| state.is_evicted());
        let rest: Vec<_> = (0..3).filter(|index| Some(*index) != told).collect();
        // One of them ends by itself, and another one takes its place.
        seats[rest[0]] = None;
        seats.push(crowd.acquire(&states[4]));
        seats.push(crowd.acquire(&states[5]));
        assert!(
            states[rest[1]].is_evicted(),
            "the one that is still there makes room for the sixth"
        );
        assert_eq!(crowd.lock().regular, 3);
        drop(seats);
        assert_eq!(crowd.lock().regular, 0);
    }
}
