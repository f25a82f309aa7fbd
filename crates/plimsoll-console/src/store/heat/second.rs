//! Counts of requests by slot of time and step of latency.

use std::collections::VecDeque;

use super::steps::STEPS;

/// The requests of one slot. Only steps with a request are stored, in order.
#[derive(Debug, Default, Clone)]
pub(super) struct Slot {
    steps: Vec<(u8, u32)>,
    pub(super) total: u32,
    pub(super) server_errors: u32,
}

impl Slot {
    /// Adds a request. One without a known latency counts in the total alone.
    pub(super) fn add(&mut self, step: Option<usize>, is_error: bool) {
        self.total = self.total.saturating_add(1);
        if is_error {
            self.server_errors = self.server_errors.saturating_add(1);
        }
        let Some(step) = step.and_then(|step| u8::try_from(step).ok()) else {
            return;
        };
        match self.steps.binary_search_by_key(&step, |(step, _)| *step) {
            Ok(place) => self.steps[place].1 = self.steps[place].1.saturating_add(1),
            Err(place) => {
                // A vector doubles its capacity, and most seconds have few steps.
                self.steps.reserve_exact(1);
                self.steps.insert(place, (step, 1));
            }
        }
    }

    /// Adds its counts to a sum.
    pub(super) fn sum(&self, counts: &mut [u64; STEPS]) {
        for (step, count) in &self.steps {
            counts[usize::from(*step)] += u64::from(*count);
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.steps.capacity() * size_of::<(u8, u32)>()
    }
}

/// The slots of one resolution, without gaps between them.
#[derive(Debug)]
pub(super) struct Slots {
    keep: u32,
    first: u32,
    slots: VecDeque<Slot>,
    bytes: usize,
}

impl Slots {
    pub(super) const fn new(keep: u32) -> Self {
        Self {
            keep,
            first: 0,
            slots: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Returns the slot after the last one.
    fn end(&self) -> u32 {
        // There are at most `keep` slots.
        self.first
            .saturating_add(u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    /// Adds a request, unless its slot is not kept any more.
    pub(super) fn add(&mut self, at: u32, step: Option<usize>, is_error: bool) {
        if self.slots.is_empty() || at - at.min(self.end()) > self.keep {
            self.slots.clear();
            self.bytes = 0;
            self.first = at;
        }
        if self.end() > at.saturating_add(self.keep) {
            return;
        }
        while at < self.first {
            self.slots.push_front(Slot::default());
            self.first -= 1;
            self.bytes += size_of::<Slot>();
        }
        while self.end() <= at {
            self.slots.push_back(Slot::default());
            self.bytes += size_of::<Slot>();
        }
        while self.slots.len() > self.keep as usize {
            self.remove_first();
        }
        if let Some(slot) = self.slots.get_mut((at - self.first) as usize) {
            self.bytes -= slot.bytes();
            slot.add(step, is_error);
            self.bytes += slot.bytes();
        }
    }

    fn remove_first(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.bytes -= slot.bytes();
            self.first += 1;
        }
    }

    /// Removes the older half. Returns whether there was anything.
    pub(super) fn halve(&mut self) -> bool {
        let has_any = !self.slots.is_empty();
        for _ in 0..self.slots.len().div_ceil(2) {
            self.remove_first();
        }
        self.slots.shrink_to_fit();
        has_any
    }

    pub(super) fn get(&self, at: u32) -> Option<&Slot> {
        self.slots.get(at.checked_sub(self.first)? as usize)
    }

    /// Returns the first slot that is kept. `None` without any.
    pub(super) fn first(&self) -> Option<u32> {
        (!self.slots.is_empty()).then_some(self.first)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A naive reading keeps all requests, and forgets those before the last slots.
        #[test]
        fn slots_agree_with_a_naive_reading(
            requests in prop::collection::vec((0_u32..60, 0_usize..60, any::<bool>()), 1..200),
            base in prop::sample::select(vec![0_u32, 5, 1_000, u32::MAX - 100]),
        ) {
            let mut slots = Slots::new(20);
            let mut all: BTreeMap<u32, u32> = BTreeMap::new();
            let mut end = 0;
            for (offset, step, is_error) in requests {
                let at = base + offset;
                slots.add(at, Some(step), is_error);
                end = end.max(at + 1);
                if at + 20 >= end {
                    *all.entry(at).or_default() += 1;
                }
                all.retain(|at, _| at + 20 >= end);
            }
            for at in base..base + 60 {
                let found = slots.get(at).map_or(0, |slot| slot.total);
                prop_assert_eq!(found, all.get(&at).copied().unwrap_or(0), "{}", at);
            }
            let bytes: usize = slots.slots.iter().map(Slot::bytes).sum();
            prop_assert_eq!(slots.bytes(), bytes);
            prop_assert!(slots.slots.len() <= 20);
        }
    }
}
