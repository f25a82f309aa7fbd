//! What set-up gets from the service.

use std::{future::Future, sync::Arc, time::Duration};

use super::{Connect, SetupError};
use crate::{
    background::{BackgroundWorkers, Worker},
    config::Config,
    lifecycle::Hooks,
    lifecycle::Readiness,
    metrics::Metrics,
    shutdown::ShutdownToken,
    telemetry::Log,
};
#[cfg(feature = "client")]
use crate::{metrics::Registry, otlp::Tracer};

/// The running service, as its set-up and its handlers see it. Clones are the same service.
#[derive(Debug)]
pub struct Handle<S = ()> {
    pub(super) config: Arc<Config>,
    pub(super) settings: Arc<S>,
    pub(super) readiness: Readiness,
    pub(super) hooks: Hooks,
    pub(super) background: BackgroundWorkers,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    pub(super) shutdown: ShutdownToken,
    #[cfg(feature = "client")]
    pub(super) clients: ClientMetrics,
}

/// What a layer for clients needs of the service.
#[cfg(feature = "client")]
#[derive(Debug, Clone)]
pub(super) struct ClientMetrics {
    pub(super) registry: Arc<Registry>,
    pub(super) tracer: Tracer,
}

impl<S> Handle<S> {
    /// The chassis's settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The service's own settings.
    #[must_use]
    pub fn settings(&self) -> &S {
        &self.settings
    }

    /// The switch of readiness.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Where the service registers metrics of its own.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Makes a layer for an HTTP client of the service, whose calls are labelled with `peer`.
    ///
    /// `peer` is a name for the other service, such as `inventory`. The first 100 names have series
    /// of their own in the metrics, and all others share `_other`.
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

    /// The service's log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Tells work without an end of its own when to go: event streams, WebSockets, consumers.
    #[must_use]
    pub fn shutdown_token(&self) -> ShutdownToken {
        self.shutdown.clone()
    }

    /// Runs a background worker: a task beside the requests, which is restarted when it fails.
    ///
    /// It starts when set-up has succeeded, on the service's runtime. A run that panics or returns
    /// before the shutdown is logged, counted in `worker_task_restarts_total`, and followed by another:
    /// after 100 ms, doubling to 30 s; a run of 30 s resets the delay. `task` makes the future of each
    /// run. When the drain begins, the token is cancelled, and the drain waits for the worker as for a
    /// request in flight. One that still runs after `SHUTDOWN_TIMEOUT` is cut off, and the exit status
    /// is 3.
    ///
    /// `name` is a letter, then `a–z`, `0–9` or `_`, 32 characters at most. A name that is invalid or
    /// repeated is a start error. A worker that is registered after set-up never runs, and an ERROR is
    /// logged. With [`Prepared::layer`](crate::Prepared::layer) alone, no worker runs.
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
    ///             // Send what is in the outbox.
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

    /// Retries an async constructor until it succeeds, such as that of a connection pool.
    ///
    /// Each failed attempt is logged as `connect_failed`, with passwords masked. The next attempt
    /// begins after 100 ms, doubling to 5 s. There is no limit unless [`Connect::within`] sets one; a
    /// signal cancels set-up, and with it the attempts.
    ///
    /// # Errors
    ///
    /// Awaiting it returns [`ConnectError`](crate::ConnectError) if the limit has passed.
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
        Connect::new(name, self.log.clone(), constructor)
    }

    /// Runs `future` after the last request, before the process ends.
    ///
    /// Hooks run one after the other, the last registered first, on the service's runtime. They share
    /// 2.4 s at least: each has the time that is left, divided by the hooks that are left. A hook that
    /// does not end by then is cut off, and the exit status is 3; a hook that is cut off or panics is
    /// named in a WARNING. `future` is dropped without being polled if the service never started.
    ///
    /// [`on_shutdown_within`](Self::on_shutdown_within) is for a hook that needs longer. Work that
    /// goes on while the service runs is a task that waits for the
    /// [shutdown token](Self::shutdown_token).
    pub fn on_shutdown(&self, name: &str, future: impl Future<Output = ()> + Send + 'static) {
        self.hooks.push(name, None, future);
    }

    /// Runs `future` like [`on_shutdown`](Self::on_shutdown), with a limit of its own.
    ///
    /// The sum of these limits is declared by [`App::extra_hook_time`](crate::App::extra_hook_time),
    /// since the whole shutdown may take so much longer: a sum above it is a start error. A limit that
    /// is registered after the start gets what is left of the declared time; when that is used up, the
    /// hook shares the time of the others. After a second signal limits do not count.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use plimsoll::{Handle, App, SetupError, build_info};
    ///
    /// async fn set_up(handle: Handle) -> Result<Router, SetupError> {
    ///     handle.on_shutdown_within("upload", Duration::from_secs(20), async { /* … */ });
    ///     Ok(Router::new())
    /// }
    ///
    /// let service = App::new(build_info!())
    ///     .extra_hook_time(Duration::from_secs(20))
    ///     .setup(set_up);
    /// # drop(service);
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
            metrics: self.metrics.clone(),
            log: self.log.clone(),
            shutdown: self.shutdown.clone(),
            #[cfg(feature = "client")]
            clients: self.clients.clone(),
        }
    }
}
