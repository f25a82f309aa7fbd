//! Readiness: whether this instance wants traffic.
//!
//! `/ready` answers from here, and never asks a dependency. Liveness (`/health`) is another
//! question, and has no switch: an instance that does not want traffic must not be killed for it.

use std::sync::Arc;

use crate::{
    config::Level,
    lifecycle::{Lifecycle, State},
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
}

impl Readiness {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>, log: Log) -> Self {
        Self { lifecycle, log }
    }

    /// Switches readiness on or off. A change is logged as `readiness_changed`, with the reason.
    pub fn set(&self, ready: bool, reason: &str) {
        if self.lifecycle.switch(ready) {
            self.log.infra(Level::Info, "readiness_changed", |record| {
                record.bool("ready", ready);
                record.str("reason", reason);
            });
        }
    }

    /// Holds readiness back for a background worker that has failed, until the guard is dropped.
    pub(crate) fn hold(&self, worker: &'static str) -> Hold {
        let hold = Hold {
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
        self.lifecycle.state() == State::Ready
    }
}

/// Readiness is held back for a background worker. See [`Readiness::hold`].
#[derive(Debug)]
pub(crate) struct Hold {
    readiness: Readiness,
    worker: &'static str,
}

impl Hold {
    fn log(&self, ready: bool, what: &str) {
        let log = &self.readiness.log;
        log.infra(Level::Info, "readiness_changed", |record| {
            record.bool("ready", ready);
            let reason = format!("background worker {} {what}", self.worker);
            record.str("reason", &reason);
        });
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.readiness.lifecycle.release() {
            self.log(true, "runs again");
        }
    }
}
