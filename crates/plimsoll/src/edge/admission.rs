//! Limits the number of requests in progress (contract SRV-4), by shedding and by eviction.
//!
//! If no slot is free, a request is shed at once. A queue would not make the handlers faster: its
//! requests would be answered after their clients have timed out.
//!
//! Over HTTP/2, one read may bring a hundred requests, which are handled one after the other. Such a
//! request takes its slot at the first poll of its stream ([`super::admit`]).
//!
//! # Suspended slots
//!
//! A slot is held for work. A response that waits for its client holds none: its slot is suspended
//! from the head on, and resumed while the body makes the client wait. At most twice as many slots may
//! be suspended as there are slots. At that limit, each new request evicts a stalled response
//! ([`StalledResponses`]).
//!
//! # Waits for a request body
//!
//! A handler that waits for its client's next bytes does no work either. Many clients that send
//! almost nothing of their bodies could take all slots. So if no slot is free, the request that has
//! waited for longest is evicted. When it next reads its body, it is rejected with 408, as if the body
//! had stalled. A frame below the minimum progress does not
//! restart the wait.

mod slots;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use self::slots::{Slots, Unit};
use super::stalled_responses::StalledResponses;
use crate::{
    metrics::ShardOwners,
    request::BodyLimits,
    sync::{Mutex, MutexGuard, lock},
};

/// The shortest wait that is evicted. A well-behaved client may pause this long between two frames.
const MIN_STALL: Duration = Duration::from_millis(100);

/// The slots of one service.
#[derive(Debug)]
pub(super) struct Admission {
    /// The number of slots; 0 is unlimited.
    limit: usize,
    slots: Slots,
    /// The shard of the slots that a worker uses, as in the metrics.
    owners: Arc<ShardOwners>,
    stalled: Arc<StalledResponses>,
    /// The number of waits that have begun.
    waits: AtomicU64,
    /// The waits for request bodies, longest first.
    waiting: Mutex<BTreeMap<BodyWait, (Arc<BodyLimits>, Waker)>>,
}

/// The right to handle one request. It must be returned by [`Admission::release`].
///
/// It has no reference to its admission: a count of references would be written by all workers.
#[derive(Debug)]
pub(super) struct RequestSlot {
    is_suspended: bool,
}

/// A wait for a request body: its begin, and a number that makes it unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BodyWait(Instant, u64);

impl Admission {
    pub(super) fn new(limit: usize, owners: Arc<ShardOwners>) -> Arc<Self> {
        let limit = limit.min(Slots::MAX);
        Arc::new(Self {
            limit,
            slots: Slots::new(limit, owners.count()),
            owners,
            stalled: StalledResponses::new(limit),
            waits: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    /// Takes a slot, if one is free or can be freed by an eviction.
    pub(super) fn acquire(&self) -> Option<RequestSlot> {
        let slot = RequestSlot {
            is_suspended: false,
        };
        if self.limit == 0 {
            return Some(slot);
        }
        let home = self.home();
        let has_place = self.slots.has(Unit::Place, home);
        // Checked before an upload is evicted: no upload ends for a request that is rejected anyway.
        if !has_place && !self.stalled.is_any() {
            return None;
        }
        if !self.slots.take(Unit::Slot, home) {
            if !self.evict_longest_wait() {
                return None;
            }
            // Until the evicted request has ended, one more slot is taken than there are.
            self.slots.overdraw(Unit::Slot, home);
        }
        if !has_place && !self.stalled.evict_longest() {
            self.slots.give(Unit::Slot, home);
            return None;
        }
        Some(slot)
    }

    /// Returns a slot.
    pub(super) fn release(&self, slot: RequestSlot) {
        if self.limit > 0 {
            let held = match slot.is_suspended {
                true => Unit::Place,
                false => Unit::Slot,
            };
            self.slots.give(held, self.home());
        }
    }

    /// Frees the slot for other requests while the response waits for its client.
    pub(super) fn suspend(&self, slot: &mut RequestSlot) {
        if !std::mem::replace(&mut slot.is_suspended, true) && self.limit > 0 {
            self.slots.exchange(Unit::Slot, Unit::Place, self.home());
        }
    }

    /// Takes the slot again while the client waits. The request is admitted, so this cannot fail.
    pub(super) fn resume(&self, slot: &mut RequestSlot) {
        if std::mem::replace(&mut slot.is_suspended, false) && self.limit > 0 {
            self.slots.exchange(Unit::Place, Unit::Slot, self.home());
        }
    }

    /// The shard of this thread.
    fn home(&self) -> usize {
        self.owners.shard().index
    }

    /// The responses whose clients accept nothing.
    pub(super) fn stalled(&self) -> &Arc<StalledResponses> {
        &self.stalled
    }

    /// The number of slots and of taken slots; `None` if there is no limit.
    pub(super) fn slots(&self) -> Option<(usize, usize)> {
        let taken = || self.limit.saturating_sub(self.slots.free(Unit::Slot));
        (self.limit > 0).then(|| (self.limit, taken()))
    }

    /// Registers a wait for the next bytes of a body. The wait began at `since`, and an eviction wakes
    /// `waker`. Returns false if the request is already evicted.
    pub(super) fn start_wait(
        &self,
        wait: &mut Option<BodyWait>,
        since: Instant,
        body: &Arc<BodyLimits>,
        waker: &Waker,
    ) -> bool {
        if self.limit == 0 {
            return true;
        }
        let mut waiting = self.lock();
        if body.is_evicted() {
            return false;
        }
        let wait = *wait.get_or_insert_with(|| {
            let number = self.waits.fetch_add(1, Ordering::Relaxed);
            BodyWait(since, number)
        });
        waiting.insert(wait, (Arc::clone(body), waker.clone()));
        true
    }

    /// Ends a wait. Returns false if the request has been evicted.
    pub(super) fn end_wait(&self, wait: BodyWait) -> bool {
        self.lock().remove(&wait).is_some()
    }

    /// Evicts the request that has waited for longest. Returns false if no wait is long enough.
    fn evict_longest_wait(&self) -> bool {
        let mut waiting = self.lock();
        loop {
            let Some(longest) = waiting.first_entry() else {
                return false;
            };
            if longest.key().0.elapsed() < MIN_STALL {
                return false;
            }
            let (body, waker) = longest.remove();
            if body.has_no_slot() {
                continue;
            }
            // Under the lock: a request that finds its wait removed must also find the eviction.
            body.evict();
            drop(waiting);
            waker.wake();
            return true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BodyWait, (Arc<BodyLimits>, Waker)>> {
        lock(&self.waiting)
    }
}

#[cfg(test)]
impl Admission {
    /// An admission with this number of slots, for two workers.
    pub(super) fn of(limit: usize) -> Arc<Self> {
        Self::new(limit, Arc::new(ShardOwners::new(2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_slot_is_free_again() {
        let admission = Admission::of(2);
        let first = admission.acquire();
        let second = admission.acquire();
        assert!(first.is_some() && second.is_some());
        assert!(admission.acquire().is_none());
        assert!(admission.acquire().is_none(), "a rejection takes no slot");
        admission.release(first.unwrap());
        let third = admission.acquire();
        assert!(third.is_some() && admission.acquire().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn suspended_slots_have_their_own_limit() {
        let admission = Admission::of(1);
        let mut slots: Vec<_> = (0..2).filter_map(|_| suspended(&admission)).collect();
        assert_eq!(slots.len(), 2);
        assert!(admission.acquire().is_none(), "nothing has stalled yet");
        let stalled = admission.stalled().register(Instant::now(), Waker::noop());
        admission.release(admission.acquire().unwrap());
        assert!(stalled.is_evicted());
        admission.release(slots.remove(1));
        admission.resume(&mut slots[0]);
        assert_eq!(admission.slots(), Some((1, 1)));
        assert!(admission.acquire().is_none());
        admission.release(slots.remove(0));
        assert_eq!(admission.slots(), Some((1, 0)));
        assert_eq!(admission.slots.free(Unit::Place), 2);
    }

    fn suspended(admission: &Admission) -> Option<RequestSlot> {
        let mut slot = admission.acquire()?;
        admission.suspend(&mut slot);
        Some(slot)
    }

    #[tokio::test(start_paused = true)]
    async fn longest_wait_is_evicted_after_minimum_stall() {
        let admission = Admission::of(2);
        let _slots = [admission.acquire(), admission.acquire()];
        let body = || BodyLimits::new(1024, MIN_STALL * 50);
        let (long, short) = (body(), body());
        let (mut first, mut second) = (None, None);
        let wait =
            |wait: &mut _, body| admission.start_wait(wait, Instant::now(), body, Waker::noop());
        assert!(wait(&mut first, &long));
        assert!(
            admission.acquire().is_none(),
            "the wait has only just begun"
        );
        tokio::time::advance(MIN_STALL).await;
        assert!(wait(&mut second, &short));
        admission.release(admission.acquire().unwrap());
        assert!(long.is_evicted() && !short.is_evicted());
        assert!(long.outcome().is_none(), "the handler may be at work again");
        assert!(!wait(&mut first, &long));
        assert!(!admission.end_wait(first.unwrap()), "it was evicted");
        assert!(admission.acquire().is_none());
        assert!(admission.end_wait(second.unwrap()), "it was not evicted");
        tokio::time::advance(MIN_STALL).await;
        assert!(admission.acquire().is_none(), "no request waits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn rejected_request_evicts_no_upload() {
        let admission = Admission::of(1);
        let _suspended = [suspended(&admission), suspended(&admission)];
        let stalled = admission.stalled().register(Instant::now(), Waker::noop());
        let _slot = admission.acquire();
        assert!(stalled.is_evicted());
        let upload = BodyLimits::new(1024, MIN_STALL * 50);
        let mut start_wait = None;
        assert!(admission.start_wait(&mut start_wait, Instant::now(), &upload, Waker::noop()));
        tokio::time::advance(MIN_STALL).await;
        assert!(admission.acquire().is_none(), "no response has stalled");
        assert!(!upload.is_evicted());
        let stalled = admission.stalled().register(Instant::now(), Waker::noop());
        assert!(admission.acquire().is_some());
        assert!(stalled.is_evicted() && upload.is_evicted());
    }

    #[test]
    fn without_a_limit_every_request_gets_a_slot() {
        let admission = Admission::of(0);
        let slots: Vec<_> = (0..10_000).map(|_| admission.acquire()).collect();
        assert!(slots.iter().all(Option::is_some));
    }
}
