//! A service whose settings are known and whose log works, and that has not started.

use std::{future::Future, path::PathBuf, sync::Arc};

use axum::Router;
use tokio::{runtime, sync::Notify};

#[cfg(feature = "client")]
use super::handle::ClientMetrics;
use super::{App, Handle, Setup, StartError, exit::StartFailure, router::Layers, start::Running};
use crate::{
    background::BackgroundWorkers,
    config::{Config, Environment, Level, Loaded, Notes, Settings, load},
    edge::{self, EdgeLayer, EndpointSet},
    lifecycle::Readiness,
    lifecycle::{Heartbeats, Hooks, Lifecycle, ShutdownReport, Stop},
    metrics::Registry,
    otlp::Tracer,
    shutdown::ShutdownToken,
    telemetry::{Log, Output},
};

/// A service that is ready to start, for whoever brings a runtime or a server of their own.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use plimsoll::{App, build_info};
/// use tracing_subscriber::prelude::*;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let service = App::new(build_info!())
///     .router(Router::new().route("/hello", get(|| async { "hello\n" })))
///     .prepare()?;
/// tracing_subscriber::registry().with(service.log().layer()).init();
/// let report = service.serve(async { let _ = tokio::signal::ctrl_c().await; }).await?;
/// assert_eq!(report.requests_cut_off, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Prepared<S = ()> {
    pub(super) router: Router,
    pub(super) layers: Layers,
    /// The paths of the chassis that are not released.
    pub(super) endpoints: EndpointSet,
    pub(super) setup: SetUp<S>,
    pub(super) handle: Handle<S>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) registry: Arc<Registry>,
    pub(super) notes: Notes,
    /// Where connections are served; on the present runtime if there are none.
    pub(super) workers: Vec<runtime::Handle>,
    pub(super) pulse: Arc<Heartbeats>,
    /// Asks for the files of TLS to be read again.
    pub(super) reload: Arc<Notify>,
    pub(super) edge: Arc<edge::EdgeState>,
    pub(super) tracer: Tracer,
}

/// A set-up, if there is one.
pub(super) struct SetUp<S>(pub(super) Option<Setup<S>>);

impl<S> std::fmt::Debug for SetUp<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SetUp").field(&self.0.is_some()).finish()
    }
}

impl<S: Settings> App<S> {
    /// Reads the settings and starts the log; nothing else.
    ///
    /// # Errors
    ///
    /// If settings are wrong: all mistakes at once. If there is no descriptor or thread for the log.
    /// If [`App::setup`] was called twice.
    pub fn prepare(mut self) -> Result<Prepared<S>, StartError> {
        self.check_builder()?;
        let environment = self.take_environment(None);
        let loaded = load::<S>(&self.build, &environment).map_err(StartFailure::Config)?;
        let log = self.start_log(&loaded.config)?;
        let tracer = start_tracer(&loaded.config, &log)?;
        if !self.layers.is_empty() {
            log.infra(Level::Warning, "tracing_layers_unused", |record| {
                record.str(
                    "hint",
                    "`App::prepare` installs no subscriber: add the layers to your own",
                );
            });
        }
        Ok(self.prepare_with(loaded, log, Vec::new(), tracer))
    }

    /// Rejects mistakes of the program itself, which no setting can repair.
    pub(super) fn check_builder(&self) -> Result<(), StartFailure> {
        if self.has_two_setups {
            return Err(StartFailure::TwoSetups);
        }
        Ok(())
    }

    /// Where settings are read from: what the program gives, or else the process's own, with the
    /// program's defaults.
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

    pub(super) fn start_log(&mut self, config: &Config) -> Result<Log, StartError> {
        let system = |what| move |source| StartFailure::System { what, source };
        let output = match self.output.take() {
            Some(output) => output,
            None => Output::stdout().map_err(system("descriptor for the log"))?,
        };
        let levels = config.log_level.clone();
        let threads = shards(config);
        let log = Log::start(output, config.log_format, levels, threads);
        Ok(log.map_err(system("thread for the log"))?)
    }

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
            ..
        } = loaded;
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
            metrics: registry.user.clone(),
            log,
            #[cfg(feature = "client")]
            clients: ClientMetrics {
                registry: Arc::clone(&registry),
                tracer: tracer.clone(),
            },
        };
        let setup = SetUp(self.setup);
        let pulse = Heartbeats::start(&workers);
        let edge = edge::EdgeState::new(
            &handle.config,
            Arc::clone(&registry),
            Arc::clone(&lifecycle),
            handle.log.clone(),
            Arc::clone(&pulse),
            handle.shutdown.clone(),
            tracer.clone(),
        );
        Prepared {
            router: self.router,
            layers: self.routing_layers,
            endpoints: self.endpoints,
            setup,
            handle,
            lifecycle,
            registry,
            notes,
            pulse,
            reload: Arc::new(Notify::new()),
            edge,
            tracer,
            workers,
        }
    }
}

/// Starts to export spans, if the settings say where to.
pub(super) fn start_tracer(config: &Config, log: &Log) -> Result<Tracer, StartError> {
    let system = |source| StartFailure::System {
        what: "means to export traces",
        source,
    };
    Ok(Tracer::start(config, log).map_err(system)?)
}

/// Buffers and counters are split over this many shards: one a worker, and one for all others.
fn shards(config: &Config) -> usize {
    config.workers + 1
}

impl<S: Settings> Prepared<S> {
    /// The chassis's settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.handle.config
    }

    /// The log, whose [`layer`](Log::layer) a subscriber of your own needs.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.handle.log
    }

    /// Makes spans of `tracing` parts of the traces of their requests, for a subscriber of your own.
    /// Nothing if traces are off; a subscriber takes that for a layer, too.
    #[cfg(feature = "otlp")]
    #[must_use]
    pub fn trace_layer(&self) -> Option<crate::SpanExportLayer> {
        self.tracer.layer()
    }

    /// The handling of requests as a tower layer, for a server of your own. [`Prepared::serve`] may
    /// follow: both then serve, and share readiness, metrics and log.
    ///
    /// The end is that server's business, too: nothing drains, no hook runs, and the shutdown token
    /// never tells.
    ///
    /// Nor does anybody send the last spans, if there are traces. A span waits for others to be sent
    /// with, up to `OTEL_BSP_SCHEDULE_DELAY` (5 s by default), and those that wait when the process
    /// ends are lost.
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
        // Whoever uses the layer serves already, or is about to.
        self.lifecycle.start();
        EdgeLayer::new(Arc::clone(&self.edge))
    }

    /// What a set-up would get: metrics, readiness, settings. Hooks run and the shutdown token tells
    /// at the end of [`Prepared::serve`], and never for a [layer](Prepared::layer) alone.
    #[must_use]
    pub fn handle(&self) -> &Handle<S> {
        &self.handle
    }

    /// Serves on the present runtime until `stop` is there, then ends as a signal would end it, and
    /// returns the report.
    ///
    /// Installs nothing that the process has only once: no subscriber, no panic hook, no signals.
    ///
    /// # Errors
    ///
    /// If the address is taken, a route clashes, or set-up fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves listener and connections to the runtime: let it end by `stop`.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<ShutdownReport, StartError> {
        let running = self.start().await?;
        stop.await;
        Ok(running.end(Stop::Requested, std::future::pending()).await)
    }

    /// Listens somewhere else than the settings say, such as on a port that the system chooses.
    #[cfg(feature = "testing")]
    pub(crate) fn listen_on(mut self, addr: std::net::SocketAddr) -> Self {
        if let Some(config) = Arc::get_mut(&mut self.handle.config) {
            config.listen = crate::config::ListenAddr::Tcp(addr);
        }
        self
    }

    /// Starts on the present runtime.
    pub(crate) async fn start(self) -> Result<Running, StartError> {
        let bindings = self.bind(None)?;
        self.start_on(bindings).await
    }
}
