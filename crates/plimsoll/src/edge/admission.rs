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

use super::stalled_responses::StalledResponses;
use crate::{
    request::BodyLimits,
    sync::{Mutex, MutexGuard, lock},
};

/// The shortest wait that is evicted. A well-behaved client may pause this long between two frames.
const MIN_STALL: Duration = Duration::from_millis(100);

/// One taken slot, in [`Admission::load`].
const TAKEN: u64 = 1;
/// One suspended slot, in [`Admission::load`].
const SUSPENDED: u64 = 1 << 32;

/// The slots of one service.
#[derive(Debug)]
pub(super) struct Admission {
    /// The number of slots; 0 is unlimited.
    limit: usize,
    /// The number of taken slots in the lower half, of suspended slots in the upper half. It is one
    /// number, so that a slot is suspended in one step.
    load: AtomicU64,
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
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            load: AtomicU64::new(0),
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
        // The count may exceed the limit for a moment: by requests that are about to be rejected, and
        // by evicted requests that have not ended yet.
        let (taken, suspended) = split(self.load.fetch_add(TAKEN, Ordering::Relaxed));
        let is_at_suspended_limit = suspended >= self.limit.saturating_mul(2);
        // Checked before an upload is evicted: no upload ends for a request that is rejected anyway.
        let is_admitted = (!is_at_suspended_limit || self.stalled.is_any())
            && (taken < self.limit || self.evict_longest_wait())
            && (!is_at_suspended_limit || self.stalled.evict_longest());
        if !is_admitted {
            self.load.fetch_sub(TAKEN, Ordering::Relaxed);
            return None;
        }
        Some(slot)
    }

    /// Returns a slot.
    pub(super) fn release(&self, slot: RequestSlot) {
        let held = if slot.is_suspended { SUSPENDED } else { TAKEN };
        self.change(|load| load.fetch_sub(held, Ordering::Relaxed));
    }

    /// Frees the slot for other requests while the response waits for its client.
    pub(super) fn suspend(&self, slot: &mut RequestSlot) {
        if !std::mem::replace(&mut slot.is_suspended, true) {
            self.change(|load| load.fetch_add(SUSPENDED - TAKEN, Ordering::Relaxed));
        }
    }

    /// Takes the slot again while the client waits. The request is admitted, so this cannot fail.
    pub(super) fn resume(&self, slot: &mut RequestSlot) {
        if std::mem::replace(&mut slot.is_suspended, false) {
            self.change(|load| load.fetch_sub(SUSPENDED - TAKEN, Ordering::Relaxed));
        }
    }

    /// Changes the load, if there is a limit.
    fn change(&self, change: impl FnOnce(&AtomicU64) -> u64) {
        if self.limit > 0 {
            change(&self.load);
        }
    }

    /// The responses whose clients accept nothing.
    pub(super) fn stalled(&self) -> &Arc<StalledResponses> {
        &self.stalled
    }

    /// The number of slots and of taken slots; `None` if there is no limit.
    pub(super) fn slots(&self) -> Option<(usize, usize)> {
        let taken = || split(self.load.load(Ordering::Relaxed)).0.min(self.limit);
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

/// The numbers of taken and of suspended slots.
fn split(load: u64) -> (usize, usize) {
    let part = |load: u64| usize::try_from(load & u64::from(u32::MAX)).unwrap_or(usize::MAX);
    (part(load), part(load >> 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_slot_is_free_again() {
        let admission = Admission::new(2);
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
        let admission = Admission::new(1);
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
        assert_eq!(admission.load.load(Ordering::Relaxed), 0);
    }

    fn suspended(admission: &Admission) -> Option<RequestSlot> {
        let mut slot = admission.acquire()?;
        admission.suspend(&mut slot);
        Some(slot)
    }

    #[tokio::test(start_paused = true)]
    async fn longest_wait_is_evicted_after_minimum_stall() {
        let admission = Admission::new(2);
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
        let admission = Admission::new(1);
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
        let admission = Admission::new(0);
        let slots: Vec<_> = (0..10_000).map(|_| admission.acquire()).collect();
        assert!(slots.iter().all(Option::is_some));
    }
}
