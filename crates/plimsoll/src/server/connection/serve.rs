//! HTTP on its connection: driven as long as there is patience with the client, and until the end.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use axum::body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1::UpgradeableConnection, http2},
    service::HttpService,
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep_until};

use super::{Connection, LAST_REQUEST_GRACE};
use crate::{
    edge::{ResponseBody, STALL, StalledResponse},
    late_timer,
    lifecycle::DrainStage,
    metrics::ProtocolError,
    server::{
        http2::{ProgressBody, StreamExecutor},
        io::TrackedIo,
        state::WaitReason,
    },
};

/// How long after its answer a connection is surely closed, or else surely kept.
const CLOSE_SETTLE: Duration = Duration::from_millis(50);

/// HTTP of either version, on its connection.
pub(super) trait HttpConnection: Future<Output = hyper::Result<()>> {
    /// Whether the protocol has GOAWAY, which announces the end. Over HTTP/1 only a response does.
    const HAS_GOAWAY: bool;
    /// How long a client may be quiet in the drain before its connection is closed. Over HTTP/2
    /// there is surely nothing of an answer on its way to it by then.
    const GRACE: Duration;

    /// Ends the connection once its requests have ended. Over HTTP/1 hyper closes at once what looks
    /// idle, even with a part of a head read.
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

/// Drives HTTP to its end, as long as there is patience with the client.
pub(super) async fn serve_connection<H: HttpConnection>(
    http: H,
    accepted: &Connection,
) -> Option<ProtocolError> {
    let Connection {
        state,
        connections,
        patience,
        ..
    } = accepted;
    let mut http = pin!(http);
    let mut leaving = pin!(connections.reached(DrainStage::LameDuck));
    let mut draining = pin!(connections.reached(DrainStage::Draining));
    let mut cut = pin!(connections.reached(DrainStage::Cut));
    let mut timer = pin!(sleep_until(Instant::now()));
    // When the timer will wake this task; it may be earlier than needed, never later.
    let mut armed: Option<Instant> = None;
    let mut listening = false;
    let mut told = false;
    let mut left = false;
    let mut give_up: Option<Instant> = None;
    let mut stalled: Option<StalledResponse> = None;
    // A deadline that was noticed late, and when it ends instead.
    let mut extended: Option<(Instant, Instant)> = None;

    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = http.as_mut().poll(cx) {
                if give_up.is_some() && state.waited() > CLOSE_SETTLE {
                    // It had gone on to wait for a request, so what was left of a body is read.
                    state.stop_reading();
                }
                if result.is_ok() && H::HAS_GOAWAY {
                    state.set_response_unsent();
                }
                return Poll::Ready(result.err().map(|error| ProtocolError::of(&error)));
            }
            if state.is_discarding() {
                // To take a piece wakes this task, for hyper to read the next one.
                let _ = state.poll_discard(cx);
            }
            if !listening {
                // Before the look: whoever tells us to go afterwards finds somebody to wake.
                state.set_waker(cx.waker());
            }
            let stuck = state.write_stalled_since();
            if stalled.as_ref().is_some_and(StalledResponse::is_evicted) {
                // The client reads nothing, so there is no use in sending it anything more.
                state.stop_reading();
                return Poll::Ready(None);
            }
            if stalled.as_ref().map(StalledResponse::since) != stuck {
                stalled = None;
            }
            if state.is_evicted() && !state.is_busy() && !state.is_sending() {
                return Poll::Ready(None);
            }
            if !left && (state.is_spent() || state.is_evicted()) {
                left = true;
                if H::HAS_GOAWAY {
                    // It goes at its next silence, whether its client agrees or not.
                    give_up = Some(Instant::now());
                }
                http.as_mut().start_graceful_shutdown();
                continue;
            }
            // Listening costs a lock that all connections share, and one waker is enough.
            if !listening || connections.is_at(DrainStage::LameDuck) {
                listening = true;
                if cut.as_mut().poll(cx).is_ready() {
                    connections.cut_off_sending(state.unsent());
                    return Poll::Ready(None);
                }
                told = told || H::HAS_GOAWAY && leaving.as_mut().poll(cx).is_ready();
                // Behind it, so that whoever is told by the drain knows of the drain.
                if give_up.is_none() && draining.as_mut().poll(cx).is_ready() {
                    give_up = Some(Instant::now() + LAST_REQUEST_GRACE);
                    if !H::HAS_GOAWAY {
                        state.set_closing();
                    }
                }
                // Somebody who comes late has come to ask something.
                if told && !left && (give_up.is_some() || state.has_had_request()) {
                    left = true;
                    http.as_mut().start_graceful_shutdown();
                    continue;
                }
            }
            let Some((mut deadline, waiting)) = state.deadline(*patience) else {
                return Poll::Pending;
            };
            let mut ends = false;
            // A head may be incomplete beside streams that are still to be finished.
            if let Some(give_up) = give_up
                && waiting != WaitReason::Write
                && !state.is_busy()
            {
                let end = give_up.max(state.quiet_since() + H::GRACE);
                ends = end < deadline;
                deadline = deadline.min(end);
            }
            let passes = deadline;
            if let Some((_, until)) = extended.filter(|(of, _)| *of == passes) {
                deadline = until;
            }
            // Before `WRITE_TIMEOUT`, the response becomes one that others may take the place of.
            let stalls = stuck
                .filter(|_| stalled.is_none())
                .map(|since| (since, since + STALL));
            let due = stalls.map_or(deadline, |(_, at)| deadline.min(at));
            if armed.is_none_or(|armed| due < armed) {
                timer.as_mut().reset(due);
                armed = Some(due);
            } else if !timer.is_elapsed() {
                // It has the waker already, and to poll it is dearer than to look.
                return Poll::Pending;
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            armed = None;
            if Instant::now() >= deadline {
                if deadline == passes
                    && let Some(extension) = late_timer::extension(deadline)
                {
                    extended = Some((passes, Instant::now() + extension));
                    continue;
                }
                if ends && !left {
                    left = true;
                    // Over TLS, hyper sends the alert that nothing follows.
                    http.as_mut().start_graceful_shutdown();
                    continue;
                }
                let late = waiting == WaitReason::Head && state.is_in_head();
                if state.waited() > CLOSE_SETTLE {
                    // The client has had the time to read the response.
                    state.stop_reading();
                }
                return Poll::Ready(late.then_some(ProtocolError::HeadTimeout));
            }
            if let Some((since, at)) = stalls
                && Instant::now() >= at
            {
                stalled = Some(accepted.edge.stalled().register(since, cx.waker()));
            }
        }
    })
    .await
}
