//! The state of a connection that only HTTP/2 has: its requests, its heads, and when it last read.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tokio::time::Instant;

use super::{ConnectionState, Phase};

/// How far a client has sent the head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadProgress {
    /// No head is incomplete.
    Complete,
    /// A head is incomplete that began in these bytes, after the end of another head.
    Begun,
    /// A head is incomplete that may have begun in earlier bytes.
    Incomplete,
}

/// Written by the task of the connection and by the tasks of its streams.
#[derive(Debug)]
pub(super) struct Http2State {
    /// The connection is HTTP/2: its streams are counted as active, not its requests.
    is_multiplexed: AtomicBool,
    /// Requests in progress. A stream may outlast its request.
    requests: AtomicU32,
    /// When the incomplete head began, in microseconds after `opened`; 0 if none is incomplete.
    partial_head_since: AtomicU64,
    /// When the last byte came while there was no stream, in microseconds after `opened`.
    last_read: AtomicU64,
}

impl Http2State {
    pub(super) const fn new() -> Self {
        Self {
            is_multiplexed: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            partial_head_since: AtomicU64::new(0),
            last_read: AtomicU64::new(0),
        }
    }

    pub(super) fn is_multiplexed(&self) -> bool {
        self.is_multiplexed.load(Ordering::Relaxed)
    }

    pub(super) fn request_began(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn request_ended(&self) {
        self.requests.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn partial_head_since(&self) -> u64 {
        self.partial_head_since.load(Ordering::Relaxed)
    }

    pub(super) fn record_read(&self, micros: u64) {
        self.last_read.store(micros, Ordering::Relaxed);
    }
}

impl ConnectionState {
    /// Marks the connection as HTTP/2: from now on streams are counted, not requests.
    pub(crate) fn set_multiplexed(&self) {
        self.http2.is_multiplexed.store(true, Ordering::Relaxed);
    }

    /// Records how far a head has been sent. More bytes of the same head do not extend its deadline.
    pub(crate) fn set_head(&self, head: HeadProgress) {
        let since = &self.http2.partial_head_since;
        let is_known = since.load(Ordering::Relaxed) > 0;
        if head == HeadProgress::Complete {
            since.store(0, Ordering::Relaxed);
        } else if head == HeadProgress::Begun || !is_known {
            since.store(self.micros(Instant::now()).max(1), Ordering::Relaxed);
        }
    }

    /// A stream begins, with its request.
    pub(crate) fn stream_began(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.phase.set_phase(Phase::Idle);
    }

    /// A stream ends, which may be later than the end of its request.
    pub(crate) fn stream_ended(&self) {
        self.phase.set_time(self.micros(Instant::now()));
        self.active.fetch_sub(1, Ordering::Release);
    }

    /// Keeps the stream open for a lingering close: the client may not have read all of a response
    /// yet. To close now would reset the connection, and the unread bytes would be lost.
    pub(crate) fn set_response_unsent(&self) {
        self.may_linger.store(true, Ordering::Relaxed);
    }

    /// How many responses were handed to the socket or to h2, and are not sent as far as is known.
    pub(crate) fn unsent(&self) -> u32 {
        if self.http2.is_multiplexed() {
            // A stream ends when all of its response is sent, its request when the last piece was
            // handed over.
            let streams = self.active.load(Ordering::Acquire);
            return streams.saturating_sub(self.http2.requests.load(Ordering::Acquire));
        }
        self.is_sending().into()
    }

    /// Since when no request has ended and, over HTTP/2, no byte has come.
    pub(crate) fn quiet_since(&self) -> Instant {
        let (_, since) = self.phase.get();
        self.at(since.max(self.http2.last_read.load(Ordering::Relaxed)))
    }
}
