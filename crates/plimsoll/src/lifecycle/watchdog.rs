//! A thread that needs no runtime: it says which worker is stuck, tells the service manager that the
//! process lives, and ends a process that does not end by itself.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Heartbeats, WatchdogNotifier, heartbeats::STUCK};
use crate::{
    config::Level,
    metrics::Registry,
    telemetry::{Log, Priority},
};

/// The longest pause between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The status of a process that had to be ended, as if its requests had been cut off. It has no last
/// record then: whoever writes that may be what hangs.
const EXIT_STATUS: i32 = 3;

/// The thread's handle. Dropping it ends the thread.
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
    over: bool,
    deadline: Option<Instant>,
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread. Nothing would hold the limit of the end then.
    pub(crate) fn start(
        pulse: Arc<Heartbeats>,
        signs: Option<WatchdogNotifier>,
        registry: Arc<Registry>,
        log: Log,
    ) -> io::Result<Self> {
        let shared = Arc::new(WatchdogShared::default());
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(move || run(&watched, &pulse, signs, &registry, &log))?;
        Ok(Self { shared })
    }

    /// Ends the process, whatever it does, when this much time has passed.
    pub(crate) fn end_within(&self, limit: Duration) {
        // A limit beyond the clock's range is none.
        lock(&self.shared).deadline = Instant::now().checked_add(limit);
        self.shared.changed.notify_all();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        lock(&self.shared).over = true;
        self.shared.changed.notify_all();
    }
}

fn run(
    shared: &WatchdogShared,
    pulse: &Heartbeats,
    mut signs: Option<WatchdogNotifier>,
    registry: &Registry,
    log: &Log,
) {
    let mut stuck: Vec<Option<Duration>> = pulse.ages().map(|_| None).collect();
    loop {
        let pause = signs
            .as_mut()
            .map_or(POLL_INTERVAL, |signs| signs.ping_if_due(pulse));
        let before = Instant::now();
        let state = lock(shared);
        let (state, _) = shared
            .changed
            .wait_timeout_while(state, pause.min(POLL_INTERVAL), |state| !state.over)
            .unwrap_or_else(PoisonError::into_inner);
        if state.over {
            return;
        }
        if state
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            end_process();
        }
        drop(state);
        // A process that was stopped and goes on finds everybody silent, itself included.
        if before.elapsed() < POLL_INTERVAL * 2 {
            report(pulse, &mut stuck, registry, log);
        }
    }
}

/// Records of each worker once that it is stuck, and once that it goes on.
///
/// The first of these records has the id and the route of the request that the worker polls.
fn report(pulse: &Heartbeats, stuck: &mut [Option<Duration>], registry: &Registry, log: &Log) {
    for (index, (silence, stuck)) in pulse.ages().zip(stuck).enumerate() {
        let (level, message, lasted) = match *stuck {
            None if silence > STUCK => (Level::Warning, "worker_stuck", silence),
            Some(lasted) if silence < STUCK => (Level::Info, "worker_recovered", lasted),
            Some(_) => {
                *stuck = Some(silence);
                continue;
            }
            None => continue,
        };
        *stuck = (level == Level::Warning).then_some(silence);
        if !log.is_enabled(level, "infra") {
            continue;
        }
        let request = match level {
            Level::Warning => pulse.polled(index),
            _ => None,
        };
        let id = request.as_ref().map_or("-", |request| &request.id);
        log.write(Priority::High, level, "infra", message, id, |record| {
            record.str("worker", &format!("worker-{index}"));
            record.number("silentMs", lasted.as_millis());
            if let Some(request) = &request {
                record.str("path", registry.http.pattern(request.route));
            }
        });
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the flush has had its time, and more"
)]
fn end_process() -> ! {
    std::process::exit(EXIT_STATUS)
}

fn lock(shared: &WatchdogShared) -> MutexGuard<'_, WatchdogState> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_beyond_the_clock_is_no_deadline() {
        let watchdog = Watchdog {
            shared: Arc::default(),
        };
        watchdog.end_within(Duration::MAX);
        assert_eq!(lock(&watchdog.shared).deadline, None);
        watchdog.end_within(POLL_INTERVAL);
        assert!(lock(&watchdog.shared).deadline.is_some());
    }
}
