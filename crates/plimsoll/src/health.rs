//! Readiness: whether this instance wants traffic.
//!
//! `/ready` answers from here, and never asks a dependency. Liveness (`/health`) is another
//! question, and has no switch: an instance that does not want traffic must not be killed for it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    config::Level,
    lifecycle::{Lifecycle, LifecycleState},
    telemetry::Log,
};

/// The switch of readiness. Clones are the same switch.
///
/// While it is off, `/ready` answers 503 and everything else is served as before: a balancer that
/// asks `/ready` sends its requests elsewhere. Shutdown overrides the switch.
#[derive(Debug, Clone)]
pub struct Readiness {
    lifecycle: Arc<Lifecycle>,
    log: Log,
    /// Why it was switched off before the start, which logs it. Held while the switch is set, so
    /// that reason and state belong together.
    pending: Arc<Mutex<Option<String>>>,
}

impl Readiness {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>, log: Log) -> Self {
        Self {
            lifecycle,
            log,
            pending: Arc::default(),
        }
    }

    /// Switches readiness on or off. A change is logged as `readiness_changed`, with the reason.
    ///
    /// Called during set-up, it decides how the service starts: if it is off at the end of set-up,
    /// the record follows `infra_app_ready`.
    pub fn set(&self, ready: bool, reason: &str) {
        // A text is replaced as a whole: a panic leaves none that is half done.
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let is_change = self.lifecycle.switch(ready);
        if is_change {
            self.log_change(ready, reason);
        }
        *pending = (!ready && !is_change).then(|| reason.to_owned());
    }

    /// Logs why the service has started without being ready.
    pub(crate) fn log_start(&self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = pending.take()
            && self.lifecycle.state() == LifecycleState::NotReady
        {
            self.log_change(false, &reason);
        }
    }

    fn log_change(&self, ready: bool, reason: &str) {
        self.log.infra(Level::Info, "readiness_changed", |record| {
            record.bool("ready", ready);
            record.str("reason", reason);
        });
    }

    /// Holds readiness back for a background worker that has failed, until the guard is dropped.
    pub(crate) fn hold(&self, worker: &'static str) -> ReadinessHold {
        let hold = ReadinessHold {
            readiness: self.clone(),
            worker,
        };
        if self.lifecycle.hold() {
            hold.log(false, "has failed");
        }
        hold
    }

    /// Whether the instance wants traffic now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lifecycle.state() == LifecycleState::Ready
    }
}

/// Readiness is held back for a background worker. See [`Readiness::hold`].
#[derive(Debug)]
pub(crate) struct ReadinessHold {
    readiness: Readiness,
    worker: &'static str,
}

impl ReadinessHold {
    fn log(&self, ready: bool, what: &str) {
        let log = &self.readiness.log;
        log.infra(Level::Info, "readiness_changed", |record| {
            record.bool("ready", ready);
            let reason = format!("background worker {} {what}", self.worker);
            record.str("reason", &reason);
        });
    }
}

impl Drop for ReadinessHold {
    fn drop(&mut self) {
        if self.readiness.lifecycle.release() {
            self.log(true, "runs again");
        }
    }
}
