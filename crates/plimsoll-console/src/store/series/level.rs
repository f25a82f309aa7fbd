//! Numbers by slot of time at one resolution, of which only changes are kept.
//!
//! A value holds from its slot up to the next change, and at most up to the last slot that was pushed.
//! A slot that was not pushed is a gap. A single one between two others keeps the value before it,
//! since scrapes that are a second apart can miss a slot by a few milliseconds.

use std::collections::VecDeque;

/// A change of the value. NaN is a gap.
#[derive(Debug, Clone, Copy)]
struct Change {
    slot: u32,
    value: f32,
}

/// Numbers at one resolution.
#[derive(Debug)]
pub(super) struct Level {
    /// The number of slots that are kept.
    keep: u32,
    /// The number of slots without a push that keep the value before them.
    bridge: u32,
    changes: VecDeque<Change>,
    last: u32,
}

impl Level {
    pub(super) const fn new(keep: u32, bridge: u32) -> Self {
        Self {
            keep,
            bridge,
            changes: VecDeque::new(),
            last: 0,
        }
    }

    /// Sets the value of a slot; `None` is a gap.
    ///
    /// If the clock was set back, the later slots are removed.
    pub(super) fn push(&mut self, slot: u32, value: Option<f32>) {
        let value = value.filter(|value| value.is_finite()).unwrap_or(f32::NAN);
        if slot < self.last {
            while self.changes.pop_back_if(|it| it.slot > slot).is_some() {}
        } else if slot - self.last > self.bridge + 1 && !self.changes.is_empty() {
            self.change(self.last + 1, f32::NAN);
        }
        self.last = slot;
        self.changes.pop_back_if(|it| it.slot == slot);
        self.change(slot, value);
        self.trim(slot.saturating_sub(self.keep - 1));
    }

    fn change(&mut self, slot: u32, value: f32) {
        let before = self.changes.back();
        let is_same = before.is_some_and(|before| {
            before.value.to_bits() == value.to_bits() || before.value.is_nan() && value.is_nan()
        });
        // The first change is kept even if it is a gap: it is where the history begins.
        if !is_same {
            self.changes.push_back(Change { slot, value });
        }
    }

    /// Removes the changes that have no effect from `first` on.
    fn trim(&mut self, first: u32) {
        while self.changes.get(1).is_some_and(|next| next.slot <= first) {
            self.changes.pop_front();
        }
    }

    /// Returns the value of a slot. `None` if it is a gap, not kept or not pushed yet.
    pub(super) fn value(&self, slot: u32) -> Option<f32> {
        if slot > self.last || self.last - slot >= self.keep {
            return None;
        }
        let after = self.changes.partition_point(|it| it.slot <= slot);
        let change = self.changes.get(after.checked_sub(1)?)?;
        (!change.value.is_nan()).then_some(change.value)
    }

    /// Returns the last slot that was pushed. `None` without one.
    pub(super) fn last(&self) -> Option<u32> {
        (!self.changes.is_empty()).then_some(self.last)
    }

    /// Returns the first slot that is kept.
    pub(super) fn first(&self) -> Option<u32> {
        let first = self.changes.front()?.slot;
        Some(first.max(self.last.saturating_sub(self.keep - 1)))
    }

    /// Removes the older half of the changes.
    pub(super) fn halve(&mut self) {
        self.changes.drain(..self.changes.len() / 2);
        self.changes.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.changes.capacity() * size_of::<Change>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(values: &[(u32, Option<f32>)]) -> Level {
        let mut level = Level::new(900, 1);
        for (slot, value) in values {
            level.push(*slot, *value);
        }
        level
    }

    #[test]
    fn value_that_does_not_change_takes_no_space() {
        let level = level(&(1..=800).map(|slot| (slot, Some(7.0))).collect::<Vec<_>>());
        assert_eq!(level.len(), 1);
        assert_eq!(level.value(1), Some(7.0));
        assert_eq!(level.value(800), Some(7.0));
        assert_eq!(level.value(801), None);
    }

    #[test]
    fn slots_without_a_push_are_a_gap() {
        let level = level(&[(10, Some(1.0)), (12, Some(2.0)), (20, Some(2.0))]);
        assert_eq!(level.value(9), None);
        assert_eq!(level.value(11), Some(1.0), "a single slot is bridged");
        assert_eq!(level.value(12), Some(2.0));
        assert_eq!(level.value(13), None);
        assert_eq!(level.value(19), None);
        assert_eq!(level.value(20), Some(2.0));
    }

    #[test]
    fn later_value_of_a_slot_replaces_the_one_before() {
        let level = level(&[
            (1, Some(1.0)),
            (2, Some(2.0)),
            (2, Some(1.0)),
            (3, Some(3.0)),
        ]);
        assert_eq!(level.value(2), Some(1.0));
        assert_eq!(level.len(), 2);
    }

    #[test]
    fn clock_that_is_set_back_removes_the_later_slots() {
        let level = level(&[
            (1, Some(1.0)),
            (2, Some(2.0)),
            (3, Some(3.0)),
            (2, Some(9.0)),
        ]);
        assert_eq!(level.value(1), Some(1.0));
        assert_eq!(level.value(2), Some(9.0));
        assert_eq!(level.value(3), None);
    }
}
