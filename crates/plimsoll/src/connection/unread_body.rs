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

use super::{ConnectionState, Phase};
use crate::sync::lock;

/// The most that is discarded of a body, in bytes.
const MAX_DISCARD: u64 = 64 * 1024;

/// What the body of the current request means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreadBody {
    /// Nothing is unread: the body was read, or its reader has not finished.
    None = 0,
    /// The rest is discarded, and the connection is kept.
    Discard = 1,
    /// The rest is not read, so the connection closes after the response.
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
    pub(crate) fn body_began(&self, has_body: bool) -> u32 {
        if self.unread_body() != UnreadBody::None {
            // hyper has read the body before, or there would be no further request.
            self.set_unread_body(UnreadBody::None);
            *lock(&self.unread_rest) = None;
        }
        self.may_linger.store(has_body, Ordering::Relaxed);
        if !has_body {
            return 0;
        }
        self.bodies.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// A body has been read to its end.
    pub(crate) fn body_read(&self, number: u32) {
        if self.is_current(number) {
            self.may_linger.store(false, Ordering::Relaxed);
        }
    }

    /// A body has been dropped before its end. `rest` is there if the connection may outlive it.
    pub(crate) fn body_dropped(&self, number: u32, rest: Option<Incoming>) {
        // A task may drop the body of an earlier request, all of which hyper has read.
        if !self.is_current(number) {
            return;
        }
        let is_small = |rest: &Incoming| {
            let known = rest.size_hint().exact();
            known.is_none_or(|length| length <= MAX_DISCARD)
        };
        let Some(incoming) = rest.filter(is_small) else {
            self.set_unread_body(UnreadBody::Close);
            return;
        };
        let budget = MAX_DISCARD;
        *lock(&self.unread_rest) = Some(UnreadRest { incoming, budget });
        self.set_unread_body(UnreadBody::Discard);
        // It may have been dropped by another task.
        self.eviction.wake();
    }

    /// Decides on the connection before the head of its response is sent. With `is_last` the response
    /// ends it anyway.
    pub(crate) fn settle_body(
        &self,
        cx: &mut Context<'_>,
        is_last: bool,
        has_waited: &mut bool,
    ) -> Poll<UnreadBody> {
        if self.unread_body() != UnreadBody::Discard {
            return Poll::Ready(self.unread_body());
        }
        let before = lock(&self.unread_rest).as_ref().map(|rest| rest.budget);
        if !is_last && self.poll_discard(cx).is_ready() {
            return Poll::Ready(self.unread_body());
        }
        let after = {
            let rest = lock(&self.unread_rest);
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
        *lock(&self.unread_rest) = None;
        self.set_unread_body(UnreadBody::Close);
        Poll::Ready(UnreadBody::Close)
    }

    /// Whether the rest of a body is being discarded.
    pub(crate) fn is_discarding(&self) -> bool {
        self.unread_body() == UnreadBody::Discard
    }

    /// Discards what has arrived of a body. Ready when no more of it is to be discarded.
    pub(crate) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut slot = lock(&self.unread_rest);
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
                self.set_unread_body(UnreadBody::Close);
            } else {
                self.discarded();
            }
        }
        Poll::Ready(())
    }

    fn discarded(&self) {
        self.set_unread_body(UnreadBody::None);
        self.may_linger.store(false, Ordering::Relaxed);
        if !self.is_busy() {
            // Only now is the next request waited for.
            self.phase.set(Phase::Idle, self.micros(Instant::now()));
            self.http1.reset_head_bytes();
        }
    }

    /// Closes without a lingering close when HTTP ends.
    pub(crate) fn stop_reading(&self) {
        self.may_linger.store(false, Ordering::Relaxed);
    }

    /// Whether the client may still be sending or reading, so that the close has to linger.
    pub(crate) fn may_linger(&self) -> bool {
        self.may_linger.load(Ordering::Relaxed)
    }

    fn is_current(&self, number: u32) -> bool {
        self.bodies.load(Ordering::Relaxed) == number
    }

    fn unread_body(&self) -> UnreadBody {
        match self.unread_body.load(Ordering::Acquire) {
            0 => UnreadBody::None,
            1 => UnreadBody::Discard,
            _ => UnreadBody::Close,
        }
    }

    fn set_unread_body(&self, value: UnreadBody) {
        self.unread_body.store(value as u8, Ordering::Release);
    }
}
