//! Polls an HTTP connection of hyper until it ends, times out, or is closed.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use hyper::{body::Incoming, server::conn::http2, service::HttpService};
use hyper_util::rt::TokioIo;
use tokio::{
    task::coop::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    Connection, LAST_REQUEST_GRACE,
    deadline::{CloseReason, Deadline},
};
use crate::{
    connection::{Stage, WaitReason},
    edge::{ResponseBody, STALL, StalledResponse, classify_head_error},
    late_timer,
    lifecycle::DrainStage,
    metrics::ProtocolError,
    server::{
        http2::{ProgressBody, StreamExecutor, WithStreams},
        io::TrackedIo,
    },
};

/// How long a connection of HTTP/1 is idle before it is parked. A busy client does not pause this long.
const PARK_AFTER: Duration = Duration::from_secs(1);

/// The time after a response by which hyper has either closed the connection or kept it.
const CLOSE_SETTLE: Duration = Duration::from_millis(50);

/// An HTTP connection of hyper, of either version.
pub(super) trait HttpConnection: Future<Output = hyper::Result<()>> {
    /// Whether the protocol has GOAWAY, which announces the close. Over HTTP/1 only a response does.
    const HAS_GOAWAY: bool;
    /// How long a connection may be idle in the drain before it is closed. Over HTTP/2, the client has
    /// received all bytes of a response by then.
    const GRACE: Duration;

    /// Makes hyper close the connection when its requests have ended. Over HTTP/1, hyper closes
    /// immediately if no request is in progress, even if a part of a head was read.
    fn start_graceful_shutdown(self: Pin<&mut Self>);

    /// Returns true if the connection has buffers that [`park`](Self::park) would free.
    fn may_park(&self) -> bool {
        false
    }

    /// Frees the buffers of a connection that is idle, if it may be parked.
    fn park(self: Pin<&mut Self>) {}
}

impl<S> HttpConnection for WithStreams<http2::Connection<TokioIo<TrackedIo>, S, StreamExecutor>>
where
    S: HttpService<Incoming, ResBody = ProgressBody<ResponseBody<Body>>, Error = Infallible>,
    S::Future: Send + 'static,
{
    const HAS_GOAWAY: bool = true;
    const GRACE: Duration = Duration::from_secs(2);

    fn start_graceful_shutdown(self: Pin<&mut Self>) {
        self.connection().graceful_shutdown();
    }
}

/// Polls `http` until it ends, times out, or is closed. Returns the protocol error to report.
pub(super) async fn serve_http<H: HttpConnection>(
    http: H,
    connection: &Connection,
) -> Option<ProtocolError> {
    let Connection {
        state,
        connections,
        timeouts,
        ..
    } = connection;
    state.observed().set_stage(Stage::Http);
    let mut http = pin!(http);
    let mut lame_duck = pin!(connections.reached(DrainStage::LameDuck));
    let mut draining = pin!(connections.reached(DrainStage::Draining));
    let mut cut = pin!(connections.reached(DrainStage::Cut));
    let mut timer = pin!(ConnectionTimer::new());
    let mut watches_drain = false;
    let mut shutdown_requested = false;
    let mut shutdown_started = false;
    // The time after which the connection closes as soon as it is idle.
    let mut close_from: Option<Instant> = None;
    // Boxed, so that a connection without a limit of its age has no space for it.
    // Outside of the coop budget, as in `ConnectionTimer::poll_at`.
    let age_timer = |at| Box::pin(unconstrained(sleep_until(at)));
    let mut age_timer = connection.aged_at.map(age_timer);
    let mut is_aged = false;
    let mut stalled: Option<StalledResponse> = None;
    // A deadline that was noticed late, and the time to which it was extended.
    let mut extended: Option<(Instant, Instant)> = None;

    poll_fn(|cx| {
        let mut has_flushed = false;
        loop {
            if let Poll::Ready(result) = http.as_mut().poll(cx) {
                if close_from.is_some() && state.waited() > CLOSE_SETTLE {
                    // hyper was waiting for the next request, so it has read the whole last body.
                    state.stop_reading();
                }
                if result.is_ok() && H::HAS_GOAWAY {
                    state.set_response_unsent();
                }
                return Poll::Ready(result.err().map(|error| classify_head_error(&error)));
            }
            if state.http1().begin_flush() {
                if !std::mem::replace(&mut has_flushed, true) {
                    continue;
                }
                // Other connections of the worker get their turn first.
                cx.waker().wake_by_ref();
            }
            if state.is_discarding() {
                // Each frame that is taken wakes this task, so that hyper reads the next one.
                let _ = state.poll_discard(cx);
            }
            if !watches_drain {
                // Registered before the flag is checked, so that an eviction in between wakes this
                // task.
                state.set_waker(cx.waker());
            }
            let stalled_since = state.write_stalled_since();
            if stalled.as_ref().is_some_and(StalledResponse::is_evicted) {
                // The client reads nothing, so a lingering close would not help it.
                state.stop_reading();
                return Poll::Ready(None);
            }
            if stalled.as_ref().map(StalledResponse::since) != stalled_since {
                stalled = None;
            }
            if state.is_evicted() && !state.is_busy() && !state.is_sending() {
                return Poll::Ready(None);
            }
            if let Some(timer) = &mut age_timer
                && timer.as_mut().poll(cx).is_ready()
            {
                age_timer = None;
                is_aged = true;
                // Over HTTP/1 the next response announces the close. An idle connection is kept until
                // then, or until `IDLE_TIMEOUT`: its next request may be on the way.
                state.set_aged();
                connection.edge.count_aged();
            }
            let must_close =
                state.is_reserve_used() || state.is_evicted() || is_aged && H::HAS_GOAWAY;
            if !shutdown_started && must_close {
                shutdown_started = true;
                if H::HAS_GOAWAY {
                    // It closes when it is next idle, even if the client ignores GOAWAY.
                    close_from = Some(Instant::now());
                }
                http.as_mut().start_graceful_shutdown();
                continue;
            }
            // Polling a stage takes a lock that all connections share, and one registration is enough.
            if !watches_drain || connections.is_at(DrainStage::LameDuck) {
                watches_drain = true;
                if cut.as_mut().poll(cx).is_ready() {
                    connections.cut_off_sending(state.unsent_responses());
                    return Poll::Ready(None);
                }
                shutdown_requested =
                    shutdown_requested || H::HAS_GOAWAY && lame_duck.as_mut().poll(cx).is_ready();
                // Polled after the lame duck, because the drain also completes that stage.
                if close_from.is_none() && draining.as_mut().poll(cx).is_ready() {
                    close_from = Some(Instant::now() + LAST_REQUEST_GRACE);
                    if !H::HAS_GOAWAY {
                        state.set_closing();
                        // The I/O now finds bytes that the reactor has not reported.
                        continue;
                    }
                }
                // A connection accepted during the lame-duck phase may still send its first request.
                if shutdown_requested
                    && !shutdown_started
                    && (close_from.is_some() || state.has_had_request())
                {
                    shutdown_started = true;
                    http.as_mut().start_graceful_shutdown();
                    continue;
                }
            }
            let Some(timeout) = state.deadline(*timeouts) else {
                return Poll::Pending;
            };
            // A head may be incomplete beside streams that are still open.
            let drain = close_from
                .filter(|_| !state.is_busy())
                .map(|from| from.max(state.quiet_since() + H::GRACE));
            let deadline = Deadline::new(timeout, drain);
            let extended_to = extended
                .filter(|(of, _)| *of == deadline.at)
                .map(|(_, until)| until);
            let close_at = extended_to.unwrap_or(deadline.at);
            // Before `WRITE_TIMEOUT`, the response counts as stalled and may be evicted.
            let stall = stalled_since
                .filter(|_| stalled.is_none())
                .map(|since| (since, since + STALL));
            // A body may still be discarded, or be read by a task after its response.
            let is_unused = !state.is_discarding() && !state.may_linger();
            let is_parked_next = timeout.1 == WaitReason::Idle && is_unused && http.may_park();
            let park_at = is_parked_next.then(|| state.quiet_since() + PARK_AFTER);
            let due = [stall.map(|(_, at)| at), park_at]
                .into_iter()
                .flatten()
                .fold(close_at, Instant::min);
            if timer.as_mut().poll_at(due, cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= close_at {
                if extended_to.is_none()
                    && let Some(extension) = late_timer::extension(close_at)
                {
                    extended = Some((deadline.at, Instant::now() + extension));
                    continue;
                }
                if deadline.reason == CloseReason::Drain && !shutdown_started {
                    shutdown_started = true;
                    // Over TLS, hyper sends close_notify.
                    http.as_mut().start_graceful_shutdown();
                    continue;
                }
                let is_head_late = timeout.1 == WaitReason::Head && state.is_in_head();
                if state.waited() > CLOSE_SETTLE {
                    // The client has had time to read the response.
                    state.stop_reading();
                }
                return Poll::Ready(is_head_late.then_some(ProtocolError::HeadTimeout));
            }
            if park_at.is_some_and(|at| Instant::now() >= at) {
                http.as_mut().park();
                continue;
            }
            if let Some((since, at)) = stall
                && Instant::now() >= at
            {
                stalled = Some(connection.edge.stalled().register(since, cx.waker()));
            }
        }
    })
    .await
}

pin_project_lite::pin_project! {
    /// The timer of a connection.
    ///
    /// A later deadline does not move it. It fires early, and the deadline is computed again. So a
    /// kept-alive connection rearms the timer once each time it fires, not for each request.
    struct ConnectionTimer {
        #[pin]
        sleep: Sleep,
        // When the timer wakes the task. Never later than the deadline.
        armed: Option<Instant>,
    }
}

impl ConnectionTimer {
    fn new() -> Self {
        Self {
            sleep: sleep_until(Instant::now()),
            armed: None,
        }
    }

    /// Polls the timer. Ready at `due` or earlier.
    fn poll_at(self: Pin<&mut Self>, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.armed.is_none_or(|armed| due < armed) {
            this.sleep.as_mut().reset(due);
            *this.armed = Some(due);
        } else if !this.sleep.is_elapsed() {
            // The waker is registered, and a poll costs more than this check.
            return Poll::Pending;
        }
        // A task that has used up its coop budget would get `Pending` without a registered waker.
        let poll = pin!(unconstrained(this.sleep)).poll(cx);
        if poll.is_ready() {
            *this.armed = None;
        }
        poll
    }
}

#[cfg(test)]
mod tests {
    use tokio::{task::coop::consume_budget, time::timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn timer_fires_if_it_was_armed_without_budget() {
        let wait = Duration::from_secs(5);
        let due = Instant::now() + wait;
        let mut timer = pin!(ConnectionTimer::new());
        let mut has_budget = true;
        let fired = poll_fn(|cx| {
            while has_budget {
                has_budget = pin!(consume_budget()).poll(cx).is_ready();
            }
            timer.as_mut().poll_at(due, cx)
        });
        // Polled again at its timeout, the timer would be ready in any case.
        let _ = timeout(wait * 2, fired).await;
        assert!(Instant::now() < due + wait, "it has no waker");
    }
}
