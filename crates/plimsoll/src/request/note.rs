//! A request id that one thread writes and other threads read without a lock: a sequence lock.
//!
//! Each note has a number of its own. If a reader finds the same number before and after its read, what
//! it has read belongs to one note. While no id is noted, readers find none.
//!
//! One thread writes at a time. The next writer must synchronize with the previous one.

use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// The bits of the state that hold the length of the id. Zero: no id is noted.
const LENGTH: u64 = 0xFF;

/// A request id, of which at most `WORDS` × 8 bytes are kept.
#[derive(Debug)]
pub(super) struct Note<const WORDS: usize> {
    /// The number of the note, and the length of its id in the lowest bits.
    state: AtomicU64,
    id: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Default for Note<WORDS> {
    fn default() -> Self {
        Self {
            state: AtomicU64::new(0),
            id: [const { AtomicU64::new(0) }; WORDS],
        }
    }
}

impl<const WORDS: usize> Note<WORDS> {
    /// Notes an id, which is ASCII. `store` stores the values that are read with it.
    #[inline]
    pub(super) fn set(&self, id: &[u8], store: impl FnOnce()) {
        // An earlier id is still noted only if services are nested.
        let idle = self.state.load(Relaxed) & !LENGTH;
        self.state.store(idle, Relaxed);
        fence(Release);
        match <&[u8; 32]>::try_from(id) {
            // The length of a generated id.
            Ok(id) => self.copy(id),
            Err(_) => self.copy_any(id),
        }
        store();
        let length = id.len().min(WORDS * 8) as u64;
        let next = idle.wrapping_add(LENGTH + 1);
        self.state.store(next | length, Release);
    }

    #[cold]
    fn copy_any(&self, id: &[u8]) {
        self.copy(id);
    }

    #[inline]
    fn copy(&self, id: &[u8]) {
        let (words, rest) = id.as_chunks();
        let mut slots = self.id.iter();
        // `zip` takes a slot only after it has found a word.
        for (word, slot) in words.iter().zip(slots.by_ref()) {
            slot.store(u64::from_le_bytes(*word), Relaxed);
        }
        if !rest.is_empty()
            && let Some(slot) = slots.next()
        {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            slot.store(u64::from_le_bytes(word), Relaxed);
        }
    }

    /// Removes the note.
    pub(super) fn clear(&self) {
        self.state
            .store(self.state.load(Relaxed) & !LENGTH, Relaxed);
    }

    /// Returns the id, and what `load` loads. `None` if no id is noted, or if the note changes during
    /// the read.
    pub(super) fn read<T>(&self, load: impl FnOnce() -> T) -> Option<(String, T)> {
        let before = self.state.load(Acquire);
        let length = usize::try_from(before & LENGTH).ok()?;
        if length == 0 {
            return None;
        }
        let words = self.id.iter().map(|word| word.load(Relaxed).to_le_bytes());
        let mut id: Vec<u8> = words.flatten().collect();
        let loaded = load();
        fence(Acquire);
        if self.state.load(Relaxed) != before {
            return None;
        }
        id.truncate(length);
        let id = String::from_utf8(id).ok()?;
        Some((id, loaded))
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// SRV-7, ADM-16
    #[test]
    fn note_is_read_at_any_id_length() {
        let note = Note::<5>::default();
        assert_eq!(note.read(|| ()), None);
        let id = "0123456789abcdef".repeat(8);
        for length in (1..=128).rev() {
            note.set(&id.as_bytes()[..length], || ());
            let read = note.read(|| length);
            assert_eq!(read, Some((id[..length.min(40)].to_owned(), length)));
            note.clear();
            assert_eq!(note.read(|| ()), None);
        }
    }
}
