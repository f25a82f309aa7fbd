//! Shutdown of long-lived work: event streams, WebSockets and queue consumers.
//!
//! The drain waits for a response that ends by itself, such as a download. By default the drain ends
//! event streams and WebSockets, unless they were [kept open](keep_open). A queue consumer waits for the
//! [`ShutdownToken`], and so does code that sends a last message. The token is also an extractor.
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
//!     // The client gets a complete response, and reconnects to another instance.
//!     Sse::new(token.end_stream(Ticks))
//! }
//! # let service = App::new(build_info!()).setup(set_up);
//! # drop(service);
//! ```
//!
//! # Staggered cancellation
//!
//! If a thousand streams ended at once, their clients would reconnect to the remaining instances at
//! once. Each wait for a token therefore ends at a time of its own. These times are spread over 1 ms for
//! each wait, and over half of `SHUTDOWN_TIMEOUT` at most.

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

/// The average time between the ends of two waits, while there are few.
const STAGGER: Duration = Duration::from_millis(1);

/// How long code that waits for the token may take to end its stream or WebSocket by itself.
const HANDLER_GRACE: Duration = Duration::from_millis(50);

/// How long the client of a WebSocket may take to read pending messages and answer the Close frame.
pub(crate) const CLOSE_ANSWER: Duration = Duration::from_secs(1);

/// Marks a response that the drain does not end. See [`keep_open`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepOpen;

/// Keeps an event stream or a WebSocket open when the drain begins.
///
/// By default, the drain completes the body of an event stream, and closes a WebSocket with status
/// 1001. If the response is kept open, the drain waits for it like for any other. If it has not ended
/// after `SHUTDOWN_TIMEOUT`, it counts as cut off. This is for code that sends a last message of its
/// own: see [`ShutdownToken::cancelled`].
///
/// ```
/// use axum::{extract::WebSocketUpgrade, response::Response};
/// use plimsoll::{ShutdownToken, shutdown::keep_open};
///
/// async fn updates(token: ShutdownToken, upgrade: WebSocketUpgrade) -> Response {
///     keep_open(upgrade.on_upgrade(|mut socket| async move {
///         token.cancelled().await;
///         // An error means that the client has already closed the connection.
///         let _ = socket.send("the game is saved".into()).await;
///     }))
/// }
/// ```
pub fn keep_open(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.extensions_mut().insert(KeepOpen);
    response
}

/// Completes when a stream or a WebSocket is to end.
pub(crate) type ShutdownFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Signals the drain to long-lived work. Clones signal the same drain; see the [module](self).
#[derive(Clone)]
pub struct ShutdownToken {
    connections: Arc<ConnectionTracker>,
    /// Waits of the service's own code.
    waiting: Arc<TokenWaiters>,
    /// Waits of event streams and WebSockets that the chassis ends.
    overdue: Arc<TokenWaiters>,
}

/// Counts waits, and spreads their ends over a window of time.
#[derive(Debug)]
struct TokenWaiters {
    /// The number of current waits.
    current: AtomicUsize,
    /// The number of all waits so far.
    total: AtomicU32,
    max_window: Duration,
}

impl ShutdownToken {
    pub(crate) fn new(connections: Arc<ConnectionTracker>, shutdown_timeout: Duration) -> Self {
        Self {
            connections,
            waiting: TokenWaiters::new(shutdown_timeout / 2),
            overdue: TokenWaiters::new(shutdown_timeout / 4),
        }
    }

    /// Waits until the drain begins, which is `DRAIN_DELAY` after the signal.
    ///
    /// The waits end one after the other, within half of `SHUTDOWN_TIMEOUT`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost: the delay counts from the beginning of the drain.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let connections = Arc::clone(&self.connections);
        let slot = WaiterSlot::new(Arc::clone(&self.waiting));
        async move {
            connections.reached(DrainStage::Draining).await;
            sleep_until(connections.draining_since() + slot.delay()).await;
        }
    }

    /// Waits until all waits for [`cancelled`](Self::cancelled) have ended and have had their grace time.
    ///
    /// These waits, too, end one after the other, within a quarter of `SHUTDOWN_TIMEOUT`.
    pub(crate) fn overdue(&self) -> impl Future<Output = ()> + Send + use<> {
        let connections = Arc::clone(&self.connections);
        let waiting = Arc::clone(&self.waiting);
        let slot = WaiterSlot::new(Arc::clone(&self.overdue));
        async move {
            connections.reached(DrainStage::Draining).await;
            let after = waiting.window() + HANDLER_GRACE;
            sleep_until(connections.draining_since() + after + slot.delay()).await;
        }
    }

    /// Whether the drain has begun, so that no long-lived work should start.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.connections.is_at(DrainStage::Draining)
    }

    /// Waits for `work`. Returns `None` if the token is cancelled first, and drops `work`.
    ///
    /// If the token is already cancelled, `work` is not polled.
    pub async fn run_until<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // In this order, a queue that always has a job does not delay the shutdown.
            biased;
            () = self.cancelled() => None,
            result = work => Some(result),
        }
    }

    /// Ends a stream when the token is cancelled.
    ///
    /// If it is the body of an event stream, the client gets a complete response.
    pub fn end_stream<S>(&self, stream: S) -> UntilShutdown<S> {
        UntilShutdown::new(stream, self.cancelled())
    }

    /// Closes a WebSocket when the token is cancelled, with status 1001 (RFC 6455, 7.4.1).
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
    fn new(max_window: Duration) -> Arc<Self> {
        Arc::new(Self {
            current: AtomicUsize::new(0),
            total: AtomicU32::new(0),
            max_window,
        })
    }

    /// Returns the time over which the ends of the waits are spread.
    fn window(&self) -> Duration {
        let count = u32::try_from(self.current.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        STAGGER.saturating_mul(count).min(self.max_window)
    }
}

/// One wait, which counts until it is dropped.
struct WaiterSlot {
    waiters: Arc<TokenWaiters>,
    number: u32,
}

impl WaiterSlot {
    fn new(waiters: Arc<TokenWaiters>) -> Self {
        waiters.current.fetch_add(1, Ordering::Relaxed);
        let number = waiters.total.fetch_add(1, Ordering::Relaxed);
        Self { waiters, number }
    }

    /// Returns the time from the beginning of the drain to the end of this wait.
    fn delay(&self) -> Duration {
        /// The golden ratio as a fraction of 2³²: its multiples fill an interval evenly.
        const STEP: u32 = 2_654_435_769;
        let window = self.waiters.window();
        let share = f64::from(self.number.wrapping_mul(STEP)) / f64::from(u32::MAX);
        window.mul_f64(share)
    }
}

impl Drop for WaiterSlot {
    fn drop(&mut self) {
        self.waiters.current.fetch_sub(1, Ordering::Relaxed);
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

    /// LIFE-9
    #[tokio::test(start_paused = true)]
    async fn token_is_cancelled_when_drain_begins() {
        let (connections, token) = token();
        let mut cancelled = std::pin::pin!(token.cancelled());
        connections.enter_stage(DrainStage::LameDuck);
        assert!(timeout(LIMIT, &mut cancelled).await.is_err());
        assert!(!token.is_cancelled());
        connections.enter_stage(DrainStage::Draining);
        cancelled.await;
        assert!(token.is_cancelled());
        token.cancelled().await;
    }

    /// LIFE-9
    #[tokio::test(start_paused = true)]
    async fn waits_end_spread_over_half_of_shutdown_timeout() {
        let (connections, token) = token();
        let waits: Vec<_> = (0..10_000).map(|_| token.cancelled()).collect();
        let began = Instant::now();
        connections.enter_stage(DrainStage::Draining);
        let mut delays = Vec::new();
        for wait in waits.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
            wait.await.unwrap();
            delays.push(began.elapsed());
        }
        let last = *delays.iter().max().unwrap();
        assert!(last <= LIMIT / 2 + STAGGER * 2, "{last:?}");
        assert!(last >= LIMIT * 2 / 5, "spread over the window: {last:?}");
    }

    /// LIFE-9
    #[tokio::test(start_paused = true)]
    async fn single_wait_ends_immediately() {
        let (connections, token) = token();
        let waiting = token.cancelled();
        let began = Instant::now();
        connections.enter_stage(DrainStage::Draining);
        waiting.await;
        assert!(began.elapsed() <= STAGGER * 2, "{:?}", began.elapsed());
    }

    /// LIFE-9
    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_when_drain_begins() {
        let (connections, token) = token();
        assert_eq!(token.run_until(async { 7 }).await, Some(7));
        connections.enter_stage(DrainStage::Draining);
        assert_eq!(token.run_until(pending::<()>()).await, None);
        tokio::time::advance(STAGGER).await;
        assert_eq!(
            token.run_until(async { 7 }).await,
            None,
            "even if the work is ready"
        );
    }
}
