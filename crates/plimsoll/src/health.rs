//! Readiness: whether this instance wants traffic.
//!
//! `/ready` answers from here, and never asks a dependency. Liveness (`/health`) is another
//! question, and has no switch: an instance that does not want traffic must not be killed for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// The reason of a switch-off before the start; the start logs it. The lock is held from a change
    /// of the state until its record is written, so that records have the order of the changes.
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
        let mut pending = self.lock();
        let is_change = self.lifecycle.switch(ready);
        if is_change {
            self.log_change(ready, reason);
        }
        *pending = (!ready && !is_change).then(|| reason.to_owned());
    }

    /// Logs why the service has started without being ready.
    pub(crate) fn log_start(&self) {
        let mut pending = self.lock();
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
        let _pending = self.lock();
        if self.lifecycle.hold() {
            self.log_change(false, &format!("background worker {worker} has failed"));
        }
        ReadinessHold {
            readiness: self.clone(),
            worker,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        // A text is replaced as a whole: a panic leaves none that is half done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Drop for ReadinessHold {
    fn drop(&mut self) {
        let Self { readiness, worker } = self;
        let _pending = readiness.lock();
        if readiness.lifecycle.release() {
            readiness.log_change(true, &format!("background worker {worker} runs again"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Barrier, thread, time::Duration};

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
    fn each_change_by_a_hold_is_logged_once_and_in_order() {
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
