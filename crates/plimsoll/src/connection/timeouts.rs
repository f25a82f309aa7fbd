//! The deadline of a connection, as a pure function of its activity.

use std::time::Duration;

use tokio::time::Instant;

/// The timeouts of a connection (contract SRV-1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionTimeouts {
    /// The time for a complete request head: `READ_TIMEOUT`.
    pub(crate) head: Duration,
    /// The time until the next request: `IDLE_TIMEOUT`.
    pub(crate) idle: Duration,
    /// The time in which the client accepts at least one byte of a response: `WRITE_TIMEOUT`.
    pub(crate) write: Duration,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// The rest of a head, or the first head.
    Head,
    /// The next request.
    Idle,
    /// Space in the send buffer: the client accepts no bytes of a response.
    Write,
}

/// What a connection does at one moment, as far as its deadline depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activity {
    /// When the client stopped accepting bytes, if there are bytes to send.
    pub(super) write_stalled_since: Option<Instant>,
    /// When the incomplete head of HTTP/2 began.
    pub(super) partial_head_since: Option<Instant>,
    /// What the connection reads, if no request is in progress.
    pub(super) reading: Option<Reading>,
}

/// What a connection reads between two requests, and when that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The next request, of which no byte has arrived.
    Idle(Instant),
    /// A head, or the first bytes of the connection.
    Head(Instant),
    /// The rest of a body that the handler left unread.
    UnreadBody(Instant),
}

impl Activity {
    /// Returns the deadline and its reason.
    ///
    /// A request in progress has its own timeouts. Then only a stalled write or an incomplete head of
    /// HTTP/2 has a deadline here.
    pub(crate) fn deadline(self, timeouts: ConnectionTimeouts) -> Option<(Instant, WaitReason)> {
        // A client that reads nothing is not expected to send anything.
        if let Some(since) = self.write_stalled_since {
            return Some((since + timeouts.write, WaitReason::Write));
        }
        if let Some(since) = self.partial_head_since {
            return Some((since + timeouts.head, WaitReason::Head));
        }
        Some(match self.reading? {
            Reading::Idle(since) => (since + timeouts.idle, WaitReason::Idle),
            Reading::Head(since) => (since + timeouts.head, WaitReason::Head),
            Reading::UnreadBody(since) => (since + timeouts.head, WaitReason::Idle),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts {
        head: Duration::from_secs(5),
        idle: Duration::from_secs(120),
        write: Duration::from_secs(30),
    };

    #[tokio::test(start_paused = true)]
    async fn stalled_write_precedes_head_and_idle() {
        let now = Instant::now();
        let none = Activity {
            write_stalled_since: None,
            partial_head_since: None,
            reading: None,
        };
        let reading = |reading| Activity {
            reading: Some(reading),
            ..none
        };
        let stalled = |activity| Activity {
            write_stalled_since: Some(now),
            ..activity
        };
        let partial = |activity| Activity {
            partial_head_since: Some(now),
            ..activity
        };
        let table = [
            (none, None),
            (reading(Reading::Idle(now)), Some((120, WaitReason::Idle))),
            (reading(Reading::Head(now)), Some((5, WaitReason::Head))),
            (
                reading(Reading::UnreadBody(now)),
                Some((5, WaitReason::Idle)),
            ),
            (partial(none), Some((5, WaitReason::Head))),
            (
                partial(reading(Reading::Idle(now))),
                Some((5, WaitReason::Head)),
            ),
            (stalled(none), Some((30, WaitReason::Write))),
            (stalled(partial(none)), Some((30, WaitReason::Write))),
            (
                stalled(reading(Reading::Head(now))),
                Some((30, WaitReason::Write)),
            ),
        ];
        for (activity, expected) in table {
            let expected = expected.map(|(secs, reason)| (now + Duration::from_secs(secs), reason));
            assert_eq!(activity.deadline(TIMEOUTS), expected, "{activity:?}");
        }
    }
}
