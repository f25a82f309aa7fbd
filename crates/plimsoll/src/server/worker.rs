//! The workers of a listener, and their load.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::runtime::Handle;

/// A worker, as the accept loops and the connections of all workers see it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) runtime: Handle,
    /// The number of open connections that it serves.
    pub(super) open: AtomicUsize,
    /// The number of HTTP/2 streams that were placed on it because handlers compute.
    streams: AtomicUsize,
}

impl Worker {
    pub(super) const fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            open: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
        }
    }
}

/// One worker among all workers of its listener.
#[derive(Debug, Clone)]
pub(super) struct WorkerPlace {
    workers: Arc<[Worker]>,
    index: usize,
}

impl WorkerPlace {
    pub(super) fn new(workers: &Arc<[Worker]>, index: usize) -> Self {
        Self {
            workers: Arc::clone(workers),
            index,
        }
    }

    pub(super) fn get(&self) -> &Worker {
        &self.workers[self.index]
    }
}

/// A stream that was placed on a worker, until it ends.
#[derive(Debug)]
pub(super) struct StreamOnWorker(WorkerPlace);

impl StreamOnWorker {
    /// Chooses the worker with the fewest placed streams, and counts the stream.
    ///
    /// That of the connection comes last among equals: a handler that computes there also holds up the
    /// responses of the connection.
    pub(super) fn place(connection: &WorkerPlace) -> Self {
        let workers = connection.workers.iter().enumerate();
        let load = |worker: &Worker| worker.streams.load(Ordering::Relaxed);
        let least = workers.min_by_key(|(index, it)| (load(it), *index == connection.index));
        let place = WorkerPlace {
            workers: Arc::clone(&connection.workers),
            index: least.map_or(connection.index, |(index, _)| index),
        };
        place.get().streams.fetch_add(1, Ordering::Relaxed);
        Self(place)
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.0.get().runtime
    }
}

impl Drop for StreamOnWorker {
    fn drop(&mut self) {
        self.0.get().streams.fetch_sub(1, Ordering::Relaxed);
    }
}
