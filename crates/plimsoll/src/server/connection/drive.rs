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
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::{Accepted, HALF_A_HEAD};
use crate::{
    edge::{STALL, Stalled, Tracked},
    lateness,
    lifecycle::Stage,
    metrics::ProtocolError,
    server::{
        http2::{Flow, Streams},
        state::{ConnectionState, Waiting},
        stream::Watched,
    },
};

/// How long after its answer a connection is surely closed, or else surely kept.
const SETTLED: Duration = Duration::from_millis(50);

/// HTTP of either version, on its connection.
pub(super) trait Http: Future<Output = hyper::Result<()>> {
    /// From when on it is told to take no more requests. Over HTTP/1 the answers say so themselves,
    /// and hyper would close what is idle at once.
    const WINDS_DOWN_AT: Stage;
    /// How long a client may be quiet before there is surely nothing of an answer on its way to it.
    /// Over HTTP/1 hyper itself closes at the right moment, and nothing is said meanwhile.
    const GRACE: Duration;

    fn wind_down(self: Pin<&mut Self>, state: &ConnectionState);
}

impl<S> Http for UpgradeableConnection<TokioIo<Watched>, S>
where
    S: HttpService<Incoming, ResBody = Tracked<Body>, Error = Infallible>,
{
    const WINDS_DOWN_AT: Stage = Stage::Draining;
    const GRACE: Duration = Duration::ZERO;

    fn wind_down(self: Pin<&mut Self>, state: &ConnectionState) {
        // hyper closes at once where nothing has come yet; whoever has only just connected may have
        // sent a request that is on its way, and its answer will say that the connection is closed.
        if state.has_begun() || state.waited() >= HALF_A_HEAD {
            self.graceful_shutdown();
        }
    }
}

impl<S> Http for http2::Connection<TokioIo<Watched>, S, Streams>
where
    S: HttpService<Incoming, ResBody = Flow<Tracked<Body>>, Error = Infallible>,
    S::Future: Send + 'static,
{
    const WINDS_DOWN_AT: Stage = Stage::LameDuck;
    const GRACE: Duration = Duration::from_secs(2);

    fn wind_down(self: Pin<&mut Self>, _: &ConnectionState) {
        self.graceful_shutdown();
    }
}

/// Drives HTTP to its end, as long as there is patience with the client.
pub(super) async fn drive<H: Http>(http: H, accepted: &Accepted) -> Option<ProtocolError> {
    let Accepted {
        state,
        connections,
        patience,
        ..
    } = accepted;
    let mut http = pin!(http);
    let mut leaving = pin!(connections.reached(H::WINDS_DOWN_AT));
    let mut draining = pin!(connections.reached(Stage::Draining));
    let mut cut = pin!(connections.reached(Stage::Cut));
    let mut timer = pin!(sleep_until(Instant::now()));
    // When the timer will wake this task; it may be earlier than needed, never later.
    let mut armed: Option<Instant> = None;
    let mut listening = false;
    let mut told = false;
    let mut left = false;
    let mut give_up: Option<Instant> = None;
    // Lets the reactor report bytes that arrived while this worker was busy.
    let mut reactor_turn = pin!(yield_now());
    let mut stalled: Option<Stalled> = None;
    // A deadline that was noticed late, and when it ends instead.
    let mut extended: Option<(Instant, Instant)> = None;

    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = http.as_mut().poll(cx) {
                if give_up.is_some() && state.waited() > SETTLED {
                    // It had gone on to wait for a request, so what was left of a body is read.
                    state.set_heard();
                }
                if result.is_ok() && !H::GRACE.is_zero() {
                    state.set_on_its_way();
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
            let stuck = state.stuck_since();
            if stalled.as_ref().is_some_and(Stalled::is_evicted) {
                // The client reads nothing, so there is no use in sending it anything more.
                state.set_heard();
                return Poll::Ready(None);
            }
            if stalled.as_ref().map(Stalled::since) != stuck {
                stalled = None;
            }
            if state.is_evicted() && !state.is_busy() && !state.is_sending() {
                return Poll::Ready(None);
            }
            if !left && (state.is_spent() || state.is_evicted()) {
                left = true;
                if !H::GRACE.is_zero() {
                    // It goes at its next silence, whether its client agrees or not.
                    give_up = Some(Instant::now());
                }
                http.as_mut().wind_down(state);
                continue;
            }
            // Listening costs a lock that all connections share, and one waker is enough.
            if !listening || connections.is_at(Stage::LameDuck) {
                listening = true;
                if cut.as_mut().poll(cx).is_ready() {
                    connections.cut_off_sending(state.unsent());
                    return Poll::Ready(None);
                }
                told = told || leaving.as_mut().poll(cx).is_ready();
                // Behind it, so that whoever is told by the drain knows of the drain.
                if give_up.is_none() && draining.as_mut().poll(cx).is_ready() {
                    give_up = Some(Instant::now() + HALF_A_HEAD);
                }
                // Somebody who comes late has come to ask something.
                if told && !left && (give_up.is_some() || state.has_asked()) {
                    // A request that arrived before the drain is read before hyper closes what
                    // looks idle: its response announces the close.
                    if reactor_turn.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    left = true;
                    http.as_mut().wind_down(state);
                    continue;
                }
            }
            let Some((mut deadline, waiting)) = state.deadline(*patience) else {
                return Poll::Pending;
            };
            // A head may be incomplete beside streams that are still to be finished.
            if let Some(give_up) = give_up
                && waiting != Waiting::Write
                && !state.is_busy()
            {
                deadline = deadline.min(give_up.max(state.quiet_since() + H::GRACE));
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
                    && let Some(extension) = lateness::extension(deadline)
                {
                    extended = Some((passes, Instant::now() + extension));
                    continue;
                }
                let late = waiting == Waiting::Head && state.is_in_head();
                if state.waited() > SETTLED {
                    // The client has had the time to read the response.
                    state.set_heard();
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
