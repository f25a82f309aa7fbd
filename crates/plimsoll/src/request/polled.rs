//! The request that a thread polls, written so that another thread can read it.
//!
//! The watchdog names the request that blocks a worker (contract SRV-7). A blocked thread cannot be
//! queried, so each worker notes the request before each poll: a few stores, no lock.

use std::time::Duration;

use super::{began::BeganAt, note::Note};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// The most bytes of a request id (contract RID-2), in words.
const WORDS: usize = 16;

/// What one thread polls. Only that thread writes.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct PolledSlot {
    note: Note<WORDS>,
    route: AtomicU32,
    /// The index of the worker whose thread it is.
    pub(super) worker: u16,
    began: AtomicU64,
}

/// A request, as it was noted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PolledRequest {
    pub(crate) id: String,
    /// The index of the route, 0 if it was not known yet.
    pub(crate) route: u32,
    /// The time since the request began.
    pub(crate) age: Duration,
}

impl PolledSlot {
    pub(super) fn new(worker: u16) -> Self {
        Self {
            note: Note::default(),
            route: AtomicU32::new(0),
            worker,
            began: AtomicU64::new(0),
        }
    }

    /// Notes a request.
    pub(super) fn note(&self, id: &[u8], route: u32, began: BeganAt) {
        self.note.set(id, || {
            self.route.store(route, Relaxed);
            self.began.store(began.nanos(), Relaxed);
        });
    }

    /// Sets the route of the noted request, once the router has found it.
    pub(super) fn set_route(&self, route: u32) {
        self.route.store(route, Relaxed);
    }

    /// Removes the note.
    pub(super) fn clear(&self) {
        self.note.clear();
    }

    /// Returns the request that is being polled. `None` if there is none, or if the note changes during
    /// the read.
    pub(crate) fn read(&self) -> Option<PolledRequest> {
        let load = || (self.route.load(Relaxed), self.began.load(Relaxed));
        let (id, (route, began)) = self.note.read(load)?;
        let age = BeganAt::of_nanos(began).age();
        Some(PolledRequest { id, route, age })
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::sync::atomic::AtomicBool;

    use tokio::time::Instant;

    use super::*;

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
        let (polled, over) = (PolledSlot::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let _end = EndWriter(&over);
            scope.spawn(|| {
                for turn in (0..u8::MAX).cycle() {
                    let digit = b'a' + turn % 26;
                    let began = BeganAt::new(Instant::now());
                    polled.note(&[digit; 100], u32::from(digit), began);
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
