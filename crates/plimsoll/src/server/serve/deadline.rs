//! The time and the reason of a close, as a pure function of the timeouts and the drain.

use tokio::time::Instant;

use crate::connection::WaitReason;

/// The reason for which a connection closes at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The client exceeded the timeout of this wait.
    Timeout(WaitReason),
    /// The connection is idle in the drain, or after its eviction.
    Drain,
}

/// The time at which a connection closes unless its activity changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) reason: CloseReason,
}

impl Deadline {
    /// Returns the earlier of the current timeout and the close of an idle connection in the drain.
    ///
    /// `drain` is `Some` if the connection is idle and the drain has begun. A response that is being
    /// sent keeps its `WRITE_TIMEOUT` in the drain.
    pub(super) fn new(timeout: (Instant, WaitReason), drain: Option<Instant>) -> Self {
        let (at, wait) = timeout;
        match drain {
            Some(drain) if wait != WaitReason::Write && drain < at => Self {
                at: drain,
                reason: CloseReason::Drain,
            },
            _ => Self {
                at,
                reason: CloseReason::Timeout(wait),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drain_shortens_every_wait_except_write() {
        let at = |secs| Instant::now() + Duration::from_secs(secs);
        let timeout = CloseReason::Timeout;
        let table = [
            ((5, WaitReason::Head), None, (5, timeout(WaitReason::Head))),
            ((5, WaitReason::Head), Some(2), (2, CloseReason::Drain)),
            (
                (5, WaitReason::Head),
                Some(5),
                (5, timeout(WaitReason::Head)),
            ),
            ((120, WaitReason::Idle), Some(2), (2, CloseReason::Drain)),
            (
                (1, WaitReason::Idle),
                Some(2),
                (1, timeout(WaitReason::Idle)),
            ),
            (
                (30, WaitReason::Write),
                Some(2),
                (30, timeout(WaitReason::Write)),
            ),
        ];
        for ((secs, wait), drain, (expected, reason)) in table {
            let deadline = Deadline::new((at(secs), wait), drain.map(at));
            assert_eq!((deadline.at, deadline.reason), (at(expected), reason));
        }
    }
}
