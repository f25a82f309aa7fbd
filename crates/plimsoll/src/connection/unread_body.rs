//! The unread rest of an HTTP/1 request body.
//!
//! hyper closes a connection as soon as the body of its request is dropped before the end. So the rest
//! is kept here, and the task of the connection discards it.

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

/// The maximum number of bytes that are discarded of a body.
const MAX_DISCARD: u64 = 64 * 1024;

/// What an unread request body means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreadBody {
    /// No rest: the body was read to its end, or the handler still reads it.
    None = 0,
    /// The rest is discarded, and the connection is kept.
    Discard = 1,
    /// The rest stays unread, and the connection closes after the response.
    Close = 2,
}

/// The rest of a body that is being discarded.
#[derive(Debug)]
pub(super) struct UnreadRest {
    incoming: Incoming,
    /// How many more bytes are discarded before the connection closes instead.
    budget: u64,
}

impl ConnectionState {
    /// Records a new request. Returns the number of its body, which later calls pass.
    pub(crate) fn body_began(&self, has_body: bool) -> u32 {
        if self.unread_body() != UnreadBody::None {
            // hyper parses the next request only after it has read the previous body.
            self.set_unread_body(UnreadBody::None);
            *lock(&self.unread_rest) = None;
        }
        self.may_linger.store(has_body, Ordering::Relaxed);
        if !has_body {
            return 0;
        }
        self.bodies.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Records that a body was read to its end.
    pub(crate) fn body_read(&self, number: u32) {
        if self.is_current(number) {
            self.may_linger.store(false, Ordering::Relaxed);
        }
    }

    /// Records that a body was dropped before its end. `rest` is `Some` if the connection may be kept.
    pub(crate) fn body_dropped(&self, number: u32, rest: Option<Incoming>) {
        // A task may drop the body of an earlier request later. hyper has read all of that one.
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
        // Another task may have dropped the body, and the connection's task has to discard the rest.
        self.eviction.wake();
    }

    /// Decides, before the head of the response is sent, whether the connection is kept.
    ///
    /// With `is_last` the connection closes after the response in any case. `has_waited` starts as
    /// false for each response, and is set when hyper gets another poll to read the rest.
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
        // hyper reads more of the body when the connection is polled again.
        if !is_last && (before != after || !*has_waited) {
            *has_waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        *lock(&self.unread_rest) = None;
        self.set_unread_body(UnreadBody::Close);
        Poll::Ready(UnreadBody::Close)
    }

    /// Returns true if the rest of a body is being discarded.
    pub(crate) fn is_discarding(&self) -> bool {
        self.unread_body() == UnreadBody::Discard
    }

    /// Discards the part of a body that has arrived. Ready when nothing more is to be discarded.
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
            // A drop before the end makes hyper close the connection, as an error does.
            *slot = None;
            if has_more || matches!(frame, Some(Err(_))) {
                self.set_unread_body(UnreadBody::Close);
            } else {
                self.finish_discard();
            }
        }
        Poll::Ready(())
    }

    fn finish_discard(&self) {
        self.set_unread_body(UnreadBody::None);
        self.may_linger.store(false, Ordering::Relaxed);
        if !self.is_busy() {
            // The idle time starts now.
            self.phase.set(Phase::Idle, self.micros(Instant::now()));
            self.http1.reset_head_bytes();
        }
    }

    /// Makes the close immediate, not lingering.
    pub(crate) fn stop_reading(&self) {
        self.may_linger.store(false, Ordering::Relaxed);
    }

    /// Returns true if the close has to linger, because the client may still be sending or reading.
    pub(crate) fn may_linger(&self) -> bool {
        self.may_linger.load(Ordering::Relaxed)
    }

    /// Returns true if the handler of an HTTP/1 request has not read its body to the end.
    pub(super) fn is_reading_body(&self) -> bool {
        self.unread_body() == UnreadBody::None && self.may_linger()
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
