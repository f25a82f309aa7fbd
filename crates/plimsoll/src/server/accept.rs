//! The accept loops: one a worker, all on one queue.
//!
//! One queue rather than one a worker (`SO_REUSEPORT`): the kernel spreads connections over the
//! latter by a hash, so that one worker may get most of them, and loses what waits in one when it is
//! closed. Here whoever is idle accepts, and passes the connection on if another has clearly fewer.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::yield_now,
    time::{Instant, sleep},
};

use super::{
    BindError, Bound, Tls,
    connection_limiter::ConnectionLimiter,
    guard::{AcceptWorker, ConnectionCount, ConnectionGuard},
    listener::Listener,
    serve::{self, Connection},
    socket::{Socket, StdSocket},
    unix_peer::UdsConnectInfo,
};
use crate::{
    config::{Level, TrustedProxies},
    connection::{ConnectionState, ConnectionTimeouts},
    edge::{Edge, Routes},
    lifecycle::{ConnectionTracker, DrainStage, Heartbeats},
    metrics::{AcceptError, Registry},
    request::Peer,
    telemetry::Log,
};

/// The rest after an error of the whole listener, such as no descriptor left: trying again at once
/// would spin until one is free.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The least time between two records of such errors.
const ERROR_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// How many connections more than the least busy worker one may have, before it passes a new one on.
const BALANCE_TOLERANCE: usize = 2;

/// Accepts connections until the drain begins.
#[derive(Debug, Clone)]
pub(crate) struct AcceptConfig {
    pub(crate) edge: Edge<Routes>,
    pub(crate) connections: Arc<ConnectionTracker>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Log,
    pub(crate) read_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) max_connections: usize,
    /// The peers that must begin with a PROXY header.
    pub(crate) proxies: Option<TrustedProxies>,
    pub(crate) tls: Option<Arc<Tls>>,
    /// Whether HTTP/2 is understood where there is no TLS to agree on it.
    pub(crate) http2_cleartext: bool,
    pub(crate) heartbeats: Arc<Heartbeats>,
}

impl AcceptConfig {
    /// Listens, and starts to accept on every worker, or on the present runtime if there is none.
    /// The drain waits for all of it.
    ///
    /// # Errors
    ///
    /// If somebody else listens on the address by now, or a worker cannot wait for it.
    pub(crate) fn start(self, bound: Bound, mut runtimes: Vec<Handle>) -> Result<(), BindError> {
        if runtimes.is_empty() {
            runtimes.push(Handle::current());
        }
        let listening = bound.listen(runtimes.len())?;
        let workers: Arc<[AcceptWorker]> = runtimes.into_iter().map(AcceptWorker::new).collect();
        let limiter = ConnectionLimiter::new(self.max_connections, Arc::clone(&self.registry));
        // All of them before the first: a worker that cannot accept would be deaf.
        let mut listeners = Vec::with_capacity(workers.len());
        for (socket, worker) in listening.into_iter().zip(&*workers) {
            let _entered = worker.runtime.enter();
            let is_inherited = socket.is_inherited();
            listeners.push((socket.accept_here()?, is_inherited));
        }
        for (index, (listener, is_inherited)) in listeners.into_iter().enumerate() {
            let accept = WorkerAccept {
                config: self.clone(),
                workers: Arc::clone(&workers),
                limiter: Arc::clone(&limiter),
                index,
            };
            self.connections
                .spawn_on(accept.run(listener, is_inherited), &workers[index].runtime);
        }
        Ok(())
    }
}

/// The accept loop of one worker.
struct WorkerAccept {
    config: AcceptConfig,
    workers: Arc<[AcceptWorker]>,
    limiter: Arc<ConnectionLimiter>,
    index: usize,
}

impl WorkerAccept {
    async fn run(self, listener: Listener, is_inherited: bool) {
        let AcceptConfig {
            connections, log, ..
        } = &self.config;
        let mut draining = pin!(connections.reached(DrainStage::Draining));
        let mut logged_at: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                // First, since another loop may have closed the socket for all by then.
                biased;
                () = &mut draining => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if self.place(stream, peer) {
                        // Whoever has to go closes its socket on this thread, or on another one that
                        // is not accepting: without a pause a flood would take all descriptors.
                        yield_now().await;
                    }
                }
                Err(_) if connections.is_at(DrainStage::Draining) => break,
                Err(error) => {
                    let kind = AcceptError::of(&error);
                    self.config.registry.accept_errors.count(kind);
                    if kind == AcceptError::Connection {
                        continue;
                    }
                    if logged_at.is_none_or(|at| at.elapsed() >= ERROR_LOG_INTERVAL) {
                        logged_at = Some(Instant::now());
                        log_accept_error(log, &error);
                    }
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
        if is_inherited {
            // The queue outlives this share of the socket, and the next process takes it from there.
            return;
        }
        // Closing the listener would reset those who have connected and wait in its queue.
        listener.empty(|stream, peer| {
            self.place(stream, peer);
        });
    }

    /// Serves a connection here, or where there are clearly fewer. Says whether another has to go.
    fn place(&self, stream: Socket, peer: Option<SocketAddr>) -> bool {
        let open = |index: usize| self.workers[index].open.load(Ordering::Relaxed);
        // Whoever is stuck would only let it wait.
        let heartbeats = &self.config.heartbeats;
        let least = (0..self.workers.len())
            .filter(|index| !heartbeats.is_stuck(*index))
            .min_by_key(|index| open(*index))
            .unwrap_or(self.index);
        if open(self.index) < open(least) + BALANCE_TOLERANCE {
            return self.spawn(stream, peer, self.index);
        }
        // The stream belongs to the runtime that accepted it, and is moved to the other one there.
        if let Ok(stream) = StdSocket::from_tokio(stream) {
            let _entered = self.workers[least].runtime.enter();
            if let Ok(stream) = stream.into_tokio() {
                return self.spawn(stream, peer, least);
            }
        }
        false
    }

    fn spawn(&self, stream: Socket, peer: Option<SocketAddr>, index: usize) -> bool {
        let config = &self.config;
        let state = Arc::new(ConnectionState::new());
        // Nobody is left out because of others who are slow or silent; see there who makes room.
        let Some(permit) = self.limiter.acquire(&state) else {
            return false;
        };
        let has_evicted = permit.has_evicted();
        let proxied = config.proxies.as_ref().is_some_and(|trusted| match peer {
            Some(addr) => trusted.contains(addr.ip()),
            None => trusted.unix(),
        });
        let guard = Arc::new(ConnectionGuard::new(
            permit,
            ConnectionCount::new(
                Arc::clone(&config.registry),
                Arc::clone(&self.workers),
                index,
            ),
            &config.connections,
            config.edge.shutdown_token().clone(),
            Arc::clone(&state),
        ));
        let unix_peer = match &stream {
            Socket::Left(_) => None,
            Socket::Right(stream) => stream.peer_cred().ok().map(UdsConnectInfo::new),
        };
        let connection = Connection {
            proxied,
            tls: config.tls.clone(),
            http2_cleartext: config.http2_cleartext,
            guard,
            socket: Some(stream),
            state,
            peer: peer.map_or(Peer::Unix, |addr| Peer::Ip(addr.ip())),
            addr: peer,
            unix_peer,
            edge: config.edge.clone(),
            connections: Arc::clone(&config.connections),
            timeouts: ConnectionTimeouts {
                head: config.read_timeout,
                idle: config.idle_timeout,
                write: config.write_timeout,
            },
        };
        config
            .connections
            .spawn_on(serve::serve(connection), &self.workers[index].runtime);
        has_evicted
    }
}

fn log_accept_error(log: &Log, error: &io::Error) {
    log.infra(Level::Error, "accept_failed", |record| {
        record.str("error", &error.to_string())
    });
}
