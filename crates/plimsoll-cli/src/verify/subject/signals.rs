//! Signals to the service, its end, and its restart.

use std::time::Duration;

use rustix::process::Signal;

use super::Subject;
use crate::{
    target::Start,
    verify::evidence::{Shutdown, Signalled},
};

/// The longest wait until all threads of a service are stopped.
const FREEZE_LIMIT: Duration = Duration::from_millis(500);

impl Subject<'_> {
    /// Sends SIGTERM to the service. Returns the time just before.
    pub(in crate::verify) fn terminate(&mut self) -> Duration {
        let signal = self.wire.elapsed();
        if let Some(process) = &self.process {
            process.signal(Signal::TERM);
        }
        let shutdown = Shutdown { signal, end: None };
        self.evidence.shutdown = Some(shutdown);
        signal
    }

    /// Stops all processes of the service, and waits until they are stopped.
    pub(in crate::verify) async fn freeze(&self) {
        if let Some(process) = &self.process {
            process.freeze(FREEZE_LIMIT).await;
        }
    }

    /// Continues all processes of the service.
    pub(in crate::verify) fn thaw(&self) {
        if let Some(process) = &self.process {
            process.thaw();
        }
    }

    /// Sends a signal, and waits for the end of the service.
    pub(in crate::verify) async fn signal(
        &mut self,
        name: &'static str,
        signal: Signal,
        limit: Duration,
    ) {
        let at = self.wire.elapsed();
        let Some(process) = &mut self.process else {
            return;
        };
        process.signal(signal);
        let end = process.wait_for_end(limit).await;
        self.evidence.signals.push(Signalled { name, at, end });
    }

    /// Whether the last signal has ended the service.
    pub(in crate::verify) fn has_ended(&self) -> bool {
        let last = self.evidence.signals.last();
        last.is_some_and(|signal| signal.end.is_some())
    }

    /// Kills the service, starts it again, and returns at once.
    pub(in crate::verify) async fn restart(&mut self) {
        if let Some(process) = &mut self.process {
            // Without a start, later requests are refused, and the checks report that.
            let _ = process.restart().await;
        }
    }

    /// Kills the service, starts it again, and waits until it is ready.
    pub(in crate::verify) async fn restart_ready(&mut self) -> Option<Start> {
        self.restart().await;
        match &mut self.process {
            Some(process) => Some(process.wait_for_start().await),
            None => None,
        }
    }

    /// Notes the start after a kill.
    pub(in crate::verify) fn note_restart(&mut self, start: Option<Start>) {
        self.evidence.restart = start;
    }

    /// Waits for a notification. Most services send none.
    pub(in crate::verify) async fn wait_for_notification(&self, limit: Duration) {
        if let Some(process) = &self.process {
            process.wait_for_notification(limit).await;
        }
    }

    /// Notes the notifications so far.
    pub(in crate::verify) fn note_notifications(&mut self) {
        if let Some(process) = &self.process {
            self.evidence.notifications = process.notifications();
        }
    }

    /// Waits for the end of the service.
    pub(in crate::verify) async fn wait_for_end(&mut self, limit: Duration) {
        if let (Some(process), Some(shutdown)) = (&mut self.process, &mut self.evidence.shutdown) {
            shutdown.end = process.wait_for_end(limit).await;
        }
    }
}
