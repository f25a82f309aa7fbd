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

    /// Whether the instance wants traffic now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lifecycle.state() == State::Ready
    }
}
