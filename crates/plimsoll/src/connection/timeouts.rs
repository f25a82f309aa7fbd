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

/// What a connection does, as far as its deadline depends on it, and when that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// It sends, and the client accepts no bytes. A request may be in progress.
    WriteStalled(Instant),
    /// It reads the rest of a head of HTTP/2. Other requests may be in progress.
    PartialHead(Instant),
    /// It waits for the next request, of which no byte has arrived.
    Idle(Instant),
    /// It reads a head, or waits for the first bytes of the connection.
    Head(Instant),
    /// It discards the rest of a body that the handler left unread.
    UnreadBody(Instant),
}

impl Activity {
    /// Returns the deadline and its reason.
    pub(super) fn deadline(self, timeouts: ConnectionTimeouts) -> (Instant, WaitReason) {
        match self {
            Self::WriteStalled(since) => (since + timeouts.write, WaitReason::Write),
            Self::PartialHead(since) | Self::Head(since) => {
                (since + timeouts.head, WaitReason::Head)
            }
            Self::Idle(since) => (since + timeouts.idle, WaitReason::Idle),
            Self::UnreadBody(since) => (since + timeouts.head, WaitReason::Idle),
        }
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

    #[test]
    fn each_activity_has_its_timeout_and_reason() {
        let now = Instant::now();
        let table = [
            (Activity::WriteStalled(now), 30, WaitReason::Write),
            (Activity::PartialHead(now), 5, WaitReason::Head),
            (Activity::Idle(now), 120, WaitReason::Idle),
            (Activity::Head(now), 5, WaitReason::Head),
            (Activity::UnreadBody(now), 5, WaitReason::Idle),
        ];
        for (activity, secs, reason) in table {
            let expected = (now + Duration::from_secs(secs), reason);
            assert_eq!(activity.deadline(TIMEOUTS), expected, "{activity:?}");
        }
    }
}
