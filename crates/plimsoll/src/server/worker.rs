//! A worker, as the accept loops and the connections of all workers see it.

use std::sync::atomic::AtomicUsize;

use tokio::runtime::Handle;

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) runtime: Handle,
    /// The number of open connections that it serves.
    pub(super) open: AtomicUsize,
}

impl Worker {
    pub(super) const fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            open: AtomicUsize::new(0),
        }
    }
}
