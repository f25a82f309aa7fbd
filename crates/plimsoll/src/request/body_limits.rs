//! The limits of a request body, shared by the body, the edge and layers on single routes.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;

/// The limits of one request body, and the limit that it has exceeded.
///
/// A layer on a route sets the limit after the body was created, and the edge reads the fault while it
/// polls the handler. So the mutable fields are atomics.
pub(crate) struct BodyLimits {
    /// The size limit of the route, in bytes; `u64::MAX` if it sets none.
    limit: AtomicU64,
    /// `MAX_BODY_BYTES`, which the extractors of axum enforce.
    default_limit: u64,
    /// Whether the frame that crossed `default_limit` was the last one that was read.
    stopped_at_default: AtomicBool,
    /// The longest time between two frames, `READ_TIMEOUT`.
    read_timeout: Duration,
    /// The exceeded limit: a [`BodyFault`], or 0.
    fault: AtomicU8,
    /// Another request needs the slot, so the next wait for the client times out at once.
    evicted: AtomicBool,
    /// Set when the request has released its slot. An eviction would then free no slot.
    slotless: AtomicBool,
}

/// The reason why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// It is larger than the limit of the route.
    TooLarge = 1,
    /// The client sent too little for too long.
    Stalled = 2,
    /// The connection is dead, so no response can be read.
    Gone = 3,
    /// Its framing is malformed.
    Malformed = 4,
}

/// The reaction of the edge to a [`BodyFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyOutcome {
    /// Answer with this status.
    Reject(StatusCode),
    /// Answer 400 and close: neither the body nor what follows it can be parsed.
    Malformed,
    /// Cancel the handler without a response.
    Abort,
}

impl BodyLimits {
    /// `default_limit` is the limit of axum's extractors in bytes, `read_timeout` the longest time
    /// between two frames.
    pub(crate) fn new(default_limit: u64, read_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicU64::new(u64::MAX),
            default_limit,
            stopped_at_default: AtomicBool::new(false),
            read_timeout,
            fault: AtomicU8::new(0),
            evicted: AtomicBool::new(false),
            slotless: AtomicBool::new(false),
        })
    }

    /// Makes the next wait for the client time out at once. A handler that does not read is not
    /// affected.
    pub(crate) fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }

    /// Records that the request has released its slot and continues without one.
    pub(crate) fn release_slot(&self) {
        self.slotless.store(true, Ordering::Release);
    }

    pub(crate) fn has_no_slot(&self) -> bool {
        self.slotless.load(Ordering::Acquire)
    }

    /// Sets the size limit of a route, in bytes. It applies to all bytes that have not been read yet.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The size limit of the route, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// The longest time between two frames.
    pub(crate) const fn read_timeout(&self) -> Duration {
        self.read_timeout
    }

    /// Records a frame of `length` bytes, after which `seen` bytes have been read.
    pub(crate) fn record_frame(&self, seen: u64, length: u64) {
        if seen > self.default_limit {
            let crossed = seen - length <= self.default_limit;
            self.stopped_at_default.store(crossed, Ordering::Relaxed);
        }
    }

    /// Whether the reader stopped as soon as the body was longer than `MAX_BODY_BYTES`.
    pub(crate) fn stopped_at_default(&self) -> bool {
        self.stopped_at_default.load(Ordering::Relaxed)
    }

    /// Records the exceeded limit.
    pub(crate) fn set_fault(&self, fault: BodyFault) {
        self.fault.store(fault as u8, Ordering::Release);
    }

    /// The reaction of the edge, if the body has a fault.
    pub(crate) fn outcome(&self) -> Option<BodyOutcome> {
        match self.fault.load(Ordering::Acquire) {
            0 => None,
            1 => Some(BodyOutcome::Reject(StatusCode::PAYLOAD_TOO_LARGE)),
            2 => Some(BodyOutcome::Reject(StatusCode::REQUEST_TIMEOUT)),
            4 => Some(BodyOutcome::Malformed),
            _ => Some(BodyOutcome::Abort),
        }
    }
}

impl fmt::Debug for BodyLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyLimits")
            .field("outcome", &self.outcome())
            .finish_non_exhaustive()
    }
}
