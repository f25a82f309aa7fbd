//! Route patterns by index: a list that grows, that nobody locks to read, and that never moves.

use std::sync::{Mutex, OnceLock, PoisonError};

/// The label of everything that no route matched (contract MET-4).
pub(crate) const UNMATCHED: &str = "__unmatched__";

/// The first segment has this many places, each further one twice as many as the one before.
const FIRST: usize = 64;

/// Enough for four million routes.
const SEGMENTS: usize = 16;

/// An append-only list. Reading is two loads; appending takes a lock, once in a route's life.
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

    /// Segment and place of an index.
    const fn place(index: usize) -> (usize, usize) {
        let block = index / FIRST + 1;
        let segment = block.ilog2() as usize;
        (segment, index - FIRST * ((1 << segment) - 1))
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let (segment, place) = Self::place(index);
        self.segments.get(segment)?.get()?.get(place)?.get()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..).map_while(|index| self.get(index))
    }

    /// Returns the index of an item that `is_it`, made by `make` if there is none; nothing if the
    /// list is full.
    pub(super) fn find_or_push(
        &self,
        is_it: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<usize> {
        let mut length = self.length.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = self.iter().position(is_it) {
            return Some(index);
        }
        let (segment, place) = Self::place(*length);
        let slots = self
            .segments
            .get(segment)?
            .get_or_init(|| (0..FIRST << segment).map(|_| OnceLock::new()).collect());
        // The place is free: only this function fills places, under the lock, in order.
        slots.get(place)?.get_or_init(make);
        *length += 1;
        Some(*length - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_where_they_were_put() {
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
