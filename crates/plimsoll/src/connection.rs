//! The state of one connection, shared by its task, its I/O and the requests on it.
//!
//! ```text
//! phase        what is read between two requests, and since when
//! http1        framing of requests, bytes of heads     http2        streams, incomplete heads
//! unread_body  the rest of a body, being discarded     eviction     closed to free a permit
//! timeouts     the deadline, computed from all of it        snapshot   what an operator sees of it
//! ```
//!
//! # Threads
//!
//! The task of the connection writes most fields. Over HTTP/2 the tasks of its streams count streams
//! and requests. The connection limiter reads the state from the threads of other workers, to choose
//! a connection to evict. Such a reader may see an old value, but never one that was not stored.

mod eviction;
mod http1;
mod http2;
mod phase;
mod snapshot;
mod timeouts;
mod unread_body;

use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use self::{
    eviction::Eviction,
    http2::Http2State,
    phase::{Phase, PhaseCell},
    timeouts::Activity,
    unread_body::UnreadRest,
};
pub(crate) use self::{
    http1::{Framing, Http1State, MalformedFraming},
    http2::HeadProgress,
    snapshot::{ConnectionSnapshot, Observed, Stage, Wait},
    timeouts::{ConnectionTimeouts, WaitReason},
    unread_body::UnreadBody,
};
use crate::sync::Mutex;

/// The state of one connection, from its accept to its close.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    /// The origin of all times below.
    opened: Instant,
    /// Requests in progress over HTTP/1, open streams over HTTP/2.
    ///
    /// Decremented with `Release` after the other fields, and read with `Acquire`. So a limiter that
    /// reads 0 also reads the phase that the last request left.
    active: AtomicU32,
    /// What the connection reads while nothing is active.
    phase: PhaseCell,
    /// When the client stopped accepting bytes, in microseconds after `opened`; 0 while it accepts
    /// them. Written by the I/O of the connection.
    write_stalled_since: AtomicU64,
    eviction: Eviction,
    http1: Http1State,
    http2: Http2State,
    /// The number of HTTP/1 requests that had a body. It identifies the current body.
    bodies: AtomicU32,
    /// An [`UnreadBody`]: what the unread rest of the current body means for the connection. Written
    /// by the task that drops the body, which may run on another thread.
    unread_body: AtomicU8,
    /// The rest of the current body, while it is discarded.
    unread_rest: Mutex<Option<UnreadRest>>,
    /// Set if the close has to linger: the client may still be sending or reading when HTTP ends.
    may_linger: AtomicBool,
    /// An [`Upgrade`]: the protocol after HTTP.
    upgrade: AtomicU8,
    /// Set by the first byte of TLS or HTTP. A PROXY header does not count.
    sent_bytes: AtomicBool,
    /// Set if the connection closes as soon as it is idle. I/O then polls the socket itself, because
    /// the reactor may not have reported the last bytes.
    closing: AtomicBool,
    /// Set at `MAX_CONNECTION_AGE`. Over HTTP/1, the next response announces the close.
    aged: AtomicBool,
    observed: Observed,
}

/// The protocol after an upgrade.
///
/// An upgraded connection has no deadlines: the code that uses it sets its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    /// The connection was not upgraded.
    None = 0,
    /// A WebSocket, which the drain closes.
    WebSocket = 1,
    /// Another protocol, which the drain waits for.
    Other = 2,
}

impl ConnectionState {
    /// Creates the state of a connection that opens now. The timeout of its first head starts now.
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            active: AtomicU32::new(0),
            phase: PhaseCell::new(Phase::Head),
            write_stalled_since: AtomicU64::new(0),
            eviction: Eviction::new(),
            http1: Http1State::new(),
            http2: Http2State::new(),
            bodies: AtomicU32::new(0),
            unread_body: AtomicU8::new(UnreadBody::None as u8),
            unread_rest: Mutex::new(None),
            may_linger: AtomicBool::new(false),
            upgrade: AtomicU8::new(Upgrade::None as u8),
            sent_bytes: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            aged: AtomicBool::new(false),
            observed: Observed::new(),
        }
    }

    /// Returns the state that only HTTP/1 has.
    pub(crate) const fn http1(&self) -> &Http1State {
        &self.http1
    }

    /// Returns the state that is kept for an operator.
    pub(crate) const fn observed(&self) -> &Observed {
        &self.observed
    }

    // === requests ===

    /// Counts a request that begins. Over HTTP/2 its stream was counted before.
    pub(crate) fn request_began(&self) {
        if self.http2.is_multiplexed() {
            self.http2.request_began();
        } else {
            // Over HTTP/1 the task of the connection is the only writer, here and below.
            let active = self.active.load(Ordering::Relaxed);
            self.active.store(active + 1, Ordering::Relaxed);
        }
    }

    /// Counts a request that ends: hyper has the last byte of its response, or it was cancelled.
    pub(crate) fn request_ended(&self, now: Instant) {
        if self.http2.is_multiplexed() {
            self.http2.request_ended();
            return;
        }
        self.phase.set(Phase::Idle, self.micros(now));
        self.http1.reset_head_bytes();
        let active = self.active.load(Ordering::Relaxed);
        self.active
            .store(active.saturating_sub(1), Ordering::Release);
    }

    /// Returns true if a request is in progress, or a stream is open.
    pub(crate) fn is_busy(&self) -> bool {
        self.active.load(Ordering::Acquire) > 0
    }

    /// Returns true after the first request: over HTTP/2 since it began, over HTTP/1 since it ended.
    pub(crate) fn has_had_request(&self) -> bool {
        self.phase.get().0 == Phase::Idle
    }

    /// Returns an upper bound for the size of the last head, in bytes: everything read since the last
    /// request. Over HTTP/2, where h2 limits heads, it is 0.
    pub(crate) fn head_bytes(&self) -> u64 {
        if self.http2.is_multiplexed() {
            return 0;
        }
        self.http1.head_bytes()
    }

    /// Returns true if a head has begun and is incomplete.
    pub(crate) fn is_in_head(&self) -> bool {
        if self.http2.is_multiplexed() {
            return self.http2.partial_head_since() > 0;
        }
        !self.is_busy() && !self.is_discarding() && self.head_bytes() > 0
    }

    // === bytes ===

    /// Records `count` bytes of HTTP that were read.
    pub(crate) fn record_read(&self, count: usize) {
        self.http1.add_head_bytes(count as u64);
        if self.is_busy() || self.is_discarding() {
            return;
        }
        if self.http2.is_multiplexed() {
            self.http2.record_read(self.micros(Instant::now()));
        } else if self.phase.get().0 == Phase::Idle {
            // The clock is not read: most heads are complete before the next deadline is computed.
            self.phase.set_phase(Phase::HeadBegun);
        }
    }

    /// Records the result of a write: whether the client accepted any bytes.
    pub(crate) fn record_write(&self, accepted: bool) {
        let is_stalled = self.write_stalled_since.load(Ordering::Relaxed) > 0;
        if accepted && is_stalled {
            self.write_stalled_since.store(0, Ordering::Relaxed);
            if !self.is_busy() {
                // hyper finished the response earlier, but the client receives it only now.
                self.phase.set_time(self.micros(Instant::now()));
            }
        } else if !accepted && !is_stalled {
            let now = self.micros(Instant::now()).max(1);
            self.write_stalled_since.store(now, Ordering::Relaxed);
        }
    }

    /// Returns when the client stopped accepting bytes, if it accepts none now.
    pub(crate) fn write_stalled_since(&self) -> Option<Instant> {
        let since = self.write_stalled_since.load(Ordering::Relaxed);
        (since > 0).then(|| self.at(since))
    }

    /// Returns true if hyper has finished a response and the client has not accepted all of it.
    pub(crate) fn is_sending(&self) -> bool {
        !self.is_busy() && self.write_stalled_since.load(Ordering::Relaxed) > 0
    }

    /// Records that the client has sent its first byte of TLS or HTTP.
    pub(crate) fn set_sent_bytes(&self) {
        self.sent_bytes.store(true, Ordering::Relaxed);
    }

    /// Returns true if the client has sent a byte of TLS or HTTP.
    pub(crate) fn has_sent_bytes(&self) -> bool {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    // === deadlines ===

    /// Returns when the current wait times out, and what the connection waits for. `None` if the wait
    /// has no timeout here, as while a handler runs.
    #[inline]
    pub(crate) fn deadline(&self, timeouts: ConnectionTimeouts) -> Option<(Instant, WaitReason)> {
        self.activity().map(|activity| activity.deadline(timeouts))
    }

    /// Returns what the connection does. `None` if it waits for a request in progress, which has its own
    /// timeouts.
    #[inline]
    fn activity(&self) -> Option<Activity> {
        self.activity_with(|| {
            // Rounded to the stored unit. A later deadline that differs would rearm the timer.
            let now = self.micros(Instant::now());
            self.phase.set(Phase::Head, now);
            now
        })
    }

    /// Returns what the connection does. `begin_head` returns the time at which a head began, if none
    /// is stored.
    #[inline]
    fn activity_with(&self, begin_head: impl FnOnce() -> u64) -> Option<Activity> {
        // A client that reads nothing is not expected to send anything.
        if let Some(since) = self.write_stalled_since() {
            return Some(Activity::WriteStalled(since));
        }
        let partial = self.http2.partial_head_since();
        if partial > 0 {
            return Some(Activity::PartialHead(self.at(partial)));
        }
        if self.is_busy() {
            return None;
        }
        // Last, because `begin_head` may store the start time of a head.
        let (phase, since) = self.phase.get();
        let since = self.at(since);
        Some(match phase {
            _ if self.is_discarding() => Activity::UnreadBody(since),
            Phase::Idle => Activity::Idle(since),
            Phase::Head => Activity::Head(since),
            Phase::HeadBegun => Activity::Head(self.at(begin_head())),
        })
    }

    /// Returns how long the current head or the current idle time has lasted.
    pub(crate) fn waited(&self) -> Duration {
        Instant::now() - self.at(self.phase.get().1)
    }

    /// Marks a connection that closes as soon as it is idle. I/O then polls the socket itself.
    pub(crate) fn set_closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Returns true if the connection closes as soon as it is idle.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    // === upgrades ===

    /// Records that another protocol follows HTTP on this connection. The drain closes a `websocket`
    /// and waits for other protocols.
    pub(crate) fn set_upgraded(&self, websocket: bool) {
        let upgrade = if websocket {
            Upgrade::WebSocket
        } else {
            Upgrade::Other
        };
        self.upgrade.store(upgrade as u8, Ordering::Release);
    }

    /// Returns true if another protocol follows HTTP.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgrade.load(Ordering::Acquire) != Upgrade::None as u8
    }

    /// Returns true for a WebSocket that the drain closes.
    pub(crate) fn is_websocket(&self) -> bool {
        self.upgrade.load(Ordering::Acquire) == Upgrade::WebSocket as u8
    }

    /// Returns true for another protocol, whose connection counts as cut off if it outlasts the drain.
    pub(crate) fn outlives_http(&self) -> bool {
        self.upgrade.load(Ordering::Acquire) == Upgrade::Other as u8
    }

    // === snapshot ===

    /// Returns what an operator sees of the connection at `now`.
    pub(crate) fn snapshot(&self, now: Instant) -> ConnectionSnapshot {
        let is_http2 = self.http2.is_multiplexed();
        let requests = match is_http2 {
            true => self.http2.requests(),
            false => self.active.load(Ordering::Acquire),
        };
        let stage = self.observed.stage();
        let (wait, since) = match stage.wait(self.opened) {
            Some(wait) => wait,
            None if self.is_upgraded() => (Wait::Upgraded, None),
            // The task of the connection stores when a head began. Another thread must not.
            None => match self.activity_with(|| self.micros(now)) {
                Some(activity) => activity.wait(),
                // Over HTTP/2, a stream lasts until its response is sent.
                None if requests == 0 => (Wait::Client, None),
                None if !is_http2 && self.is_reading_body() => (Wait::RequestBody, None),
                None => (Wait::Handler, None),
            },
        };
        ConnectionSnapshot {
            opened: self.opened,
            peer: self.observed.peer(),
            is_http2: stage.has_version().then_some(is_http2),
            wait,
            since,
            requests,
        }
    }

    // === time ===

    fn at(&self, micros: u64) -> Instant {
        self.opened + Duration::from_micros(micros)
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from((at - self.opened).as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
