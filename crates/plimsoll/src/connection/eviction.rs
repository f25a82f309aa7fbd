//! The eviction of a connection, when the number of connections is at its limit.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
};

use crate::sync::{Mutex, lock};

/// Whether a connection has been evicted, and the task to wake for that.
///
/// The connection limiter evicts from the threads of other workers.
#[derive(Debug)]
pub(super) struct Eviction {
    /// Evicted, or closed: the limiter counts its permit once in either case.
    is_evicted: AtomicBool,
    /// It was accepted above the limit, for one probe.
    is_reserve: AtomicBool,
    /// Wakes the task of the connection.
    waker: Mutex<Option<Waker>>,
}

impl Eviction {
    pub(super) const fn new() -> Self {
        Self {
            is_evicted: AtomicBool::new(false),
            is_reserve: AtomicBool::new(false),
            waker: Mutex::new(None),
        }
    }

    /// Marks the connection evicted. Returns false if it was marked before.
    pub(super) fn mark(&self) -> bool {
        !self.is_evicted.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Acquire)
    }

    pub(super) fn set_reserve(&self) {
        self.is_reserve.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_reserve(&self) -> bool {
        self.is_reserve.load(Ordering::Relaxed)
    }

    pub(super) fn set_waker(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &*lock(&self.waker) {
            waker.wake_by_ref();
        }
    }
}
