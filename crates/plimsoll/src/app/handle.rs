//! The handle of a service, which set-up receives.

use std::{future::Future, sync::Arc, time::Duration};

use super::{connect::Connect, exit::SetupError};
use crate::{
    background::{BackgroundWorkers, Worker},
    check::{Check, Checks, RegisterCheckError},
    config::Config,
    lifecycle::{Hooks, Readiness, StartupTimes},
    metrics::Metrics,
    shutdown::ShutdownToken,
    telemetry::Log,
};
#[cfg(feature = "client")]
use crate::{metrics::Registry, otlp::Tracer};

/// Gives set-up and handlers access to the service. Clones refer to the same service.
#[derive(Debug)]
pub struct Handle<S = ()> {
    pub(super) config: Arc<Config>,
    pub(super) settings: Arc<S>,
    pub(super) readiness: Readiness,
    pub(super) hooks: Hooks,
    pub(super) background: BackgroundWorkers,
    pub(super) checks: Checks,
    pub(super) startup: StartupTimes,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    pub(super) shutdown: ShutdownToken,
    #[cfg(feature = "client")]
    pub(super) clients: ClientMetrics,
}

/// The parts of the service that client layers use.
#[cfg(feature = "client")]
#[derive(Debug, Clone)]
pub(super) struct ClientMetrics {
    pub(super) registry: Arc<Registry>,
    pub(super) tracer: Tracer,
}

impl<S> Handle<S> {
    /// Returns the chassis's settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the service's own settings.
    #[must_use]
    pub fn settings(&self) -> &S {
        &self.settings
    }

    /// Returns the readiness switch.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Returns the registry of the service's own metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Creates a layer for an HTTP client of the service. Metrics label its calls with `peer`.
    ///
    /// `peer` is the name of the other service, such as `inventory`. The first 100 names have their own
    /// metric series, and all others share `_other`.
    ///
    /// ```
    /// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    /// use plimsoll::{ClientService, Handle};
    /// use tower::Layer;
    ///
    /// type Body = http_body_util::Empty<bytes::Bytes>;
    /// type Connector = hyper_util::client::legacy::connect::HttpConnector;
    ///
    /// fn inventory(handle: &Handle) -> ClientService<Client<Connector, Body>> {
    ///     let client = Client::builder(TokioExecutor::new()).build_http();
    ///     handle.client_layer("inventory").layer(client)
    /// }
    /// ```
    #[cfg(feature = "client")]
    #[must_use]
    pub fn client_layer(&self, peer: &str) -> crate::ClientLayer {
        let ClientMetrics { registry, tracer } = self.clients.clone();
        crate::ClientLayer::new(registry, tracer, peer)
    }

    /// Returns the service's log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Returns a token that signals the shutdown to event streams, WebSockets and queue consumers.
    #[must_use]
    pub fn shutdown_token(&self) -> ShutdownToken {
        self.shutdown.clone()
    }

    /// Registers a background worker, a task that runs beside the requests.
    ///
    /// It starts after set-up has succeeded, on the service's runtime. `task` creates the future of each
    /// run. If a run panics or returns before the shutdown, it is logged and counted in
    /// `worker_task_restarts_total`. The next run starts after 100 ms, doubling to 30 s. A run of 30 s
    /// resets the delay.
    ///
    /// When the drain begins, the token is cancelled. The drain waits for the worker as for a request in
    /// flight. If it still runs after `SHUTDOWN_TIMEOUT`, it is cut off, and the exit status is 3.
    ///
    /// `name` is a letter, then `a–z`, `0–9` or `_`, 32 characters at most. An invalid or repeated name
    /// is a start error. If a worker is registered after set-up, it never runs, and an ERROR is logged.
    /// With [`Prepared::layer`](crate::Prepared::layer) alone, no worker runs.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use plimsoll::{Handle, SetupError, ShutdownToken};
    ///
    /// async fn set_up(handle: Handle) -> Result<Router, SetupError> {
    ///     handle.worker("outbox", |shutdown: ShutdownToken| async move {
    ///         let pause = || tokio::time::sleep(Duration::from_secs(1));
    ///         while shutdown.run_until(pause()).await.is_some() {
    ///             // Send the messages of the outbox.
    ///         }
    ///     });
    ///     Ok(Router::new())
    /// }
    /// # drop(plimsoll::App::new(plimsoll::build_info!()).setup(set_up));
    /// ```
    pub fn worker<F, Fut>(&self, name: &'static str, task: F) -> Worker
    where
        F: Fn(ShutdownToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.background.register(name, task, &self.log)
    }

    /// Registers a health check, during set-up.
    ///
    /// After set-up, one round of the required checks runs, for 2 s at most; then connections are
    /// accepted. A required check that has failed is tried again within 2 s. When the shutdown
    /// begins, runs in progress are dropped, and no run starts.
    ///
    /// With [`Prepared::layer`](crate::Prepared::layer) alone, no check runs. See [`check`](crate::check)
    /// for the policies and for ready-made checks.
    ///
    /// # Errors
    ///
    /// If the check is invalid, its name is taken, or set-up has ended. The error names the cause.
    pub fn check(&self, check: Check) -> Result<(), RegisterCheckError> {
        self.checks.register(check)
    }

    /// Retries an async constructor until it succeeds, such as that of a connection pool.
    ///
    /// Each failed attempt is logged as `connect_failed`, with passwords masked. The next attempt
    /// starts after 100 ms, doubling to 5 s. There is no limit unless [`Connect::within`] sets one. A
    /// signal cancels set-up, and with it the attempts.
    ///
    /// # Errors
    ///
    /// If the limit passes, awaiting it returns [`ConnectError`](crate::ConnectError).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use plimsoll::{Handle, SetupError};
    /// use tokio::net::TcpStream;
    ///
    /// async fn set_up(handle: Handle) -> Result<Router, SetupError> {
    ///     let cache = handle
    ///         .connect("cache", || TcpStream::connect("cache.internal:6379"))
    ///         .within(Duration::from_secs(60))
    ///         .await?;
    ///     # drop(cache);
    ///     Ok(Router::new())
    /// }
    /// # drop(plimsoll::App::new(plimsoll::build_info!()).setup(set_up));
    /// ```
    pub fn connect<F, Fut, T, E>(&self, name: &str, constructor: F) -> Connect<F>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<SetupError> + Send + 'static,
    {
        Connect::new(name, self.log.clone(), self.startup.clone(), constructor)
    }

    /// Registers a shutdown hook, which runs after the last request and before the process exits.
    ///
    /// Hooks run one after the other on the service's runtime, the last registered first. They share at
    /// least 2.4 s. The limit of each is the time that is left, divided by the hooks that are left. If a
    /// hook exceeds its limit, it is cut off, and the exit status is 3. A hook that is cut off or panics
    /// is named in a WARNING. If the service never started, `future` is dropped without being polled.
    ///
    /// For a hook that needs longer, use [`on_shutdown_within`](Self::on_shutdown_within). A task that
    /// runs while the service runs waits for the [shutdown token](Self::shutdown_token) instead.
    pub fn on_shutdown(&self, name: &str, future: impl Future<Output = ()> + Send + 'static) {
        self.hooks.push(name, None, future);
    }

    /// Registers a shutdown hook like [`on_shutdown`](Self::on_shutdown), with a limit of its own.
    ///
    /// [`App::extra_hook_time`](crate::App::extra_hook_time) declares the sum of these limits, because it
    /// extends the hard limit of the shutdown. If the sum exceeds it, the start fails. A hook that is
    /// registered after the start gets the declared time that is left. If none is left, it shares the
    /// time of the other hooks. After a second signal, these limits are ignored.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use plimsoll::{App, Handle, SetupError, build_info};
    ///
    /// async fn set_up(handle: Handle) -> Result<Router, SetupError> {
    ///     handle.on_shutdown_within("upload", Duration::from_secs(20), async { /* … */ });
    ///     Ok(Router::new())
    /// }
    ///
    /// let app = App::new(build_info!())
    ///     .extra_hook_time(Duration::from_secs(20))
    ///     .setup(set_up);
    /// # drop(app);
    /// ```
    pub fn on_shutdown_within(
        &self,
        name: &str,
        limit: Duration,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        self.hooks.push(name, Some(limit), future);
    }
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            settings: Arc::clone(&self.settings),
            readiness: self.readiness.clone(),
            hooks: self.hooks.clone(),
            background: self.background.clone(),
            checks: self.checks.clone(),
            startup: self.startup.clone(),
            metrics: self.metrics.clone(),
            log: self.log.clone(),
            shutdown: self.shutdown.clone(),
            #[cfg(feature = "client")]
            clients: self.clients.clone(),
        }
    }
}
