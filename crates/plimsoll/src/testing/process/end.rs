//! How the child is told to end, and how it has.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::PoisonError;
use std::time::Duration;

use super::super::wait::{eventually_within, now};
use super::{CLOSE_LIMIT, END_LIMIT, Ended, Process, Signal};

impl Process {
    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// When the process has ended.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        // A process that has ended and was waited for may have lent its id to another one.
        if let Some(status) = self.try_wait() {
            panic!("the process has ended ({status}); {}", self.describe());
        }
        let at = now();
        signal.send(self.pid);
        *self
            .signalled
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Sends SIGTERM and waits for the end, 30 seconds at most.
    ///
    /// # Panics
    ///
    /// When the process has ended already, or does not end.
    #[track_caller]
    pub fn terminate(&self) -> Ended {
        self.signal(Signal::Term);
        self.wait(END_LIMIT)
    }

    /// Waits for the end, and for the rest of the output.
    ///
    /// Reading goes on if it was paused.
    ///
    /// # Panics
    ///
    /// When the process is alive at the limit.
    #[track_caller]
    pub fn wait(&self, limit: Duration) -> Ended {
        let Some(status) = eventually_within(limit, || self.try_wait()) else {
            panic!("still alive after {limit:?}; {}", self.describe());
        };
        let signalled = *self
            .signalled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let took = signalled.unwrap_or(self.started).elapsed();
        self.resume_reading();
        for pipe in [&self.stdout, &self.stderr] {
            assert!(
                pipe.wait_until_closed(CLOSE_LIMIT),
                "the process has ended, but somebody holds its output"
            );
        }
        Ended {
            code: status.code(),
            signal: status.signal(),
            took,
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    /// Whether the process has not ended yet.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.try_wait().is_none()
    }

    pub(super) fn try_wait(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child
            .try_wait()
            .expect("a child of this process can be waited for")
    }
}
