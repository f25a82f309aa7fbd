//! Waiting for the world outside the test, with a deadline instead of a guess.
//!
//! Most of what a test waits for announces itself: a line of the log, an answer on a connection.
//! The rest (a port that refuses by now, a gauge that is back at 0, a child that has ended) can
//! only be asked again. [`eventually`] is the one place where that is done.
//!
//! A child process lives in real time, so these helpers use the machine's clock.
//! A paused tokio clock neither stops nor hastens them.

use std::thread;
use std::time::{Duration, Instant};

/// How long [`eventually`] goes on asking.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two questions: short against every duration a test asserts, long against the
/// cost of asking.
const PAUSE: Duration = Duration::from_millis(2);

/// Asks again and again until the probe gives an answer, for ten seconds at most.
///
/// `what` completes the sentence "waited in vain until …".
///
/// # Panics
///
/// When the probe has given nothing by then.
///
/// # Examples
///
/// ```
/// let mut left = 3;
/// let answer = plimsoll::testing::eventually("the counter is down to 0", || {
///     left -= 1;
///     (left == 0).then_some("done")
/// });
/// assert_eq!(answer, "done");
/// ```
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    match eventually_within(PATIENCE, probe) {
        Some(answer) => answer,
        None => panic!("waited in vain until {what}"),
    }
}

/// Asks again and again until the probe gives an answer or `limit` has passed.
///
/// The probe is asked at least once, and once more after the limit, so that a machine that stood
/// still between two questions does not decide the outcome.
pub fn eventually_within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = now();
    loop {
        let late = start.elapsed() >= limit;
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if late {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// Runs something and tells how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let result = work();
    (result, start.elapsed())
}

/// The machine's monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a child process runs in real time, which a paused clock must not stop"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_answers_at_once_is_asked_once() {
        let mut asked = 0;
        let answer = eventually_within(Duration::ZERO, || {
            asked += 1;
            Some(asked)
        });
        assert_eq!((answer, asked), (Some(1), 1));
    }

    #[test]
    fn a_probe_that_never_answers_is_given_up_at_the_limit() {
        let limit = Duration::from_millis(20);
        let (answer, took) = timed(|| eventually_within(limit, || None::<()>));
        assert_eq!(answer, None);
        assert!(took >= limit, "{took:?}");
    }

    #[test]
    fn the_time_of_the_work_is_told() {
        let (answer, took) = timed(|| {
            thread::sleep(Duration::from_millis(10));
            7
        });
        assert_eq!(answer, 7);
        assert!(took >= Duration::from_millis(10), "{took:?}");
    }
}
