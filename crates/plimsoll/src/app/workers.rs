//! The worker runtimes, which handle requests.
//!
//! Each worker is a runtime with one thread. A connection stays on one worker, and no task queue is
//! shared; only streams of HTTP/2 behind a handler that computes are started by all workers. The runtimes
//! are of the multi-thread kind, because some libraries call `block_in_place`, which needs it.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::telemetry::quietly;

/// The limit of threads for blocking work, shared by all workers. It is tokio's default for a runtime.
const BLOCKING_THREADS: usize = 512;

/// The worker runtimes of one service.
///
/// Tokio panics if a runtime is dropped inside another: call [`Workers::end`] instead.
#[derive(Debug)]
pub(super) struct Workers {
    runtimes: Vec<Runtime>,
}

impl Workers {
    /// Starts `count` workers.
    ///
    /// # Errors
    ///
    /// If a thread or a descriptor cannot be created.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let runtimes: io::Result<Vec<_>> = (0..count).map(|index| build(index, count)).collect();
        Ok(Self {
            runtimes: runtimes?,
        })
    }

    pub(super) fn handles(&self) -> Vec<Handle> {
        self.runtimes
            .iter()
            .map(|runtime| runtime.handle().clone())
            .collect()
    }

    /// Drops the remaining tasks. Does not wait for threads that are blocked.
    pub(super) fn end(self) {
        for runtime in self.runtimes {
            runtime.shutdown_background();
        }
    }
}

/// Builds the runtime of one worker out of `count`.
fn build(index: usize, count: usize) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS.div_ceil(count))
        .thread_name(format!("worker-{index}"))
        .enable_all();
    // Tokio 1.54 panics if it cannot create the thread.
    quietly(|| builder.build()).unwrap_or_else(|panic| Err(io::Error::other(panic.message)))
}
