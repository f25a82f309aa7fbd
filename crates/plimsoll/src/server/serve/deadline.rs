//! When a connection closes and why, as pure functions of its timeouts and the drain.

use tokio::time::Instant;

use crate::connection::WaitReason;

/// Why a connection closes at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The client was waited for too long.
    Timeout(WaitReason),
    /// The drain, or an eviction, closes a connection that is idle.
    Drain,
}

/// The moment at which a connection closes, unless something happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) reason: CloseReason,
}

impl Deadline {
    /// `timeout` is that of the present wait. `drain` is when an idle connection closes for the drain,
    /// if the connection is idle and the drain has begun.
    ///
    /// A response that is being sent has `WRITE_TIMEOUT` in the drain, too.
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
    async fn drain_closes_earlier_but_never_during_a_write() {
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
