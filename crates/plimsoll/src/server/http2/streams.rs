//! The streams of a connection: where they are polled.
//!
//! Most handlers are ready at once. So the task of the connection polls each new stream once, and then
//! sends the responses in one write. With a task for each stream, the connection would be polled after
//! each task, and each response would be a write of its own. A stream that is pending gets a task.
//!
//! Handlers that compute would delay each other, and all other connections of the worker. So after a turn
//! of [`TURN`], its other streams are started by all workers ([`spread`]). After [`SLOW_TURN`], so are all
//! new streams for [`SPREAD`].
//!
//! # Thread-local
//!
//! hyper passes new streams to [`StreamExecutor`] inside the poll of the connection, so both are on one
//! thread and in one call. [`WithStreams`] puts its list into [`NEW`] for that poll, so a new stream
//! takes no lock.

mod spread;
mod turn_waker;

use std::{
    cell::RefCell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{spread::WaitingStreams, turn_waker::TurnWaker};
use super::{ping_timer::PollTime, tunnel::SendingHalf, write_timeout::StreamWriteTimeout};
use crate::{
    connection::ConnectionState, edge::StalledResponses, lifecycle::ConnectionTracker,
    server::worker::Worker, telemetry::catch,
};

/// The most streams that the task of a connection polls in one turn. The others get tasks, so that other
/// connections of the worker do not wait for a hundred handlers.
const POLLED: usize = 32;

/// The time after which the task of a connection polls no further stream in a turn. Handlers may
/// compute for a millisecond each, and tokio checks I/O and timers only after 61 turns.
const TURN: Duration = Duration::from_millis(1);

/// The time of a turn after which all workers start the new streams, for [`SPREAD`]. A handler that
/// blocks in `block_in_place` holds up the streams of its connection if it has no task. Shorter turns may
/// take long only because the system ran another process.
const SLOW_TURN: Duration = Duration::from_millis(10);

const SPREAD: Duration = Duration::from_secs(10);

type NewStream = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// The new streams of the connection that is being polled on this thread.
    static NEW: RefCell<Vec<NewStream>> = const { RefCell::new(Vec::new()) };
}

/// Counts the streams of one connection, and starts their tasks.
///
/// hyper clones it for each stream, so it is one reference.
#[derive(Debug, Clone)]
pub(in crate::server) struct StreamExecutor(Arc<StreamContext>);

/// What the streams of one connection share.
#[derive(Debug)]
struct StreamContext {
    connections: Arc<ConnectionTracker>,
    state: Arc<ConnectionState>,
    /// `WRITE_TIMEOUT`, for a client that keeps the window of a stream closed.
    write_timeout: Duration,
    stalled: Arc<StalledResponses>,
    workers: Arc<[Worker]>,
    /// Cancels all streams that have a task.
    cancel: CancellationToken,
}

impl StreamExecutor {
    pub(in crate::server) fn new(
        connections: Arc<ConnectionTracker>,
        state: Arc<ConnectionState>,
        write_timeout: Duration,
        stalled: Arc<StalledResponses>,
        workers: Arc<[Worker]>,
    ) -> Self {
        Self(Arc::new(StreamContext {
            connections,
            state,
            write_timeout,
            stalled,
            workers,
            cancel: CancellationToken::new(),
        }))
    }

    /// Starts a task on this worker. It is cancelled with the connection.
    fn spawn(&self, stream: impl Future<Output = ()> + Send + 'static) {
        self.0.connections.spawn(self.cancelled(stream));
    }

    fn cancelled<F: Future<Output = ()>>(&self, stream: F) -> impl Future<Output = ()> + use<F> {
        let cancel = self.0.cancel.clone();
        async move {
            cancel.run_until_cancelled(stream).await;
        }
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let context = &*self.0;
        let guard = StreamGuard::new(Arc::clone(&context.state));
        if let Some(half) = SendingHalf::take() {
            let sending = half.run(stream, context.write_timeout, Arc::clone(&context.state));
            // Boxed, because the task would have space for several copies.
            self.spawn(Box::pin(async move {
                let _guard = guard;
                sending.await;
            }));
            return;
        }
        let stalled = Arc::clone(&context.stalled);
        // Boxed before the closure, which would be one more move.
        let stream = Box::pin(StreamWriteTimeout::new(
            stream,
            context.write_timeout,
            stalled,
            guard,
        ));
        NEW.with_borrow_mut(|new| new.push(stream));
    }
}

pin_project! {
    /// A connection and its new streams.
    ///
    /// Dropping it cancels all streams.
    pub(in crate::server) struct WithStreams<C> {
        #[pin]
        connection: C,
        new: Vec<NewStream>,
        // Until when all workers start the new streams.
        spread_until: Option<Instant>,
        // Created for the first stream that waits.
        waiting: Option<Arc<WaitingStreams>>,
        // Created by the first poll.
        waker: Option<TurnWaker>,
        streams: StreamExecutor,
    }

    impl<C> PinnedDrop for WithStreams<C> {
        fn drop(this: Pin<&mut Self>) {
            this.streams.0.cancel.cancel();
            if let Some(waiting) = &this.waiting {
                waiting.clear();
            }
        }
    }
}

impl<C> WithStreams<C> {
    /// `connection` passes its streams to a clone of `streams`.
    pub(in crate::server) const fn new(connection: C, streams: StreamExecutor) -> Self {
        Self {
            connection,
            new: Vec::new(),
            spread_until: None,
            waiting: None,
            waker: None,
            streams,
        }
    }

    pub(in crate::server) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future> Future for WithStreams<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        let waker = match this.waker {
            Some(waker) if waker.is_of(cx.waker()) => waker,
            waker => waker.insert(TurnWaker::new(cx.waker())),
        };
        let now = Instant::now();
        let poll = poll_connection(this.connection.as_mut(), this.new, now, waker);
        if poll.is_ready() {
            return poll;
        }
        if this.new.is_empty() {
            waker.end_turn();
            return poll;
        }
        let began = Instant::now();
        let mut now = began;
        let mut is_slow = this.spread_until.is_some_and(|until| began < until);
        let mut polled = 0;
        {
            let mut new = this.new.drain(..);
            while !is_slow && let Some(mut stream) = new.next() {
                if polled == POLLED {
                    this.streams.spawn(stream);
                    continue;
                }
                polled += 1;
                now = if poll_stream(stream.as_mut(), &mut waker.context()).is_ready() {
                    // Its end has read the clock.
                    drop(stream);
                    this.streams.0.state.quiet_since()
                } else {
                    this.streams.spawn(stream);
                    Instant::now()
                };
                is_slow = now - began >= TURN;
                if now - began >= SLOW_TURN {
                    *this.spread_until = Some(now + SPREAD);
                }
            }
            if new.len() > 0 {
                let workers = &this.streams.0.workers;
                let waiting = this
                    .waiting
                    .get_or_insert_with(|| WaitingStreams::new(workers));
                waiting.add(new, this.streams);
            }
        }
        // Sends the responses.
        let poll = poll_connection(this.connection, this.new, now, waker);
        waker.end_turn();
        if !this.new.is_empty() {
            // Other tasks run before the next streams.
            cx.waker().wake_by_ref();
        }
        poll
    }
}

/// Polls a new stream. A panic ends the stream only, as it would end its task.
fn poll_stream(
    stream: Pin<&mut (dyn Future<Output = ()> + Send)>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    // The panic hook has written its record.
    catch(|| stream.poll(cx)).unwrap_or(Poll::Ready(()))
}

/// Polls a connection, and adds its new streams to `new`. `now` is the time of hyper's ping.
fn poll_connection<C: Future>(
    connection: Pin<&mut C>,
    new: &mut Vec<NewStream>,
    now: Instant,
    waker: &TurnWaker,
) -> Poll<C::Output> {
    /// Restores the list, also if the connection panics.
    struct Outer<'a>(Vec<NewStream>, &'a mut Vec<NewStream>);
    impl Drop for Outer<'_> {
        fn drop(&mut self) {
            *self.1 = NEW.replace(std::mem::take(&mut self.0));
        }
    }
    let _time = PollTime::set(now);
    let _outer = Outer(NEW.replace(std::mem::take(new)), new);
    connection.poll(&mut waker.begin_poll())
}

/// Counts an open stream in the connection state.
struct StreamGuard(Arc<ConnectionState>);

impl StreamGuard {
    fn new(state: Arc<ConnectionState>) -> Self {
        state.stream_began();
        Self(state)
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.stream_ended();
    }
}

#[cfg(test)]
mod tests;
