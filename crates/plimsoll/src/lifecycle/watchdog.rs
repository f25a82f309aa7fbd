//! The watchdog thread: logs stuck workers, pings the service manager, and enforces the hard limit of
//! the shutdown.
//!
//! It needs no runtime, so it also runs while all workers are blocked.

use std::{io, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Heartbeats, WatchdogNotifier,
    heartbeats::{HEARTBEAT_INTERVAL, STUCK},
    shutdown_report::CUT_OFF_STATUS,
};
use crate::{
    config::Level,
    metrics::Registry,
    sync::{Condvar, Mutex, PoisonError, lock},
    telemetry::{Log, Priority},
};

/// The watchdog thread. Dropping the handle stops it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shared: Arc<WatchdogShared>,
}

#[derive(Debug, Default)]
struct WatchdogShared {
    state: Mutex<WatchdogState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct WatchdogState {
    is_stopped: bool,
    /// When the process is ended. Set when the shutdown begins.
    deadline: Option<Instant>,
}

impl Watchdog {
    /// Starts the thread. It calls `tick` every [`HEARTBEAT_INTERVAL`] or later, but not after the
    /// process was stopped.
    ///
    /// # Errors
    ///
    /// If the thread cannot be created. Without it the hard limit would not be enforced.
    pub(crate) fn start(
        heartbeats: Arc<Heartbeats>,
        notifier: Option<WatchdogNotifier>,
        registry: Arc<Registry>,
        log: Log,
        tick: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(WatchdogShared::default());
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(move || run(&watched, &heartbeats, notifier, &registry, &log, &tick))?;
        Ok(Self { shared })
    }

    /// Ends the process after `limit`, even if it hangs.
    pub(crate) fn end_within(&self, limit: Duration) {
        // A limit beyond the range of the clock is no limit.
        lock(&self.shared.state).deadline = Instant::now().checked_add(limit);
        self.shared.changed.notify_all();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        lock(&self.shared.state).is_stopped = true;
        self.shared.changed.notify_all();
    }
}

fn run(
    shared: &WatchdogShared,
    heartbeats: &Heartbeats,
    mut notifier: Option<WatchdogNotifier>,
    registry: &Registry,
    log: &Log,
    tick: &dyn Fn(),
) {
    let mut stuck: Vec<Option<Duration>> = heartbeats.ages().map(|_| None).collect();
    let mut ticked = Instant::now();
    loop {
        let pause = notifier.as_mut().map_or(HEARTBEAT_INTERVAL, |notifier| {
            notifier.ping_if_due(heartbeats)
        });
        let before = Instant::now();
        let state = lock(&shared.state);
        let (state, _) = shared
            .changed
            .wait_timeout_while(state, pause.min(HEARTBEAT_INTERVAL), |state| {
                !state.is_stopped
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.is_stopped {
            return;
        }
        if state
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            end_process();
        }
        drop(state);
        // After a SIGSTOP and SIGCONT all heartbeats are old, though no worker is stuck.
        if before.elapsed() >= HEARTBEAT_INTERVAL * 2 {
            ticked = Instant::now();
            continue;
        }
        report_stuck(heartbeats, &mut stuck, registry, log);
        // Pings to the service manager may wake this thread more often.
        if ticked.elapsed() >= HEARTBEAT_INTERVAL {
            ticked = Instant::now();
            tick();
        }
    }
}

/// Logs each worker once when it is stuck, and once when it has recovered.
///
/// `worker_stuck` has the id, the route and the age of the request that the worker polls.
fn report_stuck(
    heartbeats: &Heartbeats,
    stuck: &mut [Option<Duration>],
    registry: &Registry,
    log: &Log,
) {
    for (index, (age, stuck)) in heartbeats.ages().zip(stuck).enumerate() {
        let (level, message, lasted) = match *stuck {
            None if age > STUCK => (Level::Warning, "worker_stuck", age),
            Some(lasted) if age < STUCK => (Level::Info, "worker_recovered", lasted),
            Some(_) => {
                *stuck = Some(age);
                continue;
            }
            None => continue,
        };
        *stuck = (level == Level::Warning).then_some(age);
        if !log.is_enabled(level, "infra") {
            continue;
        }
        let request = match level {
            Level::Warning => heartbeats.polled(index),
            _ => None,
        };
        let id = request.as_ref().map_or("-", |request| &request.id);
        log.write(Priority::High, level, "infra", message, id, |record| {
            record.str("worker", &format!("worker-{index}"));
            record.number("silentMs", lasted.as_millis());
            if let Some(request) = &request {
                record.str("path", registry.http.pattern(request.route));
                record.number("requestAgeMs", request.age.as_millis());
            }
        });
    }
}

/// Ends the process as if its requests had been cut off.
///
/// There is no last log record, because the log may be what hangs.
#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the hard limit has passed, the time of the flush included"
)]
fn end_process() -> ! {
    std::process::exit(CUT_OFF_STATUS.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_beyond_clock_range_sets_no_deadline() {
        let watchdog = Watchdog {
            shared: Arc::default(),
        };
        watchdog.end_within(Duration::MAX);
        assert_eq!(lock(&watchdog.shared.state).deadline, None);
        watchdog.end_within(HEARTBEAT_INTERVAL);
        assert!(lock(&watchdog.shared.state).deadline.is_some());
    }
}
