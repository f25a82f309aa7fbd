//! How many requests are handled at a time (contract SRV-4), and who makes room.
//!
//! A request that finds no slot is answered at once. Letting it wait would not make the handlers
//! faster: it would be answered when its client has given up, and so would all behind it.
//!
//! A slot is for work. A response that waits for its client to accept it holds none: its slot is
//! suspended from the head on, and resumed while the body makes its client wait. There may be twice as
//! many suspended slots as there are slots; at that limit a stalled response is given up for each
//! request that comes ([`StalledResponses`]).
//!
//! A handler that waits for its client's next bytes does no work either, and a crowd of
//! clients that send next to nothing of their bodies could take all slots. So where there is none left,
//! whoever has waited for longest is told to go, and is answered as if its body had stalled (408), when
//! it next looks at its body. A byte now and then does not make a wait a new one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::stalled_responses::StalledResponses;
use crate::request::BodyLimits;

/// A pause that an honest client makes between two pieces of a body: nobody has to go for that.
const MIN_STALL: Duration = Duration::from_millis(100);

/// A slot that is taken, in [`Admission::load`].
const TAKEN: u64 = 1;
/// A slot that is suspended, likewise.
const SUSPENDED: u64 = 1 << 32;

/// The slots of one service.
#[derive(Debug)]
pub(super) struct Admission {
    /// 0 is no limit.
    limit: usize,
    /// How many slots are taken, and above [`SUSPENDED`] how many are suspended: one number, so that a
    /// slot changes sides in one step.
    load: AtomicU64,
    stalled: Arc<StalledResponses>,
    waits: AtomicU64,
    waiting: Mutex<BTreeMap<BodyWait, (Arc<BodyLimits>, Waker)>>,
}

/// The right to be handled, given back by the drop.
#[derive(Debug)]
pub(super) struct RequestSlot {
    /// `None` if there is no limit.
    admission: Option<Arc<Admission>>,
    is_suspended: bool,
}

/// A handler's wait for its client: since when, and a number that makes it unlike any other.
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

    /// Takes a slot, if there is one or somebody can be told to give theirs back.
    pub(super) fn acquire(self: &Arc<Self>) -> Option<RequestSlot> {
        let mut slot = RequestSlot {
            admission: None,
            is_suspended: false,
        };
        if self.limit == 0 {
            return Some(slot);
        }
        // More may be taken for a moment than there are: by those who are about to find that out,
        // and for those who have been told to go and have not gone yet.
        let (taken, suspended) = split(self.load.fetch_add(TAKEN, Ordering::Relaxed));
        let is_crowded = suspended >= self.limit.saturating_mul(2);
        // Checked before an upload is evicted: no upload ends for a request that is rejected anyway.
        let has_room = (!is_crowded || self.stalled.is_any())
            && (taken < self.limit || self.evict_longest_wait())
            && (!is_crowded || self.stalled.evict_longest());
        if !has_room {
            self.load.fetch_sub(TAKEN, Ordering::Relaxed);
            return None;
        }
        slot.admission = Some(Arc::clone(self));
        Some(slot)
    }

    /// The responses whose clients accept nothing.
    pub(super) fn stalled(&self) -> &Arc<StalledResponses> {
        &self.stalled
    }

    /// How many slots there are and how many of them are taken, if there is a limit.
    pub(super) fn slots(&self) -> Option<(usize, usize)> {
        let taken = || split(self.load.load(Ordering::Relaxed)).0.min(self.limit);
        (self.limit > 0).then(|| (self.limit, taken()))
    }

    /// A handler waits for its client's next bytes since `since`, with `waker`. Says whether it may.
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

    /// The wait is over. Says whether it was not ended by being told to go.
    pub(super) fn end_wait(&self, wait: BodyWait) -> bool {
        self.lock().remove(&wait).is_some()
    }

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
            // Under the lock, so that whoever does not find its wait any more finds this.
            body.evict();
            drop(waiting);
            waker.wake();
            return true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BodyWait, (Arc<BodyLimits>, Waker)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many slots are taken, and how many are suspended.
fn split(load: u64) -> (usize, usize) {
    let part = |load: u64| usize::try_from(load & u64::from(u32::MAX)).unwrap_or(usize::MAX);
    (part(load), part(load >> 32))
}

impl RequestSlot {
    /// The request waits for its client to accept the response: another may have the slot.
    pub(super) fn suspend(&mut self) {
        if !std::mem::replace(&mut self.is_suspended, true)
            && let Some(admission) = &self.admission
        {
            admission
                .load
                .fetch_add(SUSPENDED - TAKEN, Ordering::Relaxed);
        }
    }

    /// The service makes the client wait. That is work that was admitted, so it is never refused.
    pub(super) fn resume(&mut self) {
        if std::mem::replace(&mut self.is_suspended, false)
            && let Some(admission) = &self.admission
        {
            admission
                .load
                .fetch_sub(SUSPENDED - TAKEN, Ordering::Relaxed);
        }
    }
}

impl Drop for RequestSlot {
    fn drop(&mut self) {
        if let Some(admission) = &self.admission {
            let held = if self.is_suspended { SUSPENDED } else { TAKEN };
            admission.load.fetch_sub(held, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_given_back_and_never_exceeded() {
        let admission = Admission::new(2);
        let first = admission.acquire();
        let second = admission.acquire();
        assert!(first.is_some() && second.is_some());
        assert!(admission.acquire().is_none());
        assert!(admission.acquire().is_none(), "a refusal takes nothing");
        drop(first);
        let third = admission.acquire();
        assert!(third.is_some() && admission.acquire().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn suspended_slots_are_free_for_others_up_to_their_own_limit() {
        let admission = Admission::new(1);
        let mut slots: Vec<_> = (0..2).filter_map(|_| suspended(&admission)).collect();
        assert_eq!(slots.len(), 2);
        assert!(admission.acquire().is_none(), "nothing has stalled yet");
        let stalled = admission.stalled().register(Instant::now(), Waker::noop());
        assert!(admission.acquire().is_some() && stalled.is_evicted());
        slots.pop();
        slots[0].resume();
        assert_eq!(admission.slots(), Some((1, 1)));
        assert!(admission.acquire().is_none());
        slots.clear();
        assert_eq!(admission.load.load(Ordering::Relaxed), 0);
    }

    fn suspended(admission: &Arc<Admission>) -> Option<RequestSlot> {
        let mut slot = admission.acquire()?;
        slot.suspend();
        Some(slot)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_waited_for_longest_makes_room_once_the_pause_is_no_honest_one() {
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
            "it has only just begun to wait"
        );
        tokio::time::advance(MIN_STALL).await;
        assert!(wait(&mut second, &short));
        assert!(admission.acquire().is_some());
        assert!(long.is_evicted() && !short.is_evicted());
        assert!(
            long.outcome().is_none(),
            "it may be at work, and not wait any more"
        );
        assert!(!wait(&mut first, &long));
        assert!(!admission.end_wait(first.unwrap()), "it was told to go");
        assert!(admission.acquire().is_none());
        assert!(admission.end_wait(second.unwrap()), "nobody told this one");
        tokio::time::advance(MIN_STALL).await;
        assert!(admission.acquire().is_none(), "nobody waits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn rejected_request_ends_no_upload() {
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
    fn without_a_limit_nobody_is_refused() {
        let admission = Admission::new(0);
        let slots: Vec<_> = (0..10_000).map(|_| admission.acquire()).collect();
        assert!(slots.iter().all(Option::is_some));
    }
}
