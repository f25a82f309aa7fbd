//! The streams that wait behind a handler that computes, for a start on any worker.
//!
//! On each worker, a task starts one stream after the other. A busy worker so starts fewer of them, and a
//! stuck one starts none. Between two streams, the worker runs its other tasks, I/O and timers.

use std::{collections::VecDeque, fmt, future::poll_fn, sync::Arc, task::Poll};

use tokio::task::yield_now;

use super::{NewStream, StreamExecutor, poll_stream};
use crate::{
    server::worker::Worker,
    sync::{Mutex, lock},
};

/// The waiting streams of one connection.
#[derive(Debug)]
pub(super) struct WaitingStreams {
    workers: Arc<[Worker]>,
    state: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    streams: VecDeque<NewStream>,
    /// Whether a worker has a task that starts streams.
    has_starter: Vec<bool>,
}

impl WaitingStreams {
    pub(super) fn new(workers: &Arc<[Worker]>) -> Arc<Self> {
        let state = Waiting {
            streams: VecDeque::new(),
            has_starter: vec![false; workers.len()],
        };
        Arc::new(Self {
            workers: Arc::clone(workers),
            state: Mutex::new(state),
        })
    }

    /// Adds streams, and starts the missing tasks. The tasks are cancelled with the connection.
    pub(super) fn add(
        self: &Arc<Self>,
        streams: impl Iterator<Item = NewStream>,
        executor: &StreamExecutor,
    ) {
        let mut state = lock(&self.state);
        state.streams.extend(streams);
        if state.streams.is_empty() {
            return;
        }
        for (index, worker) in self.workers.iter().enumerate() {
            if !std::mem::replace(&mut state.has_starter[index], true) {
                let starter = Arc::clone(self).start_streams(index, executor.clone());
                let starter = executor.cancelled(starter);
                executor.0.connections.spawn_on(starter, &worker.runtime);
            }
        }
    }

    /// Drops the streams that were not started.
    pub(super) fn clear(&self) {
        let streams = std::mem::take(&mut lock(&self.state).streams);
        // Not under the lock: the end of a request runs code of the application.
        drop(streams);
    }

    async fn start_streams(self: Arc<Self>, worker: usize, executor: StreamExecutor) {
        while let Some(mut stream) = self.next(worker) {
            let poll = poll_fn(|cx| Poll::Ready(poll_stream(stream.as_mut(), cx))).await;
            if poll.is_pending() {
                executor.spawn(stream);
            }
            yield_now().await;
        }
    }

    /// Returns the stream that waits for longest. Without one, the task of the worker ends.
    fn next(&self, worker: usize) -> Option<NewStream> {
        let mut state = lock(&self.state);
        let stream = state.streams.pop_front();
        state.has_starter[worker] = stream.is_some();
        stream
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("streams", &self.streams.len())
            .field("has_starter", &self.has_starter)
            .finish()
    }
}
