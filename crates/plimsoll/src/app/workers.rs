//! The threads that handle requests.
//!
//! Each worker is a runtime of its own with one thread: a connection stays where it was accepted,
//! and no queue is shared. The runtimes are of the multi-thread kind all the same, so that
//! `block_in_place`, which some libraries call, works.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::telemetry::quietly;

/// Threads for blocking work, of all workers together: what tokio gives one runtime.
const BLOCKING_THREADS: usize = 512;

/// The runtimes of one service. Dropping them in a runtime is an error of tokio's: end them.
#[derive(Debug)]
pub(super) struct Workers {
    runtimes: Vec<Runtime>,
}

impl Workers {
    /// Starts this many.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread or descriptor for one of them.
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

    /// Drops tasks that are left, and leaves threads behind that are stuck.
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
    // tokio 1.54 panics where it gets no thread.
    quietly(|| builder.build()).unwrap_or_else(|panic| Err(io::Error::other(panic.message)))
}
