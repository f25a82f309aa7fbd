//! The report of a shutdown: the last log record and the exit status.

use std::time::Duration;

use crate::telemetry::{Record, Totals};

/// The exit status of a process that cut off a request, a background worker or a hook.
pub(super) const CUT_OFF_STATUS: u8 = 3;

/// Reports how a service was shut down (contract LIFE-6).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The reason of the shutdown: `SIGTERM`, `SIGINT`, `SIGQUIT`, `requested` or `operator`.
    pub reason: &'static str,
    /// Requests that ended during the shutdown within the time limit: answered, or abandoned by their
    /// client. Probes are not counted.
    pub requests_finished: u64,
    /// Requests that had not ended within the time limit.
    pub requests_cut_off: u64,
    /// Background workers that ended by themselves during the shutdown.
    pub workers_finished: u64,
    /// Background workers that had not ended when the drain timed out.
    pub workers_cut_off: u64,
    /// Hooks that had not ended within their limit.
    pub hooks_cut_off: u64,
    /// The time of the lame duck: connections were accepted, and `/ready` answered 503.
    pub lame_duck: Duration,
    /// The time that the drain waited for requests in flight.
    pub drain: Duration,
    /// The time that the hooks took.
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

    /// Returns the exit status: 0, or 3 if a request, a background worker or a hook was cut off.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        if self.requests_cut_off + self.workers_cut_off + self.hooks_cut_off == 0 {
            0
        } else {
            CUT_OFF_STATUS
        }
    }

    /// Writes the fields of the last log record.
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
