//! A service whose settings are read and whose log is started.

use std::{fmt, future::Future, path::PathBuf, sync::Arc};

use axum::Router;
use tokio::{runtime, sync::Notify};

#[cfg(feature = "client")]
use super::handle::ClientMetrics;
use super::{
    builder::{App, Setup},
    exit::{StartError, StartFailure},
    handle::Handle,
    router::Layers,
    running::Running,
    startup::Startup,
};
use crate::{
    background::BackgroundWorkers,
    check::Checks,
    config::{Config, ConfigReport, Environment, Level, Loaded, Notes, Settings, load},
    edge::{self, EdgeLayer, EndpointSet},
    lifecycle::{Heartbeats, Hooks, Lifecycle, Readiness, ShutdownReport, Stop},
    metrics::Registry,
    otlp::Tracer,
    server::ConnectionLimiter,
    shutdown::ShutdownToken,
    telemetry::{Log, Output},
};

/// A service that is ready to start, for programs with their own runtime or server.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use plimsoll::{App, build_info};
/// use tracing_subscriber::prelude::*;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let app = App::new(build_info!())
///     .router(Router::new().route("/hello", get(|| async { "hello\n" })))
///     .prepare()?;
/// tracing_subscriber::registry().with(app.log().layer()).init();
/// let report = app.serve(async { let _ = tokio::signal::ctrl_c().await; }).await?;
/// assert_eq!(report.requests_cut_off, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Prepared<S = ()> {
    pub(super) router: Router,
    pub(super) layers: Layers,
    /// The paths of the chassis without released aliases.
    pub(super) endpoints: EndpointSet,
    pub(super) setup: SetupSlot<S>,
    pub(super) handle: Handle<S>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) registry: Arc<Registry>,
    pub(super) notes: Notes,
    /// The settings in force, for an operator.
    pub(super) report: Arc<ConfigReport>,
    /// The runtimes that serve connections. If empty, the current runtime does.
    pub(super) workers: Vec<runtime::Handle>,
    pub(super) heartbeats: Arc<Heartbeats>,
    /// The connections of the main listener.
    pub(super) connections: Arc<ConnectionLimiter>,
    /// Triggers a reload of the TLS files.
    pub(super) reload: Arc<Notify>,
    /// Triggers the shutdown, for an operator.
    pub(super) drain: Arc<Notify>,
    pub(super) edge: Arc<edge::EdgeState>,
    pub(super) tracer: Tracer,
}

/// The set-up function, if there is one.
pub(super) struct SetupSlot<S>(pub(super) Option<Setup<S>>);

impl<S> fmt::Debug for SetupSlot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Setup").field(&self.0.is_some()).finish()
    }
}

impl<S: Settings> App<S> {
    /// Reads the settings and starts the log.
    ///
    /// # Errors
    ///
    /// * If settings are invalid: the error contains all of them.
    /// * If the log gets no descriptor or thread.
    /// * If [`App::setup`] was called twice.
    pub fn prepare(mut self) -> Result<Prepared<S>, StartError> {
        self.check_builder()?;
        let environment = self.take_environment(None);
        let loaded = load::<S>(&self.build, &environment).map_err(StartFailure::Config)?;
        let log = self.start_log(&loaded.config)?;
        let tracer = start_tracer(&loaded.config, &log)?;
        if !self.tracing_layers.is_empty() {
            log.infra(Level::Warning, "tracing_layers_unused", |record| {
                record.str(
                    "hint",
                    "`App::prepare` installs no subscriber: add the layers to your own",
                );
            });
        }
        Ok(self.prepare_with(loaded, log, Vec::new(), tracer))
    }

    /// Rejects mistakes in the use of the builder.
    pub(super) fn check_builder(&self) -> Result<(), StartFailure> {
        if self.has_two_setups {
            return Err(StartFailure::TwoSetups);
        }
        Ok(())
    }

    /// Returns the source of the settings, with the program's defaults.
    ///
    /// It is the environment that the program sets, or that of the process.
    pub(super) fn take_environment(&mut self, env_file: Option<PathBuf>) -> Environment {
        let environment = self.environment.take();
        let environment = environment
            .unwrap_or_else(Environment::from_process)
            .with_defaults(&self.defaults);
        match env_file {
            Some(path) => environment.with_env_file(path),
            None => environment,
        }
    }

    /// Starts the log with the levels and the format of the settings.
    pub(super) fn start_log(&mut self, config: &Config) -> Result<Log, StartError> {
        let output = match self.output.take() {
            Some(output) => output,
            None => Output::stdout().map_err(StartFailure::system("descriptor for the log"))?,
        };
        let levels = config.log_level.clone();
        let threads = shards(config);
        let log = Log::start(output, config.log_format, levels, threads)
            .map_err(StartFailure::system("thread for the log"))?;
        if config.debug_on_error {
            Ok(log.with_debug_on_error())
        } else {
            Ok(log)
        }
    }

    /// Assembles the service. Without `workers`, the current runtime serves.
    pub(super) fn prepare_with(
        self,
        loaded: Loaded<S>,
        log: Log,
        workers: Vec<runtime::Handle>,
        tracer: Tracer,
    ) -> Prepared<S> {
        let Loaded {
            config,
            settings,
            notes,
            report,
            ..
        } = loaded;
        #[cfg(feature = "testing")]
        let fakes = self.fakes;
        #[cfg(not(feature = "testing"))]
        let fakes = Vec::new();
        let lifecycle = Arc::new(Lifecycle::new());
        let metrics = workers.iter().map(runtime::Handle::metrics).collect();
        let registry = Registry::new(config.build.clone(), shards(&config), metrics);
        let shutdown =
            ShutdownToken::new(Arc::clone(&lifecycle.connections), config.shutdown_timeout);
        let handle = Handle {
            shutdown,
            config: Arc::new(config),
            settings: Arc::new(settings),
            readiness: Readiness::new(Arc::clone(&lifecycle), log.clone()),
            hooks: Hooks::new(self.extra_hook_time),
            background: BackgroundWorkers::default(),
            checks: Checks::with_fakes(fakes),
            startup: lifecycle.startup.clone(),
            metrics: registry.user.clone(),
            log,
            #[cfg(feature = "client")]
            clients: ClientMetrics {
                registry: Arc::clone(&registry),
                tracer: tracer.clone(),
            },
        };
        let heartbeats = Heartbeats::start(&workers);
        let limit = handle.config.max_connections;
        let connections = ConnectionLimiter::new(limit, Arc::clone(&registry));
        let edge = edge::EdgeState::new(
            &handle.config,
            Arc::clone(&registry),
            Arc::clone(&lifecycle),
            handle.log.clone(),
            Arc::clone(&heartbeats),
            handle.shutdown.clone(),
            tracer.clone(),
        );
        Prepared {
            router: self.router,
            layers: self.routing_layers,
            endpoints: self.endpoints,
            setup: SetupSlot(self.setup),
            handle,
            lifecycle,
            registry,
            notes,
            report: Arc::new(report),
            heartbeats,
            connections,
            reload: Arc::new(Notify::new()),
            drain: Arc::new(Notify::new()),
            edge,
            tracer,
            workers,
        }
    }
}

/// Starts the export of spans, if the settings name a collector.
pub(super) fn start_tracer(config: &Config, log: &Log) -> Result<Tracer, StartError> {
    Ok(Tracer::start(config, log).map_err(StartFailure::system("means to export traces"))?)
}

/// Returns the number of shards of log buffers and counters: one for each worker, and one for the
/// other threads.
fn shards(config: &Config) -> usize {
    config.workers + 1
}

impl<S: Settings> Prepared<S> {
    /// Returns the chassis's settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.handle.config
    }

    /// Returns the log. A subscriber of your own needs its [`layer`](Log::layer).
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.handle.log
    }

    /// Returns a layer that exports `tracing` spans, for a subscriber of your own.
    ///
    /// The spans become part of the traces of their requests. If traces are off, it returns `None`, which
    /// is a layer too.
    #[cfg(feature = "otlp")]
    #[must_use]
    pub fn trace_layer(&self) -> Option<crate::SpanExportLayer> {
        self.tracer.layer()
    }

    /// Returns the request handling as a tower layer, for a server of your own.
    ///
    /// [`Prepared::serve`] may be called later. Both then serve, and share readiness, metrics and log.
    ///
    /// The server must shut itself down: there is no drain, no hook runs, and the shutdown token is never
    /// cancelled. The last spans of traces are not flushed either. Spans are sent in batches, after
    /// `OTEL_BSP_SCHEDULE_DELAY` (5 s by default) at the latest. Those that wait when the process exits
    /// are lost.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, routing::get};
    /// use plimsoll::{App, build_info};
    ///
    /// let chassis = App::new(build_info!()).prepare()?;
    /// let router: Router = Router::new().route("/hello", get(|| async { "hello\n" }));
    /// let app = router.layer(chassis.layer());
    /// # drop(app);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn layer(&self) -> EdgeLayer {
        // A server that uses the layer is about to serve.
        self.lifecycle.start();
        EdgeLayer::new(Arc::clone(&self.edge))
    }

    /// Returns the handle that set-up receives: metrics, readiness, settings.
    ///
    /// Hooks run, and the shutdown token is cancelled, at the end of [`Prepared::serve`] only. With a
    /// [layer](Prepared::layer) alone, neither happens.
    #[must_use]
    pub fn handle(&self) -> &Handle<S> {
        &self.handle
    }

    /// Serves on the current runtime until `stop` completes, then shuts down and returns the report.
    ///
    /// Installs no global parts: no subscriber, no panic hook, no signal handlers.
    ///
    /// # Errors
    ///
    /// If the address is in use, a route clashes, or set-up fails.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, listener and connections stay on the runtime. Complete `stop` instead.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<ShutdownReport, StartError> {
        let drain = Arc::clone(&self.drain);
        let running = self.start().await?;
        let stop = tokio::select! {
            () = stop => Stop::Requested,
            () = drain.notified() => Stop::Operator,
        };
        Ok(running.end(stop, std::future::pending()).await)
    }

    /// Replaces the listening address of the settings, such as by a port that the system chooses.
    #[cfg(feature = "testing")]
    pub(crate) fn listen_on(mut self, addr: std::net::SocketAddr) -> Self {
        if let Some(config) = Arc::get_mut(&mut self.handle.config) {
            config.listen = crate::config::ListenAddr::Tcp(addr);
        }
        self
    }

    /// Returns the handling of requests to the admin listener, without the listener.
    #[cfg(feature = "testing")]
    pub(crate) fn in_process_admin(&self) -> super::admin::InProcessAdmin {
        super::admin::in_process(self)
    }

    /// Starts on the current runtime.
    pub(crate) async fn start(self) -> Result<Running, StartError> {
        Startup::bind(self, None)?.run().await
    }
}
