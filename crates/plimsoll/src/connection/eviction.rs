//! The early end of a connection: by eviction at the limit of connections, or by its age.
//!
//! `server/connection_limiter.rs` chooses the connection by `ConnectionState::eviction_order`, and
//! `server/serve/http_connection.rs` closes it. Unread bodies wake the task by the same waker.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
    task::{Poll, Waker},
};

use tokio::time::Instant;

use super::{ConnectionState, Phase, WaitReason};
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

impl ConnectionState {
    /// Returns the eviction order, lowest first. `None` if the connection must not be evicted.
    ///
    /// Connections without a complete head come before idle ones, and among these the longest wait
    /// comes first.
    pub(crate) fn eviction_order(&self) -> Option<(bool, Instant)> {
        // A connection of the reserve holds no regular permit. Its response is always the last one, so
        // it is not evicted.
        if self.is_busy()
            || self.is_sending()
            || self.is_reserve()
            || self.is_evicted()
            || self.is_upgraded()
        {
            return None;
        }
        let (phase, since) = self.phase.get();
        let is_idle = phase == Phase::Idle && !self.is_discarding();
        Some((is_idle, self.at(since)))
    }

    /// Evicts the connection, unless it is busy or already evicted. Returns what it waited for.
    ///
    /// A request that arrives at the same moment is still handled.
    pub(crate) fn evict(&self) -> Option<WaitReason> {
        let (is_idle, _) = self.eviction_order()?;
        if !self.eviction.mark() {
            return None;
        }
        self.eviction.wake();
        Some(if is_idle {
            WaitReason::Idle
        } else {
            WaitReason::Head
        })
    }

    /// Marks the connection closed. Returns false if it was evicted before: its permit is then
    /// already released.
    pub(crate) fn mark_closed(&self) -> bool {
        self.eviction.mark()
    }

    /// Waits for the eviction. One task may wait, because there is one waker.
    pub(crate) async fn evicted(&self) {
        poll_fn(|cx| {
            self.set_waker(cx.waker());
            if self.is_evicted() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Returns true if the connection was evicted, or is closed.
    pub(crate) fn is_evicted(&self) -> bool {
        self.eviction.is_evicted()
    }

    /// Sets the waker of the connection's task, which evictions and unread bodies wake.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        self.eviction.set_waker(waker);
    }

    /// Marks a connection of the reserve, which is accepted above the limit for one request.
    pub(crate) fn set_reserve(&self) {
        self.eviction.set_reserve();
    }

    /// Returns true for a connection of the reserve.
    pub(crate) fn is_reserve(&self) -> bool {
        self.eviction.is_reserve()
    }

    /// Returns true if a connection of the reserve has had its one request.
    pub(crate) fn is_reserve_used(&self) -> bool {
        self.is_reserve() && self.has_had_request()
    }

    /// Marks a connection that has reached its maximum age.
    pub(crate) fn set_aged(&self) {
        self.aged.store(true, Ordering::Relaxed);
    }

    /// Returns true if the current response is the last one on the connection.
    pub(crate) fn is_last_response(&self) -> bool {
        self.is_reserve() || self.is_evicted() || self.aged.load(Ordering::Relaxed)
    }
}
