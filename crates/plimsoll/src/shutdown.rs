//! The farewell: how work without an end of its own learns that the service ends.
//!
//! A download ends by itself, and the drain waits for it. An event stream or a WebSocket is ended by
//! default when the drain begins, unless it was [kept open](keep_open). A consumer of a queue, and code
//! that has a last message to send, waits for the token, which is also an extractor.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//!
//! use axum::{Router, extract::State, response::sse::{Event, Sse}, routing::get};
//! use plimsoll::{Handle, App, SetupError, ShutdownToken, build_info};
//!
//! async fn set_up(handle: Handle) -> Result<Router, SetupError> {
//!     let token = handle.shutdown_token();
//!     let background = token.clone();
//!     tokio::spawn(async move {
//!         while background.run_until(tokio::time::sleep(Duration::from_secs(1))).await.is_some() {
//!             // Take the next job.
//!         }
//!     });
//!     Ok(Router::new().route("/events", get(events)).with_state(token))
//! }
//!
//! async fn events(
//!     State(token): State<ShutdownToken>,
//! ) -> Sse<impl futures_core::Stream<Item = Result<Event, Infallible>>> {
//!     # struct Ticks;
//!     # impl futures_core::Stream for Ticks {
//!     #     type Item = Result<Event, Infallible>;
//!     #     fn poll_next(
//!     #         self: std::pin::Pin<&mut Self>,
//!     #         _: &mut std::task::Context<'_>,
//!     #     ) -> std::task::Poll<Option<Self::Item>> {
//!     #         std::task::Poll::Ready(Some(Ok(Event::default().data("tick"))))
//!     #     }
//!     # }
//!     // The client sees a clean end, and connects again: to another instance.
//!     Sse::new(token.end_stream(Ticks))
//! }
//! # let service = App::new(build_info!()).setup(set_up);
//! # drop(service);
//! ```
//!
//! # All at once, but not in one instant
//!
//! A thousand clients that are told to go in one instant come back in one instant, to the instances
//! that are left. So each token that is waited on has a moment of its own: within a millisecond for
//! each of those who wait, and within half of `SHUTDOWN_TIMEOUT` at most.

mod stream;
#[cfg(feature = "ws")]
mod websocket;

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use tokio::time::sleep_until;

pub use self::stream::UntilShutdown;
#[cfg(feature = "ws")]
pub use self::websocket::ClosingWebSocket;
use crate::lifecycle::{ConnectionTracker, DrainStage};

/// What the moments of two who wait are apart, as long as there are few.
const STAGGER: Duration = Duration::from_millis(1);

/// How long code that waits for the token has to end its stream or WebSocket by itself.
const TURN: Duration = Duration::from_millis(50);

/// How long the client of a WebSocket has to answer the Close frame, and to take what was sent before.
pub(crate) const CLOSE_ANSWER: Duration = Duration::from_secs(1);

/// A response that the drain does not end. See [`keep_open`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepOpen;

/// Keeps the drain from ending this event stream or WebSocket.
///
/// By default, the body of an event stream ends, complete, when the drain begins, and a WebSocket is
/// closed with status 1001. A response that was kept open is waited for like any other, within
/// `SHUTDOWN_TIMEOUT`, and counts as cut off if it has not ended by then. For code that sends a last
/// message of its own: see [`ShutdownToken::cancelled`].
///
/// ```
/// use axum::{extract::WebSocketUpgrade, response::Response};
/// use plimsoll::{ShutdownToken, shutdown::keep_open};
///
/// async fn updates(token: ShutdownToken, upgrade: WebSocketUpgrade) -> Response {
///     keep_open(upgrade.on_upgrade(|mut socket| async move {
///         token.cancelled().await;
///         // An error means that the client has gone already.
///         let _ = socket.send("the game is saved".into()).await;
///     }))
/// }
/// ```
pub fn keep_open(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.extensions_mut().insert(KeepOpen);
    response
}

/// Ready when it is time to end.
pub(crate) type ShutdownFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells when the drain begins. Clones tell the same; see the [module](self).
#[derive(Clone)]
pub struct ShutdownToken {
    connections: Arc<ConnectionTracker>,
    waiting: Arc<TokenWaiters>,
    /// Event streams and WebSockets that end without code of the service's own.
    overdue: Arc<TokenWaiters>,
}

/// Those who wait, and the time over which their moments are spread.
#[derive(Debug)]
struct TokenWaiters {
    now: AtomicUsize,
    ever: AtomicU32,
    at_most: Duration,
}

impl ShutdownToken {
    pub(crate) fn new(connections: Arc<ConnectionTracker>, shutdown_timeout: Duration) -> Self {
        Self {
            connections,
            waiting: TokenWaiters::new(shutdown_timeout / 2),
            overdue: TokenWaiters::new(shutdown_timeout / 4),
        }
    }

    /// Waits until it is time to go: when the drain has begun, which is `DRAIN_DELAY` after the
    /// signal, at a moment of this wait's own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: moments are reckoned from the beginning of the drain.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let connections = Arc::clone(&self.connections);
        let place = WaiterSlot::new(Arc::clone(&self.waiting));
        async move {
            connections.reached(DrainStage::Draining).await;
            sleep_until(connections.draining_since() + place.moment()).await;
        }
    }

    /// Waits until everything that waits for [`cancelled`](Self::cancelled) has had its turn, and then
    /// for a moment of this wait's own.
    pub(crate) fn overdue(&self) -> impl Future<Output = ()> + Send + use<> {
        let connections = Arc::clone(&self.connections);
        let waiting = Arc::clone(&self.waiting);
        let place = WaiterSlot::new(Arc::clone(&self.overdue));
        async move {
            connections.reached(DrainStage::Draining).await;
            let turn = waiting.window() + TURN;
            sleep_until(connections.draining_since() + turn + place.moment()).await;
        }
    }

    /// Whether the drain has begun, so that nothing without an end should be begun.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.connections.is_at(DrainStage::Draining)
    }

    /// Waits for `work`, and drops it when it is time to go, or does not begin it.
    pub async fn run_until<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // In this order: a queue may always have something.
            biased;
            () = self.cancelled() => None,
            result = work => Some(result),
        }
    }

    /// Ends a stream when it is time to go: such as the one behind an event stream, whose client
    /// then sees an answer that is complete.
    pub fn end_stream<S>(&self, stream: S) -> UntilShutdown<S> {
        UntilShutdown::new(stream, self.cancelled())
    }

    /// Closes a WebSocket when it is time to go, with status 1001 (RFC 6455, 7.4.1).
    #[cfg(feature = "ws")]
    #[must_use]
    pub fn close_websocket(&self, socket: axum::extract::ws::WebSocket) -> ClosingWebSocket {
        ClosingWebSocket::new(socket, self.cancelled())
    }
}

impl fmt::Debug for ShutdownToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl TokenWaiters {
    fn new(at_most: Duration) -> Arc<Self> {
        Arc::new(Self {
            now: AtomicUsize::new(0),
            ever: AtomicU32::new(0),
            at_most,
        })
    }

    /// The time over which the moments are spread.
    fn window(&self) -> Duration {
        let others = u32::try_from(self.now.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        STAGGER.saturating_mul(others).min(self.at_most)
    }
}

/// One who waits.
struct WaiterSlot {
    waiting: Arc<TokenWaiters>,
    number: u32,
}

impl WaiterSlot {
    fn new(waiting: Arc<TokenWaiters>) -> Self {
        waiting.now.fetch_add(1, Ordering::Relaxed);
        let number = waiting.ever.fetch_add(1, Ordering::Relaxed);
        Self { waiting, number }
    }

    /// How long after the beginning of the drain this one goes.
    fn moment(&self) -> Duration {
        /// The golden ratio as a fraction of 2³²: its multiples fill an interval evenly.
        const STEP: u32 = 2_654_435_769;
        let window = self.waiting.window();
        let share = f64::from(self.number.wrapping_mul(STEP)) / f64::from(u32::MAX);
        window.mul_f64(share)
    }
}

impl Drop for WaiterSlot {
    fn drop(&mut self) {
        self.waiting.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn token() -> (Arc<ConnectionTracker>, ShutdownToken) {
        let connections = Arc::new(ConnectionTracker::new());
        let token = ShutdownToken::new(Arc::clone(&connections), LIMIT);
        (connections, token)
    }

    #[tokio::test(start_paused = true)]
    async fn it_tells_when_the_drain_begins_and_not_before() {
        let (connections, token) = token();
        let mut told = std::pin::pin!(token.cancelled());
        connections.enter_stage(DrainStage::LameDuck);
        assert!(timeout(LIMIT, &mut told).await.is_err());
        assert!(!token.is_cancelled());
        connections.enter_stage(DrainStage::Draining);
        told.await;
        assert!(token.is_cancelled());
        token.cancelled().await;
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_told_one_after_the_other_and_all_within_half_of_the_limit() {
        let (connections, token) = token();
        let waits: Vec<_> = (0..10_000).map(|_| token.cancelled()).collect();
        let began = Instant::now();
        connections.enter_stage(DrainStage::Draining);
        let mut moments = Vec::new();
        for wait in waits.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
            wait.await.unwrap();
            moments.push(began.elapsed());
        }
        let last = *moments.iter().max().unwrap();
        assert!(last <= LIMIT / 2 + STAGGER * 2, "{last:?}");
        assert!(last >= LIMIT * 2 / 5, "spread over the window: {last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_alone_is_told_at_once() {
        let (connections, token) = token();
        let waiting = token.cancelled();
        let began = Instant::now();
        connections.enter_stage(DrainStage::Draining);
        waiting.await;
        assert!(began.elapsed() <= STAGGER * 2, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_when_it_is_time_to_go() {
        let (connections, token) = token();
        assert_eq!(token.run_until(async { 7 }).await, Some(7));
        connections.enter_stage(DrainStage::Draining);
        assert_eq!(token.run_until(pending::<()>()).await, None);
        tokio::time::advance(STAGGER).await;
        assert_eq!(
            token.run_until(async { 7 }).await,
            None,
            "however much there is to do"
        );
    }
}
