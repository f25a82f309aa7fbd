//! Tests of the polls of streams, with connections that never end.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Wake, Waker},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Semaphore,
    task,
    time::advance,
};
use tokio_util::either::Either;

use super::*;
use crate::{
    server::worker::Worker,
    sync::{Mutex, lock},
};

/// The executor of a connection on this runtime, which is the only worker.
fn executor() -> StreamExecutor {
    executor_among([Handle::current()])
}

/// The executor of a connection among these workers.
fn executor_among<const WORKERS: usize>(workers: [Handle; WORKERS]) -> StreamExecutor {
    StreamExecutor::new(
        Arc::new(ConnectionTracker::new()),
        Arc::new(ConnectionState::new()),
        Duration::from_secs(30),
        StalledResponses::new(1),
        workers.map(Worker::new).into(),
    )
}

/// A connection that starts `streams` at its first poll, and never ends.
fn connection<F>(
    executor: &StreamExecutor,
    streams: Vec<F>,
) -> WithStreams<impl Future<Output = ()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut streams, to) = (Some(streams), executor.clone());
    let connection = poll_fn(move |_| {
        for stream in streams.take().into_iter().flatten() {
            to.execute(stream);
        }
        Poll::Pending
    });
    WithStreams::new(connection, executor.clone())
}

async fn poll_once(connection: Pin<&mut impl Future<Output = ()>>) {
    let mut connection = connection;
    poll_fn(|cx| {
        assert!(connection.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn ready_streams_end_in_the_poll_of_the_connection() {
    let ended = Arc::new(AtomicUsize::new(0));
    let stream = || {
        let ended = Arc::clone(&ended);
        async move {
            assert_eq!(task::try_id(), None, "it has no task");
            ended.fetch_add(1, Ordering::Relaxed);
        }
    };
    let executor = executor();
    let streams = (0..POLLED).map(|_| stream()).collect();
    let mut connection = pin!(connection(&executor, streams));
    poll_once(connection.as_mut()).await;
    assert_eq!(ended.load(Ordering::Relaxed), POLLED);
    assert!(!executor.0.state.is_busy(), "no stream is open");
}

#[tokio::test]
async fn response_in_a_turn_does_not_wake_its_task() {
    #[derive(Default)]
    struct Task(AtomicUsize);
    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let executor = executor();
    let (mut is_first, to) = (true, executor.clone());
    let connection = poll_fn(move |cx: &mut Context<'_>| {
        if std::mem::take(&mut is_first) {
            let waker = cx.waker().clone();
            to.execute(async move { waker.wake() });
        }
        Poll::<()>::Pending
    });
    let mut connection = pin!(WithStreams::new(connection, executor.clone()));
    let task = Arc::<Task>::default();
    let waker = Waker::from(Arc::clone(&task));
    let poll = connection.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending() && !executor.0.state.is_busy());
    assert_eq!(task.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn stream_that_waits_gets_a_task() {
    let polls = Arc::new(Mutex::new(Vec::new()));
    let stream = {
        let polls = Arc::clone(&polls);
        async move {
            lock(&polls).push(task::try_id().is_some());
            task::yield_now().await;
            lock(&polls).push(task::try_id().is_some());
        }
    };
    let executor = executor();
    let mut connection = pin!(connection(&executor, vec![stream]));
    poll_once(connection.as_mut()).await;
    executor.0.connections.ended().await;
    assert_eq!(*lock(&polls), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_the_limit_of_a_turn_get_tasks() {
    let in_tasks = Arc::new(AtomicUsize::new(0));
    let stream = || {
        let in_tasks = Arc::clone(&in_tasks);
        async move {
            in_tasks.fetch_add(usize::from(task::try_id().is_some()), Ordering::Relaxed);
        }
    };
    let executor = executor();
    let streams = (0..100).map(|_| stream()).collect();
    let mut connection = pin!(connection(&executor, streams));
    poll_once(connection.as_mut()).await;
    executor.0.connections.ended().await;
    assert_eq!(in_tasks.load(Ordering::Relaxed), 100 - POLLED);
}

/// Runs turns of streams, each of which takes its time in its first poll. Returns for each turn the number
/// of streams that got tasks. `pause` is the time between two turns.
async fn tasks_of_turns<const TURNS: usize>(
    turns: [&[Duration]; TURNS],
    pause: Duration,
) -> [usize; TURNS] {
    let in_tasks = Arc::new(AtomicUsize::new(0));
    let stream = |took: Duration| {
        let in_tasks = Arc::clone(&in_tasks);
        async move {
            in_tasks.fetch_add(usize::from(task::try_id().is_some()), Ordering::Relaxed);
            if !took.is_zero() {
                advance(took).await;
            }
        }
    };
    let executor = executor();
    let (new, to) = (Mutex::new(Vec::new()), executor.clone());
    let connection = poll_fn(|_| {
        for stream in lock(&new).drain(..) {
            to.execute(stream);
        }
        Poll::<()>::Pending
    });
    let mut connection = pin!(WithStreams::new(connection, executor.clone()));
    let mut counts = [0; TURNS];
    for (turn, count) in turns.into_iter().zip(&mut counts) {
        lock(&new).extend(turn.iter().copied().map(stream));
        poll_once(connection.as_mut()).await;
        executor.0.connections.ended().await;
        *count = in_tasks.swap(0, Ordering::Relaxed);
        advance(pause).await;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn turn_ends_after_its_time() {
    let turns: [&[_]; 2] = [&[TURN, Duration::ZERO, Duration::ZERO], &[Duration::ZERO]];
    assert_eq!(tasks_of_turns(turns, Duration::ZERO).await, [2, 0]);
}

#[tokio::test(start_paused = true)]
async fn streams_get_tasks_after_a_slow_turn() {
    let turns: [&[_]; 2] = [&[SLOW_TURN], &[Duration::ZERO]];
    assert_eq!(tasks_of_turns(turns, SPREAD / 2).await, [0, 1]);
    assert_eq!(tasks_of_turns(turns, SPREAD).await, [0, 0]);
}

/// Another worker. A test that fails drops it inside a runtime, so it must not wait for its thread.
struct OtherWorker(Option<Runtime>);

impl OtherWorker {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).build();
        Self(Some(runtime.unwrap()))
    }

    /// Blocks its thread until the sender is dropped.
    async fn block(&self) -> mpsc::Sender<()> {
        let (sender, receiver) = mpsc::channel();
        let blocked = Arc::new(Semaphore::new(0));
        let is_blocked = Arc::clone(&blocked);
        self.handle().spawn(async move {
            is_blocked.add_permits(1);
            let _: Result<(), _> = receiver.recv();
        });
        let _blocked = blocked.acquire().await;
        sender
    }

    fn handle(&self) -> Handle {
        self.0.as_ref().unwrap().handle().clone()
    }
}

impl Drop for OtherWorker {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Polls a connection whose first stream makes its turn slow, so that the others wait for a start.
async fn poll_slow_turn<F>(
    executor: &StreamExecutor,
    waiting: Vec<F>,
) -> Pin<Box<WithStreams<impl Future<Output = ()>>>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let slow = Some(Either::Left(advance(TURN)));
    let streams = slow
        .into_iter()
        .chain(waiting.into_iter().map(Either::Right));
    let mut connection = Box::pin(connection(executor, streams.collect()));
    poll_once(connection.as_mut()).await;
    connection
}

/// H2-2
#[tokio::test(start_paused = true)]
async fn streams_of_a_slow_turn_are_started_by_all_workers() {
    let other = OtherWorker::start();
    let executor = executor_among([Handle::current(), other.handle()]);
    let met = Arc::new(AtomicUsize::new(0));
    // Blocks its thread until the other stream has started.
    let stream = |to_other: mpsc::Sender<()>, from_other: mpsc::Receiver<()>| {
        let met = Arc::clone(&met);
        async move {
            let _ = to_other.send(());
            let has_met = from_other.recv_timeout(Duration::from_secs(20)).is_ok();
            met.fetch_add(usize::from(has_met), Ordering::Relaxed);
        }
    };
    let (to_second, from_first) = mpsc::channel();
    let (to_first, from_second) = mpsc::channel();
    let streams = vec![stream(to_second, from_second), stream(to_first, from_first)];
    let _connection = poll_slow_turn(&executor, streams).await;
    executor.0.connections.ended().await;
    assert_eq!(met.load(Ordering::Relaxed), 2);
}

/// H2-2
#[tokio::test(start_paused = true)]
async fn blocked_worker_leaves_streams_to_others() {
    let other = OtherWorker::start();
    let blocked = other.block().await;
    let executor = executor_among([other.handle(), Handle::current()]);
    let started = Arc::new(Semaphore::new(0));
    let stream = || {
        let started = Arc::clone(&started);
        async move { started.add_permits(1) }
    };
    let _connection = poll_slow_turn(&executor, vec![stream(), stream(), stream()]).await;
    let _started = started.acquire_many(3).await;
    drop(blocked);
    executor.0.connections.ended().await;
}

#[tokio::test(start_paused = true)]
async fn closed_connection_drops_streams_that_wait_for_a_start() {
    let other = OtherWorker::start();
    let _blocked = other.block().await;
    let executor = executor_among([other.handle()]);
    let connection = poll_slow_turn(&executor, vec![pending(), pending()]).await;
    assert!(executor.0.state.is_busy());
    drop(connection);
    // The task of the slow stream is cancelled on this thread.
    task::yield_now().await;
    assert!(!executor.0.state.is_busy());
}

/// H2-2
#[tokio::test(start_paused = true)]
async fn panic_of_a_stream_ends_no_other_stream() {
    let ended = Arc::new(AtomicUsize::new(0));
    let stream = |panics: bool| {
        let ended = Arc::clone(&ended);
        async move {
            assert!(!panics, "thrown");
            ended.fetch_add(1, Ordering::Relaxed);
        }
    };
    let executor = executor();
    let streams = [false, true, false].map(stream).into();
    let mut connection = pin!(connection(&executor, streams));
    poll_once(connection.as_mut()).await;
    assert_eq!(ended.load(Ordering::Relaxed), 2);
    assert!(!executor.0.state.is_busy(), "no stream is open");
}

#[tokio::test]
async fn panic_of_a_connection_ends_its_streams() {
    let executor = executor();
    let to = executor.clone();
    let connection = poll_fn(move |_| -> Poll<()> {
        to.execute(pending());
        panic!("thrown");
    });
    let connection = WithStreams::new(connection, executor.clone());
    assert!(tokio::spawn(connection).await.unwrap_err().is_panic());
    assert!(!executor.0.state.is_busy(), "no stream is open");
}

#[tokio::test]
async fn closed_connection_cancels_its_streams() {
    let executor = executor();
    let streams = (0..100).map(|_| pending()).collect();
    let mut connection = Box::pin(connection(&executor, streams));
    poll_once(connection.as_mut()).await;
    assert!(executor.0.state.is_busy());
    drop(connection);
    executor.0.connections.ended().await;
    assert!(!executor.0.state.is_busy());
}
