//! The HTTP/1 part of the connection state: framing of requests, and bytes of heads.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// The framing of a request body, as parsed by hyper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The body has this length in bytes, which may be 0.
    Length(u64),
    /// The body is chunked.
    Chunked,
}

/// Malformed framing of a request, which hyper reports as an error of the body.
#[derive(Debug, thiserror::Error)]
#[error("the framing of the request is malformed")]
pub(crate) struct MalformedFraming;

/// Whether responses wait in the I/O, to share a write with those of the next pipelined requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batching {
    /// No response waits.
    None = 0,
    /// Some responses wait.
    Waiting = 1,
    /// They must be sent now, because the connection makes no progress otherwise.
    Flush = 2,
}

/// The state that the I/O and the task of a connection share with its requests.
///
/// All run in the task of the connection, so `Relaxed` accesses are in program order.
#[derive(Debug)]
pub(crate) struct Http1State {
    /// Bytes that were read since the last request ended. A head has at most that size.
    head_bytes: AtomicU64,
    /// The body length of the parsed head, [`CHUNKED`] or [`UNKNOWN`].
    framing: AtomicU64,
    /// Set if the last target had a fragment.
    fragment: AtomicBool,
    /// Set if malformed framing was found and is not counted yet.
    malformed: AtomicBool,
    /// A [`Batching`].
    batching: AtomicU8,
}

/// The value of `framing` if no head has been parsed since it was taken.
const UNKNOWN: u64 = u64::MAX;
/// The value of `framing` for [`Framing::Chunked`]. hyper accepts no length as large as these two.
const CHUNKED: u64 = u64::MAX - 1;

impl Http1State {
    pub(crate) const fn new() -> Self {
        Self {
            head_bytes: AtomicU64::new(0),
            framing: AtomicU64::new(UNKNOWN),
            fragment: AtomicBool::new(false),
            malformed: AtomicBool::new(false),
            batching: AtomicU8::new(Batching::None as u8),
        }
    }

    pub(super) fn add_head_bytes(&self, count: u64) {
        // The only writer, so no locked instruction is needed.
        let sum = self.head_bytes().wrapping_add(count);
        self.head_bytes.store(sum, Ordering::Relaxed);
    }

    pub(super) fn head_bytes(&self) -> u64 {
        self.head_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn reset_head_bytes(&self) {
        self.head_bytes.store(0, Ordering::Relaxed);
    }

    /// Sets the framing of the head that hyper has just parsed.
    pub(crate) fn set_framing(&self, framing: Framing) {
        let value = match framing {
            Framing::Length(length) => length,
            Framing::Chunked => CHUNKED,
        };
        self.framing.store(value, Ordering::Relaxed);
    }

    /// Returns true if hyper has parsed the last head, and no body follows it.
    pub(crate) fn has_no_body(&self) -> bool {
        self.framing.load(Ordering::Relaxed) == 0
    }

    /// Takes the framing of the last head. `None` if hyper has not parsed it.
    pub(crate) fn take_framing(&self) -> Option<Framing> {
        let value = self.framing.load(Ordering::Relaxed);
        self.framing.store(UNKNOWN, Ordering::Relaxed);
        match value {
            UNKNOWN => None,
            CHUNKED => Some(Framing::Chunked),
            length => Some(Framing::Length(length)),
        }
    }

    /// Records that a target has a fragment.
    pub(crate) fn set_fragment(&self) {
        self.fragment.store(true, Ordering::Relaxed);
    }

    /// Returns true if the last target had a fragment, which RFC 9112, 3.2, does not allow.
    pub(crate) fn has_fragment(&self) -> bool {
        self.fragment.load(Ordering::Relaxed)
    }

    /// Records malformed framing.
    pub(crate) fn set_malformed(&self) {
        self.malformed.store(true, Ordering::Relaxed);
    }

    /// Returns true once after malformed framing was found, so that the caller counts it once.
    pub(crate) fn take_malformed(&self) -> bool {
        self.malformed.swap(false, Ordering::Relaxed)
    }

    /// Records that a response waits in the I/O.
    pub(crate) fn set_waiting(&self) {
        self.set_batching(Batching::Waiting);
    }

    /// Records that no response waits in the I/O.
    pub(crate) fn set_flushed(&self) {
        self.set_batching(Batching::None);
    }

    /// Makes the I/O send the responses that wait at its next poll. Returns false if none waits, or if
    /// they are being sent.
    pub(crate) fn begin_flush(&self) -> bool {
        let is_waiting = self.batching.load(Ordering::Relaxed) == Batching::Waiting as u8;
        if is_waiting {
            self.set_batching(Batching::Flush);
        }
        is_waiting
    }

    /// Returns true if the responses that wait must be sent now.
    pub(crate) fn must_flush(&self) -> bool {
        self.batching.load(Ordering::Relaxed) == Batching::Flush as u8
    }

    fn set_batching(&self, batching: Batching) {
        self.batching.store(batching as u8, Ordering::Relaxed);
    }
}
