//! The resources that a connection holds while it is open, and releases when it is closed.

use std::sync::{Arc, atomic::Ordering};

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{connection_limiter::ConnectionPermit, worker::Worker};
use crate::{
    connection::ConnectionState, lifecycle::ConnectionTracker, metrics::Registry,
    shutdown::ShutdownToken,
};

/// Holds the permit, the counts and the drain token of one connection.
///
/// The task of the connection and its I/O share it. If a handler upgrades the connection, the I/O
/// outlives the task.
#[derive(Debug)]
pub(super) struct ConnectionGuard {
    _permit: ConnectionPermit,
    count: ConnectionCount,
    _token: TaskTrackerToken,
    connections: Arc<ConnectionTracker>,
    shutdown: ShutdownToken,
    state: Arc<ConnectionState>,
}

impl ConnectionGuard {
    pub(super) fn new(
        permit: ConnectionPermit,
        count: ConnectionCount,
        connections: &Arc<ConnectionTracker>,
        shutdown: ShutdownToken,
        state: Arc<ConnectionState>,
    ) -> Self {
        Self {
            _permit: permit,
            count,
            _token: connections.token(),
            connections: Arc::clone(connections),
            shutdown,
            state,
        }
    }

    /// The workers of the listener.
    pub(super) const fn workers(&self) -> &Arc<[Worker]> {
        &self.count.workers
    }

    pub(super) const fn shutdown_token(&self) -> &ShutdownToken {
        &self.shutdown
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        if self.state.outlives_http() {
            self.connections.upgrade_ended();
        }
    }
}

/// Counts an open connection, in the metrics and for its worker.
#[derive(Debug)]
pub(super) struct ConnectionCount {
    registry: Arc<Registry>,
    workers: Arc<[Worker]>,
    index: usize,
}

impl ConnectionCount {
    pub(super) fn new(registry: Arc<Registry>, workers: Arc<[Worker]>, index: usize) -> Self {
        registry
            .connections
            .accepted
            .fetch_add(1, Ordering::Release);
        workers[index].open.fetch_add(1, Ordering::Relaxed);
        Self {
            registry,
            workers,
            index,
        }
    }
}

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.workers[self.index]
            .open
            .fetch_sub(1, Ordering::Relaxed);
        self.registry
            .connections
            .closed
            .fetch_add(1, Ordering::Release);
    }
}
