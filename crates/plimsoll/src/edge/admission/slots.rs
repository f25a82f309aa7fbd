//! The free slots of a service, in one shard for each worker.
//!
//! A request takes a slot, suspends it and returns it. If all workers counted these steps in one number,
//! its cache line would move between their processors for each of them. So each worker has a shard, and
//! takes the slots of other shards only when its own is empty. A slot is returned to the shard of the
//! worker that returns it, so the free slots follow the load.
//!
//! # Limit
//!
//! Only a free slot is taken, apart from the debt below, so no more slots are taken than there are. A
//! worker finds none if it has seen each shard empty, one after the other. Meanwhile another request may
//! have returned a slot to a shard that was read before, or may hold one that it is about to return. So
//! within microseconds of the limit, a request may be shed or may evict another one although a slot has
//! just become free.
//!
//! # Debt
//!
//! Some slots are taken although none is free ([`Slots::overdraw`]). Slots that are returned later first
//! pay this debt.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is counted. Both counts are halves of one number: a slot is mostly suspended in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A slot of a request at work.
    Slot,
    /// A place of a suspended slot.
    Place,
}

/// The free slots and places. Aligned, because all workers read the debt for each request.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Slots {
    shards: Box<[Shard]>,
    /// The slots and places that were taken without a free one. It is 0 unless the limit is reached.
    debt: Count,
}

/// A shard, aligned so that different shards share no cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Count);

/// A number of slots in the lower half, of places in the upper half.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Unit {
    const fn one(self) -> u64 {
        match self {
            Self::Slot => 1,
            Self::Place => 1 << 32,
        }
    }

    /// This unit's part of a count.
    const fn of(self, count: u64) -> u64 {
        match self {
            Self::Slot => count & (u32::MAX as u64),
            Self::Place => count >> 32,
        }
    }
}

impl Slots {
    /// The largest number of slots, so that no half of a count overflows.
    pub(super) const MAX: usize = 1 << 30;

    /// Distributes slots, and twice as many places, over a number of shards.
    pub(super) fn new(slots: usize, shards: usize) -> Self {
        let (slots, shards) = (slots.min(Self::MAX) as u64, shards.max(1) as u64);
        let share = |total: u64, shard: u64| total / shards + u64::from(shard < total % shards);
        let shard = |shard| {
            let count = share(slots, shard) + share(slots * 2, shard) * Unit::Place.one();
            Shard(Count(AtomicU64::new(count)))
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            debt: Count::default(),
        }
    }

    /// Takes a unit from the shard `home`, or else from another one. Returns false if there is none.
    pub(super) fn take(&self, unit: Unit, home: usize) -> bool {
        self.debt.is_zero() && self.shards[home].0.take(unit)
            || self.has_no_debt(unit, home) && self.take_any(unit, home)
    }

    /// Takes a unit although there may be none.
    pub(super) fn overdraw(&self, unit: Unit, home: usize) {
        if !self.take(unit, home) {
            self.debt.add(unit.one());
        }
    }

    /// Returns a unit to the shard `home`.
    pub(super) fn give(&self, unit: Unit, home: usize) {
        if self.debt.is_zero() || !self.debt.take(unit) {
            self.shards[home].0.add(unit.one());
        }
    }

    /// Returns a unit and takes another one, although there may be none.
    pub(super) fn exchange(&self, given: Unit, taken: Unit, home: usize) {
        if !(self.debt.is_zero() && self.shards[home].0.exchange(given, taken)) {
            self.give(given, home);
            self.overdraw(taken, home);
        }
    }

    /// Whether a unit is free.
    pub(super) fn has(&self, unit: Unit, home: usize) -> bool {
        self.debt.is_zero() && self.shards[home].0.get(unit) > 0
            || self.has_no_debt(unit, home) && self.from(home).any(|it| it.0.get(unit) > 0)
    }

    /// The number of free units, less the debt.
    pub(super) fn free(&self, unit: Unit) -> usize {
        let free: u64 = self.shards.iter().map(|shard| shard.0.get(unit)).sum();
        let free = free.saturating_sub(self.debt.get(unit));
        usize::try_from(free).unwrap_or(usize::MAX)
    }

    /// Pays the debt with free units. Returns whether all of it is paid.
    #[cold]
    fn has_no_debt(&self, unit: Unit, home: usize) -> bool {
        while self.debt.get(unit) > 0 {
            if !self.take_any(unit, home) {
                return false;
            }
            if !self.debt.take(unit) {
                self.shards[home].0.add(unit.one());
            }
        }
        true
    }

    #[cold]
    fn take_any(&self, unit: Unit, home: usize) -> bool {
        self.from(home).any(|shard| shard.0.take(unit))
    }

    /// All shards, from `home` on.
    fn from(&self, home: usize) -> impl Iterator<Item = &Shard> {
        let (others, from) = self.shards.split_at(home);
        from.iter().chain(others)
    }
}

impl Count {
    fn is_zero(&self) -> bool {
        self.0.load(Relaxed) == 0
    }

    fn get(&self, unit: Unit) -> u64 {
        unit.of(self.0.load(Relaxed))
    }

    fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// Takes one unit, if there is one.
    fn take(&self, unit: Unit) -> bool {
        self.change(unit, |count| count - unit.one())
    }

    /// Adds one unit and takes another one, if there is one.
    fn exchange(&self, given: Unit, taken: Unit) -> bool {
        self.change(taken, |count| count + given.one() - taken.one())
    }

    /// Changes the count if it has a unit.
    fn change(&self, unit: Unit, change: impl Fn(u64) -> u64) -> bool {
        let mut count = self.0.load(Relaxed);
        while unit.of(count) > 0 {
            match self
                .0
                .compare_exchange_weak(count, change(count), Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }
}

#[cfg(test)]
#[cfg(shuttle)]
mod model;

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn slots_are_spread_over_the_shards() {
        let slots = Slots::new(5, 3);
        let counts = |unit| {
            let shards = slots.shards.iter();
            shards.map(|it| it.0.get(unit)).collect::<Vec<_>>()
        };
        assert_eq!(counts(Unit::Slot), [2, 2, 1]);
        assert_eq!(counts(Unit::Place), [4, 3, 3]);
    }

    #[test]
    fn empty_shard_takes_the_slots_of_others() {
        let slots = Slots::new(3, 2);
        assert!((0..3).all(|_| slots.take(Unit::Slot, 1)));
        assert!(!slots.take(Unit::Slot, 1) && !slots.take(Unit::Slot, 0));
        slots.give(Unit::Slot, 1);
        assert!(slots.take(Unit::Slot, 0));
    }

    #[test]
    fn returned_slots_pay_the_debt_first() {
        let slots = Slots::new(1, 2);
        slots.overdraw(Unit::Slot, 0);
        slots.overdraw(Unit::Slot, 0);
        slots.give(Unit::Slot, 0);
        assert_eq!(slots.debt.get(Unit::Slot), 0);
        assert!(!slots.take(Unit::Slot, 0), "one slot is still taken");
        slots.give(Unit::Slot, 1);
        assert_eq!(slots.free(Unit::Slot), 1);
    }

    #[test]
    fn exchange_without_a_free_unit_makes_a_debt() {
        let slots = Slots::new(1, 1);
        assert!(slots.take(Unit::Slot, 0));
        (0..3).for_each(|_| slots.exchange(Unit::Slot, Unit::Place, 0));
        assert!(!slots.has(Unit::Place, 0));
        slots.exchange(Unit::Place, Unit::Slot, 0);
        assert!(!slots.has(Unit::Place, 0), "the place has paid the debt");
        slots.exchange(Unit::Place, Unit::Slot, 0);
        assert!(slots.has(Unit::Place, 0));
    }

    #[test]
    fn largest_limit_does_not_overflow() {
        let slots = Slots::new(usize::MAX, 3);
        assert_eq!(slots.free(Unit::Slot), Slots::MAX);
        assert_eq!(slots.free(Unit::Place), Slots::MAX * 2);
    }
}
