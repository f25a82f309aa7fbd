//! The state of a connection that only HTTP/1 has: the framing of its requests.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How the body of a request is framed, as parsed by hyper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The body has this many bytes, which may be none.
    Length(u64),
    /// The body is chunked.
    Chunked,
}

/// The framing of a request is malformed. hyper reports this as an error of the body.
#[derive(Debug, thiserror::Error)]
#[error("the framing of the request is malformed")]
pub(crate) struct MalformedFraming;

/// What the scanner of a connection and its requests share.
///
/// Both run in the task of the connection, so the order of accesses is that of the program.
#[derive(Debug)]
pub(crate) struct Http1State {
    /// Bytes that were read since the last request ended. The head of a request has at most that many.
    head_bytes: AtomicU64,
    /// The framing of the parsed head, or one of the two values below.
    framing: AtomicU64,
    /// The last target had a fragment.
    fragment: AtomicBool,
    /// Malformed framing was found, and is not counted yet.
    malformed: AtomicBool,
}

/// No head has been parsed since the framing was taken.
const UNKNOWN: u64 = u64::MAX;
/// [`Framing::Chunked`]. hyper accepts no length as large as these two.
const CHUNKED: u64 = u64::MAX - 1;

impl Http1State {
    pub(crate) const fn new() -> Self {
        Self {
            head_bytes: AtomicU64::new(0),
            framing: AtomicU64::new(UNKNOWN),
            fragment: AtomicBool::new(false),
            malformed: AtomicBool::new(false),
        }
    }

    pub(super) fn add_head_bytes(&self, count: u64) {
        self.head_bytes.fetch_add(count, Ordering::Relaxed);
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

    /// Whether hyper has parsed the last head, and no body follows it.
    pub(crate) fn has_no_body(&self) -> bool {
        self.framing.load(Ordering::Relaxed) == 0
    }

    /// Takes the framing of the last head; `None` if hyper has not parsed it.
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

    /// Whether the last target had a fragment, which RFC 9112, 3.2, does not allow.
    pub(crate) fn has_fragment(&self) -> bool {
        self.fragment.load(Ordering::Relaxed)
    }

    /// Records malformed framing.
    pub(crate) fn set_malformed(&self) {
        self.malformed.store(true, Ordering::Relaxed);
    }

    /// Returns once whether malformed framing was found: the caller counts it.
    pub(crate) fn take_malformed(&self) -> bool {
        self.malformed.swap(false, Ordering::Relaxed)
    }
}
