//! The eviction of a connection at the limit of connections: its flag and the waker of its task.
//!
//! `server/connection_limiter.rs` chooses the connection by `ConnectionState::eviction_order`, and
//! `server/serve/http_connection.rs` closes it. Unread bodies wake the task by the same waker.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
};

use crate::sync::{Mutex, lock};

/// The eviction flag of a connection, and the task that an eviction wakes.
///
/// The connection limiter sets the flag from the threads of other workers.
#[derive(Debug)]
pub(super) struct Eviction {
    /// Set by an eviction or by the close, whichever comes first. So the permit is released once.
    is_evicted: AtomicBool,
    /// Set if the connection was accepted above the limit, for one request.
    is_reserve: AtomicBool,
    /// The waker of the connection's task.
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

    /// Marks the connection evicted. Returns false if it was already marked.
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
