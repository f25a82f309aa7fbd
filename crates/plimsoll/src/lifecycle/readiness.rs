//! Readiness: whether this instance accepts traffic.
//!
//! `/ready` (`edge/probes.rs`) reports this state, and never queries a dependency. Liveness (`/health`) is separate and
//! has no switch: an instance that is not ready must not be killed.

use std::sync::Arc;

use super::{Holder, Lifecycle, LifecycleState, holds::Holds};
use crate::{config::Level, telemetry::Log};

/// Switches readiness. Clones share one switch.
///
/// While it is off, `/ready` answers 503, so that a load balancer sends its requests to other
/// instances. All other requests are still served. Health checks and background workers hold
/// readiness independently of the switch. Shutdown overrides all of them.
#[derive(Debug, Clone)]
pub struct Readiness {
    lifecycle: Arc<Lifecycle>,
    log: Log,
}

impl Readiness {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>, log: Log) -> Self {
        Self { lifecycle, log }
    }

    /// Switches readiness on or off. If the readiness of the service changes, it is logged as
    /// `readiness_changed`, with the reason.
    ///
    /// If it is off at the end of set-up, the service starts as not ready, and the record follows
    /// `infra_app_ready`.
    pub fn set(&self, ready: bool, reason: &str) {
        if ready {
            self.release(Holder::Code, reason);
        } else {
            self.hold(Holder::Code, reason);
        }
    }

    /// Keeps the service not ready until [`Readiness::release`].
    pub(crate) fn hold(&self, holder: Holder, reason: &str) {
        let mut holds = self.lifecycle.lock_holds();
        holds.add(holder, reason);
        if self.lifecycle.apply_holds(&holds) {
            self.log_change(&mut holds, false, reason);
        }
    }

    /// Ends a hold. Without one, nothing changes.
    pub(crate) fn release(&self, holder: Holder, reason: &str) {
        let mut holds = self.lifecycle.lock_holds();
        holds.remove(holder);
        if self.lifecycle.apply_holds(&holds) {
            self.log_change(&mut holds, true, reason);
        }
    }

    /// Logs the reasons if the service has started as not ready.
    pub(crate) fn log_start(&self) {
        let mut holds = self.lifecycle.lock_holds();
        if self.lifecycle.state() == LifecycleState::NotReady && !holds.is_logged {
            let reasons = holds.reasons();
            self.log_change(&mut holds, false, &reasons);
        }
    }

    fn log_change(&self, holds: &mut Holds, ready: bool, reason: &str) {
        holds.is_logged = true;
        let level = if ready { Level::Info } else { Level::Warning };
        self.log.infra(level, "readiness_changed", |record| {
            record.bool("ready", ready);
            record.str("reason", reason);
        });
    }

    /// Whether `/ready` answers 200 now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lifecycle.state() == LifecycleState::Ready
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

    /// HLT-5, WRK-3
    #[test]
    fn holds_are_independent() {
        let levels = LogLevels::all(Level::Info);
        let output = Output::to(io::sink());
        let log = Log::start(output, LogFormat::Json, levels, 1).unwrap();
        let lifecycle = Arc::new(Lifecycle::new());
        let readiness = Readiness::new(Arc::clone(&lifecycle), log);
        let holders = [
            Holder::Check("db"),
            Holder::Worker("db"),
            Holder::Worker("x"),
        ];
        for holder in holders {
            readiness.hold(holder, "it holds");
        }
        readiness.set(false, "warming up");
        assert!(lifecycle.start() && !readiness.is_ready());
        let kinds = ["code", "operator", "checks", "workers"];
        let held = kinds.map(|kind| (kind, kind != "operator"));
        assert_eq!(lifecycle.held_by(), held);
        readiness.set(true, "warm");
        readiness.set(true, "warm");
        for holder in holders {
            assert!(!readiness.is_ready(), "{holder:?}");
            readiness.release(holder, "it holds no more");
        }
        assert!(readiness.is_ready());
        readiness.release(Holder::Check("db"), "again");
        assert!(readiness.is_ready());
    }

    /// HLT-11
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
                        readiness.hold(Holder::Worker(worker), "failed");
                        readiness.release(Holder::Worker(worker), "runs again");
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
            let is_return = index % 2 == 1;
            assert_eq!(change["ready"], is_return, "{index}: {change}");
            let level = if is_return { "INFO" } else { "WARNING" };
            assert_eq!(change["levelname"], level);
        }
    }
}
