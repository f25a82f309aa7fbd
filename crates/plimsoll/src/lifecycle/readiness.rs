//! Readiness: whether this instance accepts traffic.
//!
//! `/ready` (`edge/probes.rs`) reports this state, and never queries a dependency. Liveness (`/health`) is separate and
//! has no switch: an instance that is not ready must not be killed.

use std::sync::Arc;

use super::{Lifecycle, LifecycleState};
use crate::{
    config::Level,
    sync::{Mutex, lock},
    telemetry::Log,
};

/// Switches readiness. Clones share one switch.
///
/// While it is off, `/ready` answers 503, so that a load balancer sends its requests to other
/// instances. All other requests are still served. Shutdown overrides the switch.
#[derive(Debug, Clone)]
pub struct Readiness {
    lifecycle: Arc<Lifecycle>,
    log: Log,
    /// The reason of a switch-off during set-up. The start logs it.
    ///
    /// The lock is held from a state change until its record is written. The records thus have the
    /// order of the changes.
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
    /// If it is off at the end of set-up, the service starts as not ready, and the record follows
    /// `infra_app_ready`.
    pub fn set(&self, ready: bool, reason: &str) {
        let mut pending = lock(&self.pending);
        let is_change = self.lifecycle.switch(ready);
        if is_change {
            self.log_change(ready, reason);
        }
        *pending = (!ready && !is_change).then(|| reason.to_owned());
    }

    /// Logs the reason if the service has started as not ready.
    pub(crate) fn log_start(&self) {
        let mut pending = lock(&self.pending);
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

    /// Keeps the service not ready for a failed background worker, until the guard is dropped.
    pub(crate) fn hold(&self, worker: &'static str) -> ReadinessHold {
        let _pending = lock(&self.pending);
        if self.lifecycle.hold() {
            self.log_change(false, &format!("background worker {worker} has failed"));
        }
        ReadinessHold {
            readiness: self.clone(),
            worker,
        }
    }

    /// Whether `/ready` answers 200 now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lifecycle.state() == LifecycleState::Ready
    }
}

/// Keeps the service not ready. See [`Readiness::hold`].
#[derive(Debug)]
pub(crate) struct ReadinessHold {
    readiness: Readiness,
    worker: &'static str,
}

impl Drop for ReadinessHold {
    fn drop(&mut self) {
        let Self { readiness, worker } = self;
        let _pending = lock(&readiness.pending);
        if readiness.lifecycle.release() {
            readiness.log_change(true, &format!("background worker {worker} runs again"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Barrier, Mutex},
        thread,
        time::Duration,
    };

    use serde_json::Value;

    use super::*;
    use crate::{
        config::{LogFormat, LogLevels},
        telemetry::Output,
    };

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn readiness_changes_are_logged_once_and_in_order() {
        let captured = Captured::default();
        let levels = LogLevels::all(Level::Info);
        let output = Output::to(captured.clone());
        let log = Log::start(output, LogFormat::Json, levels, 1).unwrap();
        let lifecycle = Arc::new(Lifecycle::new());
        lifecycle.start();
        let readiness = Readiness::new(lifecycle, log.clone());
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            for worker in ["one", "two"] {
                let (readiness, barrier) = (&readiness, &barrier);
                scope.spawn(move || {
                    for _ in 0..1000 {
                        barrier.wait();
                        drop(readiness.hold(worker));
                    }
                });
            }
        });
        assert!(readiness.is_ready());
        assert!(log.finish(Duration::from_secs(10), Level::Info, "end", |_, _| {}));
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let changes: Vec<Value> = records
            .filter(|record: &Value| record["message"] == "readiness_changed")
            .collect();
        assert!(!changes.is_empty() && changes.len().is_multiple_of(2));
        for (index, change) in changes.iter().enumerate() {
            assert_eq!(change["ready"], index % 2 == 1, "{index}: {change}");
        }
    }
}
