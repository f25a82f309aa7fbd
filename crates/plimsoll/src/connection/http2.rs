//! The HTTP/2 part of the connection state: requests, incomplete heads, and the time of the last read.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tokio::time::Instant;

use super::{ConnectionState, Phase};

/// How much of the head of a request has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadProgress {
    /// No head is incomplete.
    Complete,
    /// A head is incomplete. It began in these bytes, after the end of another head.
    Begun,
    /// A head is incomplete. It may have begun in earlier bytes.
    Incomplete,
}

/// The state that only HTTP/2 has.
#[derive(Debug)]
pub(super) struct Http2State {
    /// Set for HTTP/2, where streams are counted as active, not requests.
    is_multiplexed: AtomicBool,
    /// Requests in progress. A stream may outlast its request. Written by the tasks of the streams.
    requests: AtomicU32,
    /// When the incomplete head began, in microseconds after `opened`; 0 if none is incomplete.
    /// Written by the task of the connection.
    partial_head_since: AtomicU64,
    /// When the last byte arrived while no stream was open, in microseconds after `opened`. Written by
    /// the task of the connection.
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

    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Acquire)
    }

    pub(super) fn partial_head_since(&self) -> u64 {
        self.partial_head_since.load(Ordering::Relaxed)
    }

    pub(super) fn record_read(&self, micros: u64) {
        self.last_read.store(micros, Ordering::Relaxed);
    }
}

impl ConnectionState {
    /// Marks the connection as HTTP/2. From then on streams are counted as active, not requests.
    pub(crate) fn set_multiplexed(&self) {
        self.http2.is_multiplexed.store(true, Ordering::Relaxed);
    }

    /// Records how much of a head has arrived. More bytes of the same head do not extend its deadline.
    pub(crate) fn set_head(&self, head: HeadProgress) {
        let since = &self.http2.partial_head_since;
        let is_known = since.load(Ordering::Relaxed) > 0;
        if head == HeadProgress::Complete {
            since.store(0, Ordering::Relaxed);
        } else if head == HeadProgress::Begun || !is_known {
            since.store(self.micros(Instant::now()).max(1), Ordering::Relaxed);
        }
    }

    /// Counts a stream that begins.
    pub(crate) fn stream_began(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.phase.set_phase(Phase::Idle);
    }

    /// Counts a stream that ends, which may be later than its request.
    pub(crate) fn stream_ended(&self) {
        self.phase.set_time(self.micros(Instant::now()));
        self.active.fetch_sub(1, Ordering::Release);
    }

    /// Makes the close linger, because the client may not have read all of a response yet. An
    /// immediate close could reset the connection, and the client would lose the unread bytes.
    pub(crate) fn set_response_unsent(&self) {
        self.may_linger.store(true, Ordering::Relaxed);
    }

    /// Returns the number of responses that hyper has finished and that are not known to be sent.
    pub(crate) fn unsent_responses(&self) -> u32 {
        if self.http2.is_multiplexed() {
            // A stream ends when its response is sent, a request when h2 has its last piece.
            let streams = self.active.load(Ordering::Acquire);
            return streams.saturating_sub(self.http2.requests());
        }
        self.is_sending().into()
    }

    /// Returns when the last request ended or, over HTTP/2, the last byte arrived, whichever is later.
    pub(crate) fn quiet_since(&self) -> Instant {
        let (_, since) = self.phase.get();
        self.at(since.max(self.http2.last_read.load(Ordering::Relaxed)))
    }
}
