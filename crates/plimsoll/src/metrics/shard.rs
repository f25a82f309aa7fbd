//! The shard of counters that a thread writes.
//!
//! An addition by several threads needs a locked instruction, even if no other thread interferes. So the
//! first threads that count, which are the workers, own a shard each. Only its owner writes such a
//! shard, with a load and a store. All other threads share the last shard.

use std::{cell::Cell, sync::atomic::AtomicU64 as StdAtomicU64};

use crate::{
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{Relaxed, Release},
    },
    telemetry::thread_index,
};

/// The shards of one registry, and the threads that own them.
#[derive(Debug)]
pub(crate) struct ShardOwners {
    /// Unique in the process, and never 0.
    id: u64,
    /// The index of the owner plus 1; 0 if there is none.
    owners: Box<[AtomicUsize]>,
}

/// A shard, as its writer sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    /// Whether no other thread writes the shard.
    is_owned: bool,
}

thread_local! {
    /// The last registry of this thread, and its shard there. It needs no destructor, so it is there
    /// as long as its thread.
    static LAST: Cell<(u64, Shard)> = const { Cell::new((0, Shard::SHARED)) };
}

impl ShardOwners {
    /// Creates `owned` shards for one thread each, and a shared one.
    pub(crate) fn new(owned: usize) -> Self {
        static NEXT: StdAtomicU64 = StdAtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Relaxed),
            owners: (0..owned).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// The number of shards.
    pub(crate) fn count(&self) -> usize {
        self.owners.len() + 1
    }

    /// Returns the shard of this thread.
    pub(crate) fn shard(&self) -> Shard {
        LAST.with(|last| {
            let (id, shard) = last.get();
            if id == self.id {
                return shard;
            }
            let shard = self.claim(thread_index() + 1);
            last.set((self.id, shard));
            shard
        })
    }

    /// Returns the shard that a thread owns or can own, or else the shared one.
    fn claim(&self, thread: usize) -> Shard {
        let is_mine = |owner: &AtomicUsize| match owner.load(Relaxed) {
            0 => owner.compare_exchange(0, thread, Relaxed, Relaxed).is_ok(),
            owner => owner == thread,
        };
        let owned = self.owners.iter().position(is_mine);
        Shard {
            index: owned.unwrap_or(self.owners.len()),
            is_owned: owned.is_some(),
        }
    }
}

impl Shard {
    /// A shard of unknown index that several threads write.
    pub(super) const SHARED: Self = Self {
        index: 0,
        is_owned: false,
    };

    /// Adds to a counter of this shard. A reader with `Acquire` also sees what was added before.
    pub(super) fn add(self, counter: &AtomicU64, count: u64) {
        if self.is_owned {
            counter.store(counter.load(Relaxed).wrapping_add(count), Release);
        } else {
            counter.fetch_add(count, Release);
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn shard_has_one_owner_and_the_last_is_shared() {
        let owners = ShardOwners::new(2);
        let shards: Vec<_> = (1..=4).map(|thread| owners.claim(thread)).collect();
        let indices: Vec<_> = shards.iter().map(|shard| shard.index).collect();
        assert_eq!(indices, [0, 1, 2, 2]);
        let owned: Vec<_> = shards.iter().map(|shard| shard.is_owned).collect();
        assert_eq!(owned, [true, true, false, false]);
        assert_eq!(owners.claim(2).index, 1, "it keeps its shard");
    }

    #[test]
    fn threads_lose_no_count() {
        let owners = ShardOwners::new(2);
        let counters: Vec<_> = (0..owners.count()).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let shard = owners.shard();
                        shard.add(&counters[shard.index], 1);
                    }
                });
            }
        });
        let sum: u64 = counters.iter().map(|counter| counter.load(Relaxed)).sum();
        assert_eq!(sum, 50_000);
    }

    #[test]
    fn thread_has_a_shard_in_each_registry() {
        let (one, two) = (ShardOwners::new(1), ShardOwners::new(1));
        for owners in [&one, &two, &one] {
            let shard = owners.shard();
            assert!(shard.index == 0 && shard.is_owned);
        }
    }
}
