//! What becomes of an HTTP/1 connection whose request body was left unread.
//!
//! The remainder of a body is kept here and discarded by the task of the connection: hyper closes a
//! connection as soon as the body of its request is dropped before the end.

use std::{
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, ready},
};

use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{ConnectionState, IDLE, lock};
use crate::server::io::Stream;

/// The most that is discarded of a body, in bytes.
const MAX_DISCARD: u64 = 64 * 1024;

/// What the body of the current request means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum UnreadBody {
    /// The body has been read, or its reader has not finished.
    Keep = 0,
    /// The rest is discarded, and the connection goes on behind it.
    Discard = 1,
    /// The rest is not read, so nothing behind it can be.
    Close = 2,
}

/// The rest of a body.
#[derive(Debug)]
pub(super) struct UnreadRest {
    incoming: Incoming,
    /// How much more of it is discarded.
    budget: u64,
}

impl ConnectionState {
    /// A request has come. Returns the number of its body, by which later calls name it.
    pub(in crate::server) fn body_began(&self, has_body: bool) -> u32 {
        if self.fate() != UnreadBody::Keep {
            // hyper has read the body before, or there would be no further request.
            self.set_fate(UnreadBody::Keep);
            *lock(&self.rest) = None;
        }
        self.unread.store(has_body, Ordering::Relaxed);
        if !has_body {
            return 0;
        }
        self.bodies.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// A body has been read to its end.
    pub(in crate::server) fn body_read(&self, number: u32) {
        if self.is_current(number) {
            self.unread.store(false, Ordering::Relaxed);
        }
    }

    /// A body has been dropped before its end. `rest` is there if the connection may outlive it.
    pub(in crate::server) fn body_dropped(&self, number: u32, rest: Option<Incoming>) {
        // A task may drop the body of an earlier request, all of which hyper has read.
        if !self.is_current(number) {
            return;
        }
        let is_small = |rest: &Incoming| {
            let known = rest.size_hint().exact();
            known.is_none_or(|length| length <= MAX_DISCARD)
        };
        let Some(incoming) = rest.filter(is_small) else {
            self.set_fate(UnreadBody::Close);
            return;
        };
        let budget = MAX_DISCARD;
        *lock(&self.rest) = Some(UnreadRest { incoming, budget });
        self.set_fate(UnreadBody::Discard);
        // It may have been dropped by another task.
        self.wake();
    }

    /// Decides on the connection before the head of its response is sent. With `is_last` the response
    /// ends it anyway.
    pub(in crate::server) fn settle_body(
        &self,
        cx: &mut Context<'_>,
        is_last: bool,
        has_waited: &mut bool,
    ) -> Poll<UnreadBody> {
        if self.fate() != UnreadBody::Discard {
            return Poll::Ready(self.fate());
        }
        let before = lock(&self.rest).as_ref().map(|rest| rest.budget);
        if !is_last && self.poll_discard(cx).is_ready() {
            return Poll::Ready(self.fate());
        }
        let after = {
            let rest = lock(&self.rest);
            let known = rest
                .as_ref()
                .is_some_and(|rest| rest.incoming.size_hint().exact().is_some());
            if known && !is_last {
                return Poll::Ready(UnreadBody::Discard);
            }
            rest.as_ref().map(|rest| rest.budget)
        };
        // hyper reads on when it is polled again, after this.
        if !is_last && (before != after || !*has_waited) {
            *has_waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        *lock(&self.rest) = None;
        self.set_fate(UnreadBody::Close);
        Poll::Ready(UnreadBody::Close)
    }

    /// Whether the rest of a body is being discarded.
    pub(in crate::server) fn is_discarding(&self) -> bool {
        self.fate() == UnreadBody::Discard
    }

    /// Discards what has arrived of a body. Ready when no more of it is to be discarded.
    pub(in crate::server) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut slot = lock(&self.rest);
        while let Some(rest) = &mut *slot {
            let frame = ready!(Pin::new(&mut rest.incoming).poll_frame(cx));
            let length = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
                _ => 0,
            };
            let has_more = matches!(frame, Some(Ok(_))) && !rest.incoming.is_end_stream();
            if has_more && length <= rest.budget {
                rest.budget -= length;
                continue;
            }
            // Dropped before its end, it makes hyper close the connection, as an error does.
            *slot = None;
            if has_more || matches!(frame, Some(Err(_))) {
                self.set_fate(UnreadBody::Close);
            } else {
                self.discarded();
            }
        }
        Poll::Ready(())
    }

    fn discarded(&self) {
        self.set_fate(UnreadBody::Keep);
        self.unread.store(false, Ordering::Relaxed);
        if !self.is_busy() {
            // Only now is the next request waited for.
            let now = self.micros(Instant::now());
            self.since.store(now, Ordering::Relaxed);
            self.head_bytes.store(0, Ordering::Relaxed);
            self.waiting.store(IDLE, Ordering::Relaxed);
        }
    }

    /// Nothing that the client may still be sending is read once HTTP is over.
    pub(in crate::server) fn stop_reading(&self) {
        self.unread.store(false, Ordering::Relaxed);
    }

    /// HTTP is done with the stream, which is kept if the client may still be sending.
    pub(in crate::server) fn keep_for_lingering(&self, stream: Stream) {
        if self.unread.load(Ordering::Relaxed) {
            *lock(&self.lingering_stream) = Some(stream);
        }
    }

    /// The stream, if its client may still be sending.
    pub(in crate::server) fn take_lingering_stream(&self) -> Option<Stream> {
        lock(&self.lingering_stream).take()
    }

    fn is_current(&self, number: u32) -> bool {
        self.bodies.load(Ordering::Relaxed) == number
    }

    fn fate(&self) -> UnreadBody {
        match self.fate.load(Ordering::Acquire) {
            0 => UnreadBody::Keep,
            1 => UnreadBody::Discard,
            _ => UnreadBody::Close,
        }
    }

    fn set_fate(&self, fate: UnreadBody) {
        self.fate.store(fate as u8, Ordering::Release);
    }
}
