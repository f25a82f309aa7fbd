//! What a connection waits for, as its stream and its requests tell.

mod streams;
mod unread;

use std::{
    future::poll_fn,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

pub(super) use self::unread::UnreadBody;
use self::unread::UnreadRest;
use super::{http1::Http1State, io::Stream};

/// How long a connection may wait for what (contract SRV-1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionTimeouts {
    /// For the whole head of a request.
    pub(crate) head: Duration,
    /// For the next request.
    pub(crate) idle: Duration,
    /// For the client to take anything of what is being sent.
    pub(crate) write: Duration,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitReason {
    /// The rest of a head, or the first one.
    Head,
    /// The next request.
    Idle,
    /// The client, to take some of what is being sent.
    Write,
}

/// Shared by the stream, which sees bytes, and the accounts, which see requests begin and end.
///
/// All of it is told and read by one task in the common case; what is shared with others is only
/// ever late, never torn.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    opened: Instant,
    /// Requests that have begun and not ended; over HTTP/2 streams.
    busy: AtomicU32,
    /// Over HTTP/2, requests.
    requests: AtomicU32,
    waiting: AtomicU8,
    /// When the waiting began, in microseconds after `born`.
    since: AtomicU64,
    /// Since when the client takes nothing, likewise; 0 while it does.
    write_stalled_since: AtomicU64,
    /// It was told to make room.
    evicted: AtomicBool,
    /// It is one of the reserve, and has one request.
    reserve: AtomicBool,
    /// Wakes the connection's task.
    waker: Mutex<Option<Waker>>,
    /// Bytes that came since the last request ended.
    head_bytes: AtomicU64,
    /// A body was left unread, and its client may be sending it still.
    unread: AtomicBool,
    /// How many requests had a body.
    bodies: AtomicU32,
    /// What the present body means for the connection: a [`Fate`].
    fate: AtomicU8,
    /// What is discarded of it.
    rest: Mutex<Option<UnreadRest>>,
    /// It speaks something else than HTTP, and whoever took it over waits as they like.
    upgraded: AtomicBool,
    /// It is a WebSocket that the drain ends.
    websocket: AtomicBool,
    /// It speaks HTTP/2, whose streams are counted in the place of requests.
    multiplexed: AtomicBool,
    /// Since when a head of HTTP/2 is incomplete, in microseconds after `born`; 0 if none is.
    partial_head_since: AtomicU64,
    /// When something came while there was no stream of HTTP/2, in microseconds after `born`.
    last_read: AtomicU64,
    /// The stream, once HTTP has let go of it, if somebody may still be sending.
    lingering_stream: Mutex<Option<Stream>>,
    /// The framing of requests over HTTP/1.
    http1: Http1State,
    /// A byte has come behind a PROXY header, if there is one.
    sent_bytes: AtomicBool,
    /// Bytes are read as soon as they are there, and not when the reactor reports them.
    closing: AtomicBool,
}

/// For the next request: not a byte of it is there.
const IDLE: u8 = 0;
/// For the rest of a head, since a moment that nobody has looked at the clock for.
const HEAD_BEGUN: u8 = 1;
/// For the rest of a head, since `since`.
const HEAD: u8 = 2;

impl ConnectionState {
    /// A connection that begins now: its first head is waited for from this moment on.
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            busy: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            waiting: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            write_stalled_since: AtomicU64::new(0),
            evicted: AtomicBool::new(false),
            reserve: AtomicBool::new(false),
            waker: Mutex::new(None),
            head_bytes: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            bodies: AtomicU32::new(0),
            fate: AtomicU8::new(UnreadBody::Keep as u8),
            rest: Mutex::new(None),
            upgraded: AtomicBool::new(false),
            websocket: AtomicBool::new(false),
            multiplexed: AtomicBool::new(false),
            partial_head_since: AtomicU64::new(0),
            last_read: AtomicU64::new(0),
            lingering_stream: Mutex::new(None),
            http1: Http1State::new(),
            sent_bytes: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        }
    }

    /// The connection is closed at its next silence, which must be one.
    pub(super) fn set_closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// The client has sent its first byte of TLS or HTTP.
    pub(super) fn set_sent_bytes(&self) {
        self.sent_bytes.store(true, Ordering::Relaxed);
    }

    /// Whether the client has sent a byte of TLS or HTTP.
    pub(super) fn has_sent_bytes(&self) -> bool {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    /// The framing of requests over HTTP/1.
    pub(crate) const fn http1(&self) -> &Http1State {
        &self.http1
    }

    /// The stream gave some bytes.
    pub(super) fn record_read(&self, count: usize) {
        self.head_bytes.fetch_add(count as u64, Ordering::Relaxed);
        if self.is_busy() || self.is_discarding() {
            return;
        }
        if self.is_multiplexed() {
            let now = self.micros(Instant::now());
            self.last_read.store(now, Ordering::Relaxed);
        } else if self.waiting.load(Ordering::Relaxed) == IDLE {
            // No look at the clock: in the common case the head is complete before anybody asks.
            self.waiting.store(HEAD_BEGUN, Ordering::Relaxed);
        }
    }

    /// HTTP is over, and the connection is not. The drain ends a `websocket`, and waits for the rest.
    pub(crate) fn set_upgraded(&self, websocket: bool) {
        self.websocket.store(websocket, Ordering::Release);
        self.upgraded.store(true, Ordering::Release);
    }

    /// Whether it is a WebSocket that the drain ends.
    pub(super) fn is_websocket(&self) -> bool {
        self.websocket.load(Ordering::Acquire)
    }

    /// Whether it is upgraded, and counts as cut off if it is open at the end.
    pub(super) fn outlives_http(&self) -> bool {
        self.is_upgraded() && !self.is_websocket()
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Acquire)
    }

    /// Whether it has had the one request that a connection of the reserve has.
    pub(super) fn is_spent(&self) -> bool {
        self.is_reserve() && self.has_had_request()
    }

    /// Whether there has been a request: over HTTP/2 from its beginning on, over HTTP/1 from its
    /// end on.
    pub(super) fn has_had_request(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == IDLE
    }

    pub(crate) fn request_began(&self) {
        if self.is_multiplexed() {
            self.requests.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    /// The most that a head can have which is complete now. HTTP/2 has a limit of its own.
    pub(crate) fn head_bytes(&self) -> u64 {
        if self.is_multiplexed() {
            return 0;
        }
        self.head_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn request_ended(&self, now: Instant) {
        if self.is_multiplexed() {
            self.requests.fetch_sub(1, Ordering::Release);
            return;
        }
        self.since.store(self.micros(now), Ordering::Relaxed);
        self.head_bytes.store(0, Ordering::Relaxed);
        self.waiting.store(IDLE, Ordering::Relaxed);
        self.busy.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    /// The order in which connections make room, if this one could: those without a complete head
    /// before idle ones, whoever has waited longest first.
    pub(super) fn eviction_order(&self) -> Option<(bool, Instant)> {
        // Who belongs to the reserve has no place that others could take.
        if self.is_busy() || self.is_sending() || self.is_last_answer() || self.is_upgraded() {
            return None;
        }
        let idle = self.waiting.load(Ordering::Relaxed) == IDLE && !self.is_discarding();
        Some((idle, self.at(self.since.load(Ordering::Relaxed))))
    }

    /// Tells the connection to end, unless it is busy or has been told. Says what it waited for.
    ///
    /// A request that comes at this very moment is handled still.
    pub(super) fn evict(&self) -> Option<WaitReason> {
        let (idle, _) = self.eviction_order()?;
        if self.evicted.swap(true, Ordering::AcqRel) {
            return None;
        }
        self.wake();
        Some(if idle {
            WaitReason::Idle
        } else {
            WaitReason::Head
        })
    }

    /// It is over. Says whether it was not told to go before; nobody can tell it from now on, so that
    /// its place is given back once.
    pub(super) fn mark_closed(&self) -> bool {
        !self.evicted.swap(true, Ordering::AcqRel)
    }

    /// Waits until it is told to make room. There can be one who waits.
    pub(super) async fn evicted(&self) {
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

    pub(super) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }

    /// Whom [`ConnectionState::evict`] wakes.
    pub(super) fn set_waker(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    fn wake(&self) {
        if let Some(waker) = &*lock(&self.waker) {
            waker.wake_by_ref();
        }
    }

    pub(super) fn set_reserve(&self) {
        self.reserve.store(true, Ordering::Relaxed);
    }

    /// Whether it was accepted above the limit, for probes alone.
    pub(crate) fn is_reserve(&self) -> bool {
        self.reserve.load(Ordering::Relaxed)
    }

    /// Whether the answer is the connection's last.
    pub(crate) fn is_last_answer(&self) -> bool {
        self.is_reserve() || self.is_evicted()
    }

    /// The client took some bytes, or did not while there were some to take.
    pub(super) fn record_write(&self, took: bool) {
        let stuck = self.write_stalled_since.load(Ordering::Relaxed) > 0;
        if took && stuck {
            self.write_stalled_since.store(0, Ordering::Relaxed);
            if !self.is_busy() {
                // The answer had been handed over before, and goes out only now.
                self.since
                    .store(self.micros(Instant::now()), Ordering::Relaxed);
            }
        } else if !took && !stuck {
            self.write_stalled_since
                .store(self.micros(Instant::now()).max(1), Ordering::Relaxed);
        }
    }

    /// When patience ends, and what with.
    pub(super) fn deadline(&self, patience: ConnectionTimeouts) -> Option<(Instant, WaitReason)> {
        let stuck = self.write_stalled_since.load(Ordering::Relaxed);
        if stuck > 0 {
            // Whoever still takes an answer is not waited for in any other way.
            return Some((self.at(stuck) + patience.write, WaitReason::Write));
        }
        let partial = self.partial_head_since.load(Ordering::Relaxed);
        if partial > 0 {
            return Some((self.at(partial) + patience.head, WaitReason::Head));
        }
        // A request that is being handled has limits of its own.
        self.reading_deadline(patience)
    }

    /// Since when the client has taken nothing of what is being sent.
    pub(super) fn write_stalled_since(&self) -> Option<Instant> {
        let stuck = self.write_stalled_since.load(Ordering::Relaxed);
        (stuck > 0).then(|| self.at(stuck))
    }

    /// Whether an answer has been handed over, and its client has not taken all of it.
    pub(super) fn is_sending(&self) -> bool {
        !self.is_busy() && self.write_stalled_since.load(Ordering::Relaxed) > 0
    }

    fn reading_deadline(&self, patience: ConnectionTimeouts) -> Option<(Instant, WaitReason)> {
        if self.is_busy() {
            return None;
        }
        if self.is_discarding() {
            let since = self.at(self.since.load(Ordering::Relaxed));
            return Some((since + patience.head, WaitReason::Idle));
        }
        let idle = self.waiting.load(Ordering::Relaxed) == IDLE;
        let limit = match self.waiting.load(Ordering::Relaxed) {
            IDLE => patience.idle,
            HEAD_BEGUN => {
                self.since
                    .store(self.micros(Instant::now()), Ordering::Relaxed);
                self.waiting.store(HEAD, Ordering::Relaxed);
                patience.head
            }
            _ => patience.head,
        };
        let waiting = if idle {
            WaitReason::Idle
        } else {
            WaitReason::Head
        };
        Some((self.at(self.since.load(Ordering::Relaxed)) + limit, waiting))
    }

    /// Whether a head has begun and is not complete.
    pub(super) fn is_in_head(&self) -> bool {
        if self.is_multiplexed() {
            return self.partial_head_since.load(Ordering::Relaxed) > 0;
        }
        !self.is_busy() && !self.is_discarding() && self.head_bytes() > 0
    }

    /// How long the present head, or silence, has taken.
    pub(super) fn waited(&self) -> Duration {
        Instant::now() - self.at(self.since.load(Ordering::Relaxed))
    }

    fn at(&self, micros: u64) -> Instant {
        self.opened + Duration::from_micros(micros)
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from((at - self.opened).as_micros()).unwrap_or(u64::MAX)
    }
}

/// Locks, whatever happened to a thread that held the lock: every change under it is one store.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: ConnectionTimeouts = ConnectionTimeouts {
        head: Duration::from_secs(5),
        idle: Duration::from_secs(120),
        write: Duration::from_secs(30),
    };

    fn left(state: &ConnectionState) -> Option<f64> {
        let (deadline, _) = state.deadline(PATIENCE)?;
        Some((deadline - Instant::now()).as_secs_f64().round())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_the_connection_or_from_its_first_byte() {
        let state = ConnectionState::new();
        advance(Duration::from_secs(2)).await;
        state.record_read(1);
        assert_eq!(
            left(&state),
            Some(3.0),
            "bytes of the first head win no time"
        );
        state.request_began();
        assert_eq!(left(&state), None);
        advance(Duration::from_secs(60)).await;
        state.request_ended(Instant::now());
        assert_eq!(left(&state), Some(120.0));
        advance(Duration::from_secs(100)).await;
        state.record_read(1);
        assert_eq!(left(&state), Some(5.0));
        advance(Duration::from_secs(3)).await;
        state.record_read(1);
        assert_eq!(left(&state), Some(2.0), "a byte now and then wins no time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_waited_for_even_while_a_request_is_handled() {
        let state = ConnectionState::new();
        state.request_began();
        state.record_write(false);
        advance(Duration::from_secs(10)).await;
        state.record_write(false);
        assert_eq!(left(&state), Some(20.0));
        state.record_write(true);
        assert_eq!(left(&state), None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_no_request_makes_room_before_whoever_is_idle() {
        let idle = ConnectionState::new();
        idle.request_began();
        idle.request_ended(Instant::now());
        advance(Duration::from_secs(1)).await;
        let silent = ConnectionState::new();
        let busy = ConnectionState::new();
        busy.request_began();
        assert!(silent.eviction_order() < idle.eviction_order());
        assert_eq!(busy.evict(), None);
        assert_eq!(silent.evict(), Some(WaitReason::Head));
        assert_eq!(silent.evict(), None, "once is enough");
        assert_eq!(idle.evict(), Some(WaitReason::Idle));
    }
}
