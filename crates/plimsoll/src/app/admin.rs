//! The admin listener: probes, metrics, `/info` and operator controls on a thread and a runtime of their
//! own.
//!
//! Workers that are busy, stuck or draining do not delay it. It answers from before set-up until the
//! log ends.

mod answer;
mod bundle;
mod client;
mod config_view;
mod connections_view;
mod controls;
mod errors_view;
mod form;
#[cfg(feature = "testing")]
mod in_process;
mod levels;
mod requests_view;
mod router;
mod routes_view;
mod runtime_view;
mod view;
mod views;

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
use tokio::{runtime::Builder, time::timeout};

#[cfg(feature = "testing")]
pub(crate) use self::in_process::InProcessAdmin;
use self::{
    client::Authorisation,
    controls::{Controls, SecondLimit},
};
use super::{exit::StartFailure, prepared::Prepared};
use crate::{
    config::{InfraEndpoints, ListenAddr, Settings},
    control::Ledger,
    edge::{Edge, EdgeLayer, EndpointSet, Routes},
    lifecycle::{ConnectionTracker, DrainStage, Heartbeats},
    request::InFlightTable,
    server::{AcceptConfig, Bound, ConnectionLimiter},
};

/// The limit of open connections, which suffices for scrapers and probes. Above it, idle connections
/// are evicted.
const MAX_CONNECTIONS: usize = 64;

/// How long its last requests may take, before they are cut off.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// How long the thread may take to end. It runs no code of the service.
const END_TIMEOUT: Duration = Duration::from_millis(200);

/// The admin listener and its thread. Dropping it closes its connections and releases its address.
#[derive(Debug)]
pub(super) struct AdminListener {
    connections: Arc<ConnectionTracker>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

impl AdminListener {
    /// Binds `addr`, and answers probes, scrapes and controls of the service there.
    ///
    /// # Errors
    ///
    /// If the address is in use, or the thread or its runtime cannot be created.
    pub(super) fn start<S: Settings>(
        addr: &ListenAddr,
        service: &Prepared<S>,
    ) -> Result<Self, StartFailure> {
        let config = service.config();
        let (registry, log) = (Arc::clone(&service.registry), service.log().clone());
        let bound = Bound::bind(addr).map_err(StartFailure::Bind)?;
        let connections = Arc::new(ConnectionTracker::new());
        let is_unix = matches!(addr, ListenAddr::Unix(_));
        let authorisation = Authorisation::new(config.admin_token.clone(), is_unix);
        let acceptor = AcceptConfig {
            edge: edge(service, authorisation),
            connections: Arc::clone(&connections),
            limiter: ConnectionLimiter::new(MAX_CONNECTIONS, Arc::clone(&registry)),
            registry,
            log,
            read_timeout: config.read_timeout,
            idle_timeout: config.idle_timeout,
            write_timeout: config.write_timeout,
            // The main listener's features are off here, and the one thread is not a worker.
            proxies: None,
            tls: None,
            http2_cleartext: false,
            max_connection_age: None,
            heartbeats: Heartbeats::start(&[]),
        };
        let system = || StartFailure::system("admin thread");
        let cut = connections.reached(DrainStage::Cut);
        let (end_sender, ended) = sync_channel(0);
        let (runtime_sender, runtime) = sync_channel(1);
        // The runtime is created and dropped on its own thread: dropping it inside another one panics.
        thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                let mut builder = Builder::new_current_thread();
                // The default name of the threads for views resembles that of a worker.
                builder.thread_name("admin-blocking").enable_all();
                let runtime = match builder.build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(runtime_sender.send(Err(error))),
                };
                if runtime_sender.send(Ok(runtime.handle().clone())).is_ok() {
                    runtime.block_on(cut);
                }
                // Dropping the runtime closes the listener.
                drop(runtime);
                drop(end_sender);
            })
            .map_err(system())?;
        let admin = Self { connections, ended };
        // An error means that the thread has panicked.
        let runtime = runtime
            .recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
            .map_err(system())?;
        acceptor
            .start(bound, vec![runtime])
            .map_err(StartFailure::Bind)?;
        Ok(admin)
    }

    /// Stops accepting connections, and waits until the requests have been answered, for at most
    /// [`DRAIN_TIMEOUT`].
    pub(super) fn drain(&self) -> impl Future<Output = ()> + Send + use<> {
        let connections = Arc::clone(&self.connections);
        async move {
            connections.enter_stage(DrainStage::Draining);
            let _ = timeout(DRAIN_TIMEOUT, connections.ended()).await;
        }
    }
}

/// Returns the handling of requests to the admin listener, without the listener.
#[cfg(feature = "testing")]
pub(super) fn in_process<S: Settings>(service: &Prepared<S>) -> InProcessAdmin {
    InProcessAdmin::new(edge(service, in_process::authorisation()))
}

/// Returns the handling of requests to the admin listener. It has operator controls if a client can be
/// authorised.
fn edge<S: Settings>(service: &Prepared<S>, authorisation: Option<Authorisation>) -> Edge<Routes> {
    let registry = &service.registry;
    registry.admin.enable();
    let config = service.config();
    let endpoints = match config.infra_endpoints {
        // Without an admin address it is the only valid value, and does not describe this edge.
        InfraEndpoints::Main if config.admin_addr.is_some() => EndpointSet::ALL.info_only(),
        _ => EndpointSet::ALL,
    };
    let edge = |routes| {
        let routes = Routes::new(routes, registry);
        Edge::new(routes, Arc::clone(&service.edge), endpoints)
    };
    match authorisation {
        Some(authorisation) => {
            let controls = controls(service, authorisation);
            edge(router::router(controls)).with_controls()
        }
        None => edge(Router::new()),
    }
}

fn controls<S: Settings>(service: &Prepared<S>, authorisation: Authorisation) -> Arc<Controls> {
    let handle = &service.handle;
    let in_flight = || InFlightTable::new(handle.config.workers);
    service.registry.in_flight.get_or_init(in_flight);
    Arc::new(Controls {
        authorisation,
        config: Arc::clone(&handle.config),
        report: Arc::clone(&service.report),
        heartbeats: Arc::clone(&service.heartbeats),
        connections: Arc::clone(&service.connections),
        lifecycle: Arc::clone(&service.lifecycle),
        readiness: handle.readiness.clone(),
        checks: handle.checks.clone(),
        ledger: Ledger::new(Arc::clone(&service.registry), handle.log.clone()),
        registry: Arc::clone(&service.registry),
        log: handle.log.clone(),
        drain: Arc::clone(&service.drain),
        changes: SecondLimit::default(),
        denials: SecondLimit::default(),
        edge: EdgeLayer::new(Arc::clone(&service.edge)),
        bundle: tokio::sync::Mutex::default(),
    })
}

impl Drop for AdminListener {
    fn drop(&mut self) {
        self.connections.enter_stage(DrainStage::Cut);
        // Nothing is sent: the call returns when the thread drops its end of the channel.
        let _ = self.ended.recv_timeout(END_TIMEOUT);
    }
}
