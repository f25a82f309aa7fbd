//! What a connection of HTTP/2 waits for: its streams are counted in the place of requests.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{ConnectionState, IDLE};
use crate::server::http2::HeadProgress;

impl ConnectionState {
    /// From now on there are streams, and bytes that belong to none.
    pub(in crate::server) fn set_multiplexed(&self) {
        self.multiplexed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed)
    }

    /// What a client of HTTP/2 is in the middle of. More of the same head wins no time.
    pub(in crate::server) fn set_head(&self, head: HeadProgress) {
        let known = self.partial_head_since.load(Ordering::Relaxed) > 0;
        if head == HeadProgress::Complete {
            self.partial_head_since.store(0, Ordering::Relaxed);
        } else if head == HeadProgress::Begun || !known {
            self.partial_head_since
                .store(self.micros(Instant::now()).max(1), Ordering::Relaxed);
        }
    }

    /// A stream of HTTP/2 begins, with its request.
    pub(in crate::server) fn stream_began(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.waiting.store(IDLE, Ordering::Relaxed);
    }

    /// A stream has ended, which may be later than its request.
    pub(in crate::server) fn stream_ended(&self) {
        self.since
            .store(self.micros(Instant::now()), Ordering::Relaxed);
        self.busy.fetch_sub(1, Ordering::Release);
    }

    /// An answer may be on its way still, and its client sends as long as it reads. To close would
    /// be to reset, and to take the rest from it.
    pub(in crate::server) fn set_response_unsent(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// How many answers have been handed over, and not been taken as far as is known.
    pub(in crate::server) fn unsent(&self) -> u32 {
        if self.is_multiplexed() {
            // A stream lasts until all of its answer is on its way, its request until the last piece
            // has been handed over.
            let streams = self.busy.load(Ordering::Acquire);
            return streams.saturating_sub(self.requests.load(Ordering::Acquire));
        }
        self.is_sending().into()
    }

    /// Since when nobody has asked for anything, or said over HTTP/2 that it still reads.
    pub(in crate::server) fn quiet_since(&self) -> Instant {
        let since = self.since.load(Ordering::Relaxed);
        self.at(since.max(self.last_read.load(Ordering::Relaxed)))
    }
}
