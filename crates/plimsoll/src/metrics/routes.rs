//! Route patterns by index: an append-only list that is read without a lock and never moves items.

use crate::sync::{Mutex, OnceLock, lock};

/// The label of requests that no route matched (contract MET-4).
pub(crate) const UNMATCHED: &str = "__unmatched__";

/// The length of the first segment. Each further segment is twice as long as the one before.
const FIRST: usize = 64;

/// The number of segments: enough for four million routes.
const SEGMENTS: usize = 16;

/// An append-only list. Reading takes two loads; appending takes a lock, once per item.
#[derive(Debug)]
pub(super) struct AppendOnly<T> {
    segments: [OnceLock<Box<[OnceLock<T>]>>; SEGMENTS],
    length: Mutex<usize>,
}

impl<T> AppendOnly<T> {
    pub(super) const fn new() -> Self {
        Self {
            segments: [const { OnceLock::new() }; SEGMENTS],
            length: Mutex::new(0),
        }
    }

    /// The segment of an index, and its position there.
    const fn position(index: usize) -> (usize, usize) {
        let block = index / FIRST + 1;
        let segment = block.ilog2() as usize;
        (segment, index - FIRST * ((1 << segment) - 1))
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let (segment, position) = Self::position(index);
        self.segments.get(segment)?.get()?.get(position)?.get()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..).map_while(|index| self.get(index))
    }

    /// Returns the index of the first item that `matches`.
    ///
    /// If there is none, the item of `make` is appended. If the list is full, it returns `None`.
    pub(super) fn find_or_push(
        &self,
        matches: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<usize> {
        let mut length = lock(&self.length);
        if let Some(index) = self.iter().position(matches) {
            return Some(index);
        }
        let (segment, position) = Self::position(*length);
        let slots = self
            .segments
            .get(segment)?
            .get_or_init(|| (0..FIRST << segment).map(|_| OnceLock::new()).collect());
        // The slot is free: only this function fills slots, in order and under the lock.
        slots.get(position)?.get_or_init(make);
        *length += 1;
        Some(*length - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_index() {
        let list = AppendOnly::new();
        for number in 0..1000_usize {
            assert_eq!(
                list.find_or_push(|item| *item == number, || number),
                Some(number)
            );
        }
        assert_eq!(list.find_or_push(|item| *item == 500, || 0), Some(500));
        assert!((0..1000).all(|index| list.get(index) == Some(&index)));
        assert_eq!(list.get(1000), None);
        assert_eq!(list.iter().count(), 1000);
    }
}
