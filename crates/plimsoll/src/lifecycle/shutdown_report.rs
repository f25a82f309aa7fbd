//! How a stop went: the last record, and the exit status.

use std::time::Duration;

use crate::telemetry::{Record, Totals};

/// How a service ended (contract LIFE-6).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// What ended it: `SIGTERM`, `SIGINT`, `SIGQUIT` or `requested`.
    pub reason: &'static str,
    /// Requests that ended after the stop had begun and before their time was over, be it that they
    /// were answered or that their clients went away; probes left out.
    pub requests_finished: u64,
    /// Requests that had not ended when their time was over.
    pub requests_cut_off: u64,
    /// Background workers that ended by themselves after the stop had begun.
    pub workers_finished: u64,
    /// Background workers that had not ended when the drain's time was over.
    pub workers_cut_off: u64,
    /// Hooks that had not ended when their time was over.
    pub hooks_cut_off: u64,
    /// How long it went on accepting while not ready.
    pub lame_duck: Duration,
    /// How long it waited for requests in flight.
    pub drain: Duration,
    /// How long the hooks took.
    pub hooks: Duration,
}

impl ShutdownReport {
    pub(crate) fn new(reason: &'static str) -> Self {
        Self {
            reason,
            requests_finished: 0,
            requests_cut_off: 0,
            workers_finished: 0,
            workers_cut_off: 0,
            hooks_cut_off: 0,
            lame_duck: Duration::ZERO,
            drain: Duration::ZERO,
            hooks: Duration::ZERO,
        }
    }

    /// The exit status: 0, or 3 if a request, a background worker or a hook had to be cut off.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        if self.requests_cut_off + self.workers_cut_off + self.hooks_cut_off == 0 {
            0
        } else {
            3
        }
    }

    /// Writes the fields of the last record.
    pub(crate) fn write(&self, record: &mut Record<'_>, totals: Totals) {
        record.str("reason", self.reason);
        record.number("exitStatus", self.exit_status());
        record.number("requestsFinished", self.requests_finished);
        record.number("requestsCutOff", self.requests_cut_off);
        record.number("workersFinished", self.workers_finished);
        record.number("workersCutOff", self.workers_cut_off);
        record.number("hooksCutOff", self.hooks_cut_off);
        record.number("lameDuckMs", self.lame_duck.as_millis());
        record.number("drainMs", self.drain.as_millis());
        record.number("hooksMs", self.hooks.as_millis());
        record.number("logRecordsDropped", totals.dropped);
    }
}
