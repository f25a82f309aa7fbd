//! The accept loops: one a worker, all on one queue.
//!
//! One queue rather than one a worker (`SO_REUSEPORT`): the kernel spreads connections over the
//! latter by a hash, so that one worker may get most of them, and loses what waits in one when it is
//! closed. Here whoever is idle accepts, and passes the connection on if another has clearly fewer.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    BindError, Bound, Tls,
    connection::{self, Connection},
    connection_limiter::{ConnectionLimiter, ConnectionPermit},
    listener::Listener,
    socket::{Socket, StdSocket},
    state::{ConnectionState, ConnectionTimeouts},
    unix_peer::UdsConnectInfo,
};
use crate::{
    config::{Level, TrustedProxies},
    edge::{Edge, Peer, Routes},
    lifecycle::{ConnectionTracker, DrainStage, Heartbeats},
    metrics::{AcceptError, Registry},
    shutdown::ShutdownToken,
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
    pub(crate) pulse: Arc<Heartbeats>,
}

impl AcceptConfig {
    /// Listens, and starts to accept on every worker, or on the present runtime if there is none.
    /// The drain waits for all of it.
    ///
    /// # Errors
    ///
    /// If somebody else listens on the address by now, or a worker cannot wait for it.
    pub(crate) fn start(self, bound: Bound, mut workers: Vec<Handle>) -> Result<(), BindError> {
        if workers.is_empty() {
            workers.push(Handle::current());
        }
        let listening = bound.listen(workers.len())?;
        let crew: Arc<[AcceptWorker]> = workers.into_iter().map(AcceptWorker::new).collect();
        let crowd = ConnectionLimiter::new(self.max_connections, Arc::clone(&self.registry));
        // All of them before the first: a worker that cannot accept would be deaf.
        let mut listeners = Vec::with_capacity(crew.len());
        for (socket, worker) in listening.into_iter().zip(&*crew) {
            let _entered = worker.runtime.enter();
            let is_inherited = socket.is_inherited();
            listeners.push((socket.accept_here()?, is_inherited));
        }
        for (index, (listener, is_inherited)) in listeners.into_iter().enumerate() {
            let here = WorkerAccept {
                acceptor: self.clone(),
                crew: Arc::clone(&crew),
                crowd: Arc::clone(&crowd),
                index,
            };
            self.connections
                .spawn_on(here.run(listener, is_inherited), &crew[index].runtime);
        }
        Ok(())
    }
}

/// A worker, as the others see it.
#[derive(Debug)]
struct AcceptWorker {
    runtime: Handle,
    /// Connections that it serves.
    open: AtomicUsize,
}

impl AcceptWorker {
    fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            open: AtomicUsize::new(0),
        }
    }
}

/// The accept loop of one worker.
struct WorkerAccept {
    acceptor: AcceptConfig,
    crew: Arc<[AcceptWorker]>,
    crowd: Arc<ConnectionLimiter>,
    index: usize,
}

impl WorkerAccept {
    async fn run(self, listener: Listener, is_inherited: bool) {
        let AcceptConfig {
            connections, log, ..
        } = &self.acceptor;
        let mut draining = pin!(connections.reached(DrainStage::Draining));
        let mut complained: Option<Instant> = None;
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
                    self.acceptor.registry.accept_errors.count(kind);
                    if kind == AcceptError::Connection {
                        continue;
                    }
                    if complained.is_none_or(|at| at.elapsed() >= ERROR_LOG_INTERVAL) {
                        complained = Some(Instant::now());
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
        let open = |index: usize| self.crew[index].open.load(Ordering::Relaxed);
        // Whoever is stuck would only let it wait.
        let pulse = &self.acceptor.pulse;
        let least = (0..self.crew.len())
            .filter(|index| !pulse.is_stuck(*index))
            .min_by_key(|index| open(*index))
            .unwrap_or(self.index);
        if open(self.index) < open(least) + BALANCE_TOLERANCE {
            return self.spawn(stream, peer, self.index);
        }
        // The stream belongs to the runtime that accepted it, and is moved to the other one there.
        if let Ok(stream) = StdSocket::from_tokio(stream) {
            let _entered = self.crew[least].runtime.enter();
            if let Ok(stream) = stream.into_tokio() {
                return self.spawn(stream, peer, least);
            }
        }
        false
    }

    fn spawn(&self, stream: Socket, peer: Option<SocketAddr>, index: usize) -> bool {
        let acceptor = &self.acceptor;
        let state = Arc::new(ConnectionState::new());
        // Nobody is left out because of others who are slow or silent; see there who makes room.
        let Some(seat) = self.crowd.acquire(&state) else {
            return false;
        };
        let another_goes = seat.is_at_the_expense_of_another();
        let proxied = acceptor.proxies.as_ref().is_some_and(|trusted| match peer {
            Some(addr) => trusted.contains(addr.ip()),
            None => trusted.unix(),
        });
        let held = Arc::new(ConnectionGuard {
            _seat: seat,
            _open: ConnectionCount::new(
                Arc::clone(&acceptor.registry),
                Arc::clone(&self.crew),
                index,
            ),
            _token: acceptor.connections.token(),
            connections: Arc::clone(&acceptor.connections),
            shutdown: acceptor.edge.shutdown_token().clone(),
            state: Arc::clone(&state),
        });
        let unix_peer = match &stream {
            Socket::Left(_) => None,
            Socket::Right(stream) => stream.peer_cred().ok().map(UdsConnectInfo::new),
        };
        let accepted = Connection {
            proxied,
            tls: acceptor.tls.clone(),
            http2_cleartext: acceptor.http2_cleartext,
            held,
            socket: Some(stream),
            state,
            peer: peer.map_or(Peer::Unix, |addr| Peer::Ip(addr.ip())),
            addr: peer,
            unix_peer,
            edge: acceptor.edge.clone(),
            connections: Arc::clone(&acceptor.connections),
            patience: ConnectionTimeouts {
                head: acceptor.read_timeout,
                idle: acceptor.idle_timeout,
                write: acceptor.write_timeout,
            },
        };
        acceptor
            .connections
            .spawn_on(connection::serve(accepted), &self.crew[index].runtime);
        another_goes
    }
}

/// What a connection holds from its beginning to its end: that of its task, or that of whoever took
/// it over.
#[derive(Debug)]
pub(super) struct ConnectionGuard {
    _seat: ConnectionPermit,
    _open: ConnectionCount,
    _token: TaskTrackerToken,
    connections: Arc<ConnectionTracker>,
    shutdown: ShutdownToken,
    state: Arc<ConnectionState>,
}

impl ConnectionGuard {
    pub(super) const fn shutdown_token(&self) -> &ShutdownToken {
        &self.shutdown
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        // HTTP may have left the stream with the state, of which the stream has a share.
        drop(self.state.take_lingering_stream());
        if self.state.outlives_http() {
            self.connections.upgrade_ended();
        }
    }
}

fn log_accept_error(log: &Log, error: &io::Error) {
    log.infra(Level::Error, "accept_failed", |record| {
        record.str("error", &error.to_string())
    });
}

/// Counts a connection, from its beginning to its end.
#[derive(Debug)]
struct ConnectionCount {
    registry: Arc<Registry>,
    crew: Arc<[AcceptWorker]>,
    index: usize,
}

impl ConnectionCount {
    fn new(registry: Arc<Registry>, crew: Arc<[AcceptWorker]>, index: usize) -> Self {
        registry
            .connections
            .accepted
            .fetch_add(1, Ordering::Release);
        crew[index].open.fetch_add(1, Ordering::Relaxed);
        Self {
            registry,
            crew,
            index,
        }
    }
}

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.crew[self.index].open.fetch_sub(1, Ordering::Relaxed);
        self.registry
            .connections
            .closed
            .fetch_add(1, Ordering::Release);
    }
}
