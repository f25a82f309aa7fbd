//! Polls an HTTP connection of hyper until it ends, times out, or is closed.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1::UpgradeableConnection, http2},
    service::HttpService,
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Connection, LAST_REQUEST_GRACE,
    deadline::{CloseReason, Deadline},
};
use crate::{
    connection::WaitReason,
    edge::{ResponseBody, STALL, StalledResponse, classify_head_error},
    late_timer,
    lifecycle::DrainStage,
    metrics::ProtocolError,
    server::{
        http2::{ProgressBody, StreamExecutor},
        io::TrackedIo,
    },
};

/// How long after its response a connection is certainly closed by hyper, or else kept.
const CLOSE_SETTLE: Duration = Duration::from_millis(50);

/// An HTTP connection of hyper, of either version.
pub(super) trait HttpConnection: Future<Output = hyper::Result<()>> {
    /// Whether the protocol has GOAWAY, which announces the end. Over HTTP/1 only a response does.
    const HAS_GOAWAY: bool;
    /// How long a client may be quiet in the drain before its connection is closed. Over HTTP/2 all
    /// bytes of a response have certainly arrived by then.
    const GRACE: Duration;

    /// Ends the connection when its requests have ended. Over HTTP/1 hyper closes at once if the
    /// connection looks idle, also if a part of a head was read.
    fn start_graceful_shutdown(self: Pin<&mut Self>);
}

impl<S> HttpConnection for UpgradeableConnection<TokioIo<TrackedIo>, S>
where
    S: HttpService<Incoming, ResBody = ResponseBody<Body>, Error = Infallible>,
{
    const HAS_GOAWAY: bool = false;
    const GRACE: Duration = LAST_REQUEST_GRACE;

    fn start_graceful_shutdown(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> HttpConnection for http2::Connection<TokioIo<TrackedIo>, S, StreamExecutor>
where
    S: HttpService<Incoming, ResBody = ProgressBody<ResponseBody<Body>>, Error = Infallible>,
    S::Future: Send + 'static,
{
    const HAS_GOAWAY: bool = true;
    const GRACE: Duration = Duration::from_secs(2);

    fn start_graceful_shutdown(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Polls `http` until it ends, times out, or is closed. Returns the protocol error to count.
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
    let mut http = pin!(http);
    let mut lame_duck = pin!(connections.reached(DrainStage::LameDuck));
    let mut draining = pin!(connections.reached(DrainStage::Draining));
    let mut cut = pin!(connections.reached(DrainStage::Cut));
    let mut timer = pin!(ConnectionTimer::new());
    let mut watches_drain = false;
    let mut shutdown_requested = false;
    let mut shutdown_started = false;
    // From when on the connection closes as soon as it is idle.
    let mut close_from: Option<Instant> = None;
    let mut stalled: Option<StalledResponse> = None;
    // A deadline that was noticed late, and its extension.
    let mut extended: Option<(Instant, Instant)> = None;

    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = http.as_mut().poll(cx) {
                if close_from.is_some() && state.waited() > CLOSE_SETTLE {
                    // hyper was waiting for the next request, so the rest of a body has been read.
                    state.stop_reading();
                }
                if result.is_ok() && H::HAS_GOAWAY {
                    state.set_response_unsent();
                }
                return Poll::Ready(result.err().map(|error| classify_head_error(&error)));
            }
            if state.is_discarding() {
                // Each piece that is taken wakes this task, so that hyper reads the next one.
                let _ = state.poll_discard(cx);
            }
            if !watches_drain {
                // Before the flag is checked, so that an eviction in between wakes this task.
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
            if !shutdown_started && (state.is_spent() || state.is_evicted()) {
                shutdown_started = true;
                if H::HAS_GOAWAY {
                    // It closes at the next idle moment, whether or not the client obeys GOAWAY.
                    close_from = Some(Instant::now());
                }
                http.as_mut().start_graceful_shutdown();
                continue;
            }
            // Each poll of a stage takes a lock that all connections share, and one waker is enough.
            if !watches_drain || connections.is_at(DrainStage::LameDuck) {
                watches_drain = true;
                if cut.as_mut().poll(cx).is_ready() {
                    connections.cut_off_sending(state.unsent());
                    return Poll::Ready(None);
                }
                shutdown_requested =
                    shutdown_requested || H::HAS_GOAWAY && lame_duck.as_mut().poll(cx).is_ready();
                // After the lame duck, whose flag the drain sets as well.
                if close_from.is_none() && draining.as_mut().poll(cx).is_ready() {
                    close_from = Some(Instant::now() + LAST_REQUEST_GRACE);
                    if !H::HAS_GOAWAY {
                        state.set_closing();
                    }
                }
                // A connection that was accepted in the lame duck may still send its first request.
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
            let extension = extended.filter(|(of, _)| *of == deadline.at);
            let close_at = extension.map_or(deadline.at, |(_, until)| until);
            // Before `WRITE_TIMEOUT`, the response counts as stalled, and may be evicted.
            let stall = stalled_since
                .filter(|_| stalled.is_none())
                .map(|since| (since, since + STALL));
            let due = stall.map_or(close_at, |(_, at)| close_at.min(at));
            if timer.as_mut().poll_at(due, cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= close_at {
                if extension.is_none()
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
                    // The client has had the time to read the response.
                    state.stop_reading();
                }
                return Poll::Ready(is_head_late.then_some(ProtocolError::HeadTimeout));
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
    /// The one timer of a connection.
    ///
    /// A later deadline does not move it: it fires early, and the deadline is computed again. So a
    /// kept-alive connection rearms its timer about once for each time it fires, not for each request.
    struct ConnectionTimer {
        #[pin]
        sleep: Sleep,
        // When the timer wakes the task; never later than needed.
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

    /// Ready when the timer has fired, which is at `due` or earlier.
    fn poll_at(self: Pin<&mut Self>, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.armed.is_none_or(|armed| due < armed) {
            this.sleep.as_mut().reset(due);
            *this.armed = Some(due);
        } else if !this.sleep.is_elapsed() {
            // It has the waker already, and a poll costs more than this check.
            return Poll::Pending;
        }
        let poll = this.sleep.poll(cx);
        if poll.is_ready() {
            *this.armed = None;
        }
        poll
    }
}
