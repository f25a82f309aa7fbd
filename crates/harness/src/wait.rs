//! Polling with a deadline instead of fixed sleeps.
//!
//! Most events that a test waits for are observable as they happen: a log line, a response.
//! Other conditions can only be polled: a refused port, a gauge back at 0, an exited child.
//! [`eventually`] is the only place that polls.
//!
//! A child process runs in real time, so these functions use the monotonic clock of the system.
//! A paused tokio clock does not affect them.

use std::thread;
use std::time::{Duration, Instant};

/// Deadline of [`eventually`].
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

/// Pause between two polls: short against every asserted duration, long against the cost of a
/// poll.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Polls until the probe returns a value, for ten seconds at most.
///
/// `what` completes the sentence "timed out waiting until …".
///
/// # Panics
///
/// If the probe has returned no value by then.
///
/// # Examples
///
/// ```
/// let mut remaining = 3;
/// let result = harness::eventually("the counter is 0", || {
///     remaining -= 1;
///     (remaining == 0).then_some("done")
/// });
/// assert_eq!(result, "done");
/// ```
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    match eventually_within(DEFAULT_LIMIT, probe) {
        Some(value) => value,
        None => panic!("timed out waiting until {what}"),
    }
}

/// Polls until the probe returns a value or `limit` has passed.
///
/// The probe is called at least once, and once more after the limit.
/// So a machine that stalls between two polls does not decide the result.
pub fn eventually_within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = now();
    loop {
        let is_last = start.elapsed() >= limit;
        if let Some(value) = probe() {
            return Some(value);
        }
        if is_last {
            return None;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Runs a function and returns its result with the time it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let result = work();
    (result, start.elapsed())
}

/// Returns the time of the system's monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a child process runs in real time, which a paused clock must not stop"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_with_a_value_is_called_once() {
        let mut calls = 0;
        let value = eventually_within(Duration::ZERO, || {
            calls += 1;
            Some(calls)
        });
        assert_eq!((value, calls), (Some(1), 1));
    }

    #[test]
    fn probe_without_a_value_times_out_at_the_limit() {
        let limit = Duration::from_millis(20);
        let (value, took) = timed(|| eventually_within(limit, || None::<()>));
        assert_eq!(value, None);
        assert!(took >= limit, "{took:?}");
    }

    #[test]
    fn timed_measures_the_work() {
        let (value, took) = timed(|| {
            thread::sleep(Duration::from_millis(10));
            7
        });
        assert_eq!(value, 7);
        assert!(took >= Duration::from_millis(10), "{took:?}");
    }
}
