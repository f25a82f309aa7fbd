//! The result of a start, and the end of a process.

use std::{fmt, time::Duration};

/// The result of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// The service answers. The time is that since the start of the process.
    Ready(Duration),
    /// The main process has ended.
    Ended(Ended),
    /// The service does not answer on its port. The group listens on these ports.
    Silent { listens_on: Vec<u16> },
}

/// The end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The exit status, or `None` if a signal ended the process.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// The time since the first start of the process.
    pub(crate) at: Duration,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(after) => write!(f, "an answer after {} ms", after.as_millis()),
            Self::Ended(end) => write!(f, "{end} after {} ms", end.at.as_millis()),
            Self::Silent { listens_on } if listens_on.is_empty() => {
                f.write_str("no answer, and no process of the service listens on a TCP port")
            }
            Self::Silent { listens_on } => {
                let ports: Vec<String> = listens_on.iter().map(u16::to_string).collect();
                write!(f, "no answer; the service listens on {}", ports.join(", "))
            }
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "the process ended with status {code}"),
            (None, Some(signal)) => write!(f, "signal {signal} ended the process"),
            (None, None) => f.write_str("the process ended"),
        }
    }
}
