//! Signals to the child, and the wait for its exit.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::PoisonError;
use std::time::Duration;

use super::{CLOSE_LIMIT, EXIT_LIMIT, ExitedProcess, Process};
use crate::signal::Signal;
use crate::wait::{eventually_within, now};

impl Process {
    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// If the process has exited.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        // The system can reuse the id of a process that was waited for.
        if let Some(status) = self.try_wait() {
            panic!("the process has exited ({status}); {}", self.describe());
        }
        let at = now();
        signal.send(self.pid);
        *self
            .signalled
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Sends SIGTERM and waits for the exit, 30 seconds at most.
    ///
    /// # Panics
    ///
    /// If the process has already exited, or is alive after 30 seconds.
    #[track_caller]
    pub fn terminate(&self) -> ExitedProcess {
        self.signal(Signal::Term);
        self.wait(EXIT_LIMIT)
    }

    /// Waits for the exit and for the remaining output.
    ///
    /// Resumes reading if it was paused.
    ///
    /// # Panics
    ///
    /// If the process is alive at the limit.
    #[track_caller]
    pub fn wait(&self, limit: Duration) -> ExitedProcess {
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
                "the process has exited, but another process holds its output open"
            );
        }
        ExitedProcess {
            code: status.code(),
            signal: status.signal(),
            took,
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    /// Returns whether the process is still running.
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
