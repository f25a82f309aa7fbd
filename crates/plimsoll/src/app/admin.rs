//! The admin listener: probes and metrics on a thread and a runtime of their own.
//!
//! Workers that are busy, stuck or draining do not hold it up. It answers from the moment its
//! address is bound, before set-up, to the last record.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use axum::Router;
use tokio::runtime::Builder;

use super::{Prepared, StartError, exit::StartFailure};
use crate::{
    config::{InfraEndpoints, ListenAddr, Settings},
    edge::{Edge, EndpointSet, Routes},
    lifecycle::{ConnectionTracker, DrainStage, Heartbeats},
    server::{AcceptConfig, Bound},
};

/// Enough for every scraper and probe there is; whoever opens more makes room for others.
const MAX_CONNECTIONS: usize = 64;

/// How long the thread may take to end; it runs nothing of the service's own.
const END_TIMEOUT: Duration = Duration::from_millis(200);

/// The listener's thread. Dropping this ends it, cuts its connections off and gives its address back.
#[derive(Debug)]
pub(super) struct AdminListener {
    connections: Arc<ConnectionTracker>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

impl AdminListener {
    /// Listens on `addr`.
    ///
    /// # Errors
    ///
    /// If the address is taken, or there is no thread or runtime to be had.
    pub(super) fn start<S: Settings>(
        addr: &ListenAddr,
        service: &Prepared<S>,
    ) -> Result<Self, StartError> {
        let bound = Bound::bind(addr).map_err(StartFailure::Bind)?;
        let config = service.config();
        let connections = Arc::new(ConnectionTracker::new());
        let endpoints = match config.infra_endpoints {
            InfraEndpoints::Main => EndpointSet::NONE,
            _ => EndpointSet::ALL,
        };
        let acceptor = AcceptConfig {
            edge: Edge::new(
                Routes::new(Router::new(), &service.registry),
                Arc::clone(&service.edge),
                endpoints,
            ),
            connections: Arc::clone(&connections),
            registry: Arc::clone(&service.registry),
            log: service.log().clone(),
            read_timeout: config.read_timeout,
            idle_timeout: config.idle_timeout,
            write_timeout: config.write_timeout,
            max_connections: MAX_CONNECTIONS,
            // None of it is for whoever reaches this listener, and its one thread is no worker.
            proxies: None,
            tls: None,
            http2_cleartext: false,
            heartbeats: Heartbeats::start(&[]),
        };
        let system = |source| StartFailure::System {
            what: "admin thread",
            source,
        };
        let over = connections.reached(DrainStage::Cut);
        let (ends, ended) = sync_channel(0);
        let (runs, running) = sync_channel(1);
        // The runtime is made and dropped on its own thread: dropping one inside another is a panic.
        thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                let runtime = match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(runs.send(Err(error))),
                };
                if runs.send(Ok(runtime.handle().clone())).is_ok() {
                    runtime.block_on(over);
                }
                // With it goes the listener.
                drop(runtime);
                drop(ends);
            })
            .map_err(system)?;
        let admin = Self { connections, ended };
        // The thread says something, whatever happens to it.
        let gone = || Err(io::ErrorKind::BrokenPipe.into());
        let runtime = running.recv().unwrap_or_else(|_| gone()).map_err(system)?;
        acceptor
            .start(bound, vec![runtime])
            .map_err(StartFailure::Bind)?;
        Ok(admin)
    }
}

impl Drop for AdminListener {
    fn drop(&mut self) {
        self.connections.enter_stage(DrainStage::Cut);
        // Nothing is ever sent: it is over when the other side is gone.
        let _ = self.ended.recv_timeout(END_TIMEOUT);
    }
}
