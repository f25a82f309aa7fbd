//! The accept loops: one per worker, on one shared queue.
//!
//! With a queue per worker (`SO_REUSEPORT`), the kernel distributes connections by a hash, so one
//! worker may get most of them. It also resets the connections that wait in a queue that is closed.
//! With one queue, an idle worker accepts. It passes the connection to another worker that has clearly
//! fewer.

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
    guard::{ConnectionCount, ConnectionGuard},
    listener::Listener,
    serve::{self, Connection},
    socket::{Socket, StdSocket},
    unix_peer::UdsConnectInfo,
    worker::Worker,
};
use crate::{
    config::{Level, TrustedProxies},
    connection::{ConnectionState, ConnectionTimeouts},
    edge::{Edge, Routes},
    jitter::vary,
    lifecycle::{ConnectionTracker, DrainStage, Heartbeats},
    metrics::{AcceptError, Registry},
    request::Peer,
    telemetry::Log,
};

/// The pause after an error of the listener, such as `EMFILE`. An immediate retry would spin until a
/// descriptor is free.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The shortest time between two records of such errors.
const ERROR_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// The difference in open connections from which a worker passes a new one to the least loaded worker.
const BALANCE_TOLERANCE: usize = 2;

/// By how much the maximum age of a connection varies. Clients that connected together, such as after
/// a rollout, then do not reconnect together.
const AGE_VARIATION: f64 = 0.1;

/// The configuration of the accept loops.
#[derive(Debug, Clone)]
pub(crate) struct AcceptConfig {
    pub(crate) edge: Edge<Routes>,
    pub(crate) connections: Arc<ConnectionTracker>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Log,
    pub(crate) read_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) limiter: Arc<ConnectionLimiter>,
    pub(crate) max_connection_age: Option<Duration>,
    /// The peers that must send a PROXY header.
    pub(crate) proxies: Option<TrustedProxies>,
    pub(crate) tls: Option<Arc<Tls>>,
    /// Whether HTTP/2 is accepted without TLS (`HTTP2_CLEARTEXT`).
    pub(crate) http2_cleartext: bool,
    pub(crate) heartbeats: Arc<Heartbeats>,
}

impl AcceptConfig {
    /// Listens, and starts an accept loop on each runtime, or on the current one if there is none.
    ///
    /// The drain waits for the loops and their connections.
    ///
    /// # Errors
    ///
    /// If another process listens on the address meanwhile, or a runtime cannot register the listener.
    pub(crate) fn start(self, bound: Bound, mut runtimes: Vec<Handle>) -> Result<(), BindError> {
        if runtimes.is_empty() {
            runtimes.push(Handle::current());
        }
        let listening = bound.listen(runtimes.len())?;
        let workers: Arc<[Worker]> = runtimes.into_iter().map(Worker::new).collect();
        // All listeners are registered before the first loop starts, so an error starts none.
        let mut listeners = Vec::with_capacity(workers.len());
        for (socket, worker) in listening.into_iter().zip(&*workers) {
            let _entered = worker.runtime.enter();
            let is_activated = socket.is_activated();
            listeners.push((socket.into_listener()?, is_activated));
        }
        for (index, (listener, is_activated)) in listeners.into_iter().enumerate() {
            let accept = WorkerAccept {
                config: self.clone(),
                workers: Arc::clone(&workers),
                index,
            };
            self.connections
                .spawn_on(accept.run(listener, is_activated), &workers[index].runtime);
        }
        Ok(())
    }
}

/// The accept loop of one worker.
struct WorkerAccept {
    config: AcceptConfig,
    workers: Arc<[Worker]>,
    index: usize,
}

impl WorkerAccept {
    /// Accepts connections until the drain begins.
    async fn run(self, listener: Listener, is_activated: bool) {
        let AcceptConfig {
            connections, log, ..
        } = &self.config;
        let mut draining = pin!(connections.reached(DrainStage::Draining));
        let mut logged_at: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                // Polled first: in the drain, another loop may have shut the shared socket down.
                biased;
                () = &mut draining => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if self.dispatch(stream, peer) {
                        // The evicted connection closes its socket in a task of its own. Without a
                        // yield, a flood of connections would use up all descriptors.
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
        if is_activated {
            // The service manager keeps the socket open, and the next process accepts from its queue.
            return;
        }
        // Closing the listener would reset the connections in its queue.
        listener.drain_queue(|stream, peer| {
            self.dispatch(stream, peer);
        });
    }

    /// Serves a connection on this worker, or on one that has clearly fewer connections.
    ///
    /// Returns true if another connection was evicted for it.
    fn dispatch(&self, stream: Socket, peer: Option<SocketAddr>) -> bool {
        let open = |index: usize| self.workers[index].open.load(Ordering::Relaxed);
        // A connection on a stalled worker would have to wait.
        let heartbeats = &self.config.heartbeats;
        let least_loaded = (0..self.workers.len())
            .filter(|index| !heartbeats.is_stuck(*index))
            .min_by_key(|index| open(*index))
            .unwrap_or(self.index);
        if open(self.index) < open(least_loaded) + BALANCE_TOLERANCE {
            return self.spawn(stream, peer, self.index);
        }
        // The stream is registered with the runtime that accepted it, and has to change to the other.
        if let Ok(stream) = StdSocket::from_tokio(stream) {
            let _entered = self.workers[least_loaded].runtime.enter();
            if let Ok(stream) = stream.into_tokio() {
                return self.spawn(stream, peer, least_loaded);
            }
        }
        false
    }

    /// Spawns the task of a connection, unless the limiter rejects it.
    fn spawn(&self, stream: Socket, peer: Option<SocketAddr>, index: usize) -> bool {
        let config = &self.config;
        let state = Arc::new(ConnectionState::new());
        if let Some(peer) = peer {
            state.observed().set_peer(peer);
        }
        let Some(permit) = config.limiter.acquire(&state) else {
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
            aged_at: config
                .max_connection_age
                .map(|age| Instant::now() + vary(age, AGE_VARIATION)),
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
