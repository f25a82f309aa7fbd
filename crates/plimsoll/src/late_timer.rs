//! Deadlines of a process that was stopped, by SIGSTOP, a debugger or its hypervisor.
//!
//! When it goes on, deadlines have passed, and what arrived meanwhile is still in the sockets. A
//! deadline that is noticed late is therefore extended once, so that this is read first.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, error::Elapsed, timeout_at};

/// How late a running process may notice a deadline; a worker that is busy is late by less.
const LATE: Duration = Duration::from_millis(250);

/// The longest extension. All that had arrived is read within it.
const EXTENSION: Duration = Duration::from_secs(1);

/// How much longer a deadline lasts, if it is noticed only now and too late.
pub(crate) fn extension(deadline: Instant) -> Option<Duration> {
    let late = Instant::now().saturating_duration_since(deadline);
    (late >= LATE).then(|| late.min(EXTENSION))
}

/// Polls a timer, and extends it once if it is late. `is_final` is false until it has fired.
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

/// Waits for work no longer than `limit`, and for its extension.
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
