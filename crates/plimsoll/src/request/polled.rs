//! The request that a thread polls, written so that another thread can read it.
//!
//! The watchdog names the request that blocks a worker (contract SRV-7). A blocked thread cannot be
//! queried, so each worker notes the request before each poll: a few stores, no lock.
//!
//! The note is a sequence lock. While no request is noted, readers find none. Each note has its own
//! number. If a reader finds the same number before and after its read, it has read one note.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// The most bytes of a request id (contract RID-2), in words.
const WORDS: usize = 16;

/// The bits of `state` that hold the length of the id. Zero: no request is noted.
const LENGTH: u64 = 0xFF;

/// What one thread polls. Only that thread writes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct PolledSlot {
    /// The number of the note, and the length of its id in the lowest bits.
    state: AtomicU64,
    route: AtomicU32,
    id: [AtomicU64; WORDS],
}

/// A request, as it was noted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PolledRequest {
    pub(crate) id: String,
    /// The index of the route, 0 if it was not known yet.
    pub(crate) route: u32,
}

impl PolledSlot {
    /// Notes a request. An id is ASCII; what exceeds 128 bytes of it is left out.
    pub(crate) fn note(&self, id: &[u8], route: u32) {
        // The slot holds another note only if services are nested.
        let idle = self.state.load(Relaxed) & !LENGTH;
        self.state.store(idle, Relaxed);
        fence(Release);
        match <&[u8; 32]>::try_from(id) {
            // The length of a generated id.
            Ok(id) => self.copy(id),
            Err(_) => self.copy_any(id),
        }
        self.route.store(route, Relaxed);
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

    /// Sets the route of the noted request, once the router has found it.
    pub(crate) fn set_route(&self, route: u32) {
        self.route.store(route, Relaxed);
    }

    /// Removes the note.
    pub(crate) fn clear(&self) {
        self.state
            .store(self.state.load(Relaxed) & !LENGTH, Relaxed);
    }

    /// Returns the request that is being polled. `None` if there is none, or if the note changes during
    /// the read.
    pub(crate) fn read(&self) -> Option<PolledRequest> {
        let before = self.state.load(Acquire);
        let length = usize::try_from(before & LENGTH).ok()?;
        if length == 0 {
            return None;
        }
        let words = self.id.iter().map(|word| word.load(Relaxed).to_le_bytes());
        let mut id: Vec<u8> = words.flatten().collect();
        let route = self.route.load(Relaxed);
        fence(Acquire);
        if self.state.load(Relaxed) != before {
            return None;
        }
        id.truncate(length);
        let id = String::from_utf8(id).ok()?;
        Some(PolledRequest { id, route })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicBool, time::Duration};

    use tokio::time::Instant;

    use super::*;

    /// SRV-7
    #[test]
    fn polled_request_is_read_at_any_id_length() {
        let polled = PolledSlot::default();
        assert_eq!(polled.read(), None);
        for length in (1..=128).rev() {
            let id = "0123456789abcdef".repeat(8)[..length].to_owned();
            polled.note(id.as_bytes(), 3);
            polled.set_route(7);
            assert_eq!(polled.read(), Some(PolledRequest { id, route: 7 }));
            polled.clear();
            assert_eq!(polled.read(), None);
        }
    }

    /// SRV-7
    #[test]
    fn polled_request_is_never_a_mixture_of_two() {
        /// Ends the writer, also if the reader panics.
        struct EndWriter<'a>(&'a AtomicBool);
        impl Drop for EndWriter<'_> {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let (polled, over) = (PolledSlot::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let _end = EndWriter(&over);
            scope.spawn(|| {
                for turn in (0..u8::MAX).cycle() {
                    let digit = b'a' + turn % 26;
                    polled.note(&[digit; 100], u32::from(digit));
                    polled.clear();
                    if over.load(Relaxed) {
                        break;
                    }
                }
            });
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut found = 0;
            while found < 1000 {
                assert!(Instant::now() < deadline, "{found} notes were read");
                if let Some(request) = polled.read() {
                    let digit = request.id.as_bytes()[0];
                    assert_eq!(request.id.as_bytes(), [digit; 100]);
                    assert_eq!(request.route, u32::from(digit));
                    found += 1;
                }
            }
        });
    }
}
