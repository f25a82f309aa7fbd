//! Timers that tolerate a pause of the process, by SIGSTOP, a debugger or its hypervisor.
//!
//! When the process continues, deadlines have passed, and data that arrived meanwhile is still in the
//! sockets. So a timer that fires late is extended once, and the data is read first.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, error::Elapsed, timeout_at};

/// The minimum delay of a timer that counts as a pause. A busy worker is late by less.
const LATE: Duration = Duration::from_millis(250);

/// The maximum extension. It suffices to read the data that had arrived.
const EXTENSION: Duration = Duration::from_secs(1);

/// Returns the extension of a deadline that has been missed by [`LATE`] or more.
pub(crate) fn extension(deadline: Instant) -> Option<Duration> {
    let late = Instant::now().saturating_duration_since(deadline);
    (late >= LATE).then(|| late.min(EXTENSION))
}

/// Polls a timer, and extends it once if it fires late.
///
/// `is_final` is false until the timer has fired for the first time.
pub(crate) fn poll_timer(
    mut timer: Pin<&mut Sleep>,
    is_final: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<()> {
    ready!(timer.as_mut().poll(cx));
    if !std::mem::replace(is_final, true)
        && let Some(extension) = extension(timer.deadline())
    {
        timer.as_mut().reset(Instant::now() + extension);
        return timer.poll(cx);
    }
    Poll::Ready(())
}

/// Runs `work` for at most `limit`, plus the extension if the deadline is noticed late.
///
/// # Errors
///
/// If `work` has not completed by then. It is dropped.
pub(crate) async fn timeout<F: Future>(limit: Duration, work: F) -> Result<F::Output, Elapsed> {
    let deadline = Instant::now() + limit;
    let mut work = pin!(work);
    match timeout_at(deadline, work.as_mut()).await {
        Err(elapsed) => match extension(deadline) {
            Some(extension) => timeout_at(Instant::now() + extension, work).await,
            None => Err(elapsed),
        },
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use tokio::time::{advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// SRV-1
    #[tokio::test(start_paused = true)]
    async fn late_timer_is_extended_once() {
        for (pause, extended) in [(LIMIT, 0), (LIMIT * 2, 1000), (LIMIT + LATE, 250)] {
            let began = Instant::now();
            let mut timer = pin!(sleep(LIMIT));
            let mut is_final = false;
            advance(pause).await;
            poll_fn(|cx| poll_timer(timer.as_mut(), &mut is_final, cx)).await;
            assert_eq!(began.elapsed(), pause + Duration::from_millis(extended));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_without_a_pause_is_not_extended() {
        let began = Instant::now();
        assert!(timeout(LIMIT, pending::<()>()).await.is_err());
        assert_eq!(began.elapsed(), LIMIT);
    }
}
