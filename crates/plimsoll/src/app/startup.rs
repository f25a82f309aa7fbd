//! Starts a prepared service: binds its addresses, runs set-up, accepts connections.

use std::sync::Arc;

use tokio::runtime;

use super::{
    admin::AdminListener,
    exit::{StartError, StartFailure},
    prepared::Prepared,
    router,
    running::Running,
    tls::{self, MainTls},
};
use crate::{
    background::Supervision,
    check::CheckContext,
    config::{BodyMemory, Config, InfraEndpoints, Level, Notes, Settings},
    edge::{Edge, EndpointSet, Routes},
    lifecycle::StepKind,
    server::{AcceptConfig, Bound},
    telemetry::Log,
};

/// A service whose addresses are bound.
#[derive(Debug)]
pub(super) struct Startup<S> {
    service: Prepared<S>,
    main: Bound,
    admin: Option<AdminListener>,
}

impl<S: Settings> Startup<S> {
    /// Binds the addresses, and starts the admin listener.
    ///
    /// `main` is the socket of the service manager, which replaces the main address of the settings.
    pub(super) fn bind(service: Prepared<S>, main: Option<Bound>) -> Result<Self, StartError> {
        let config = service.config();
        let main = match main {
            Some(main) => main,
            None => Bound::bind(&config.listen).map_err(StartFailure::Bind)?,
        };
        let admin = match &config.admin_addr {
            Some(addr) => Some(AdminListener::start(addr, &service)?),
            None => None,
        };
        Ok(Self {
            service,
            main,
            admin,
        })
    }

    /// Runs set-up, then accepts connections. Set-up, hooks and background workers use the current
    /// runtime.
    pub(super) async fn run(mut self) -> Result<Running, StartError> {
        let Prepared {
            handle,
            registry,
            notes,
            ..
        } = &self.service;
        log_notes(&handle.log, notes, &handle.config);
        let times = self.service.lifecycle.startup.clone();
        let timed = |name| times.begin(StepKind::Phase, name);
        let reading = timed("TLS files");
        let tls = tls::start(&handle.config, registry)?;
        reading.end();
        let setting_up = timed("set-up");
        let routes = self.set_up().await?;
        setting_up.end();
        let checking = timed("first checks");
        let first_round = self.start_checks();
        first_round.await;
        checking.end();
        let listening = timed("listen");
        let running = self.serve(routes, tls)?;
        listening.end();
        Ok(running)
    }

    /// Starts the health checks. Returns a future that ends with the first round of the required ones.
    fn start_checks(&self) -> impl Future<Output = ()> + Send + use<S> {
        let Prepared {
            handle,
            lifecycle,
            registry,
            workers,
            ..
        } = &self.service;
        let context = CheckContext {
            runtime: &runtime::Handle::current(),
            lifecycle,
            readiness: &handle.readiness,
            log: &handle.log,
            metrics: &registry.checks,
            // Without workers the program has its own runtime, and the chassis no watchdog.
            has_watchdog: !workers.is_empty(),
        };
        handle.checks.start(&context)
    }

    /// Runs set-up, and completes the routes.
    async fn set_up(&mut self) -> Result<Routes, StartError> {
        let endpoints = self.main_endpoints();
        let service = &mut self.service;
        let router = std::mem::take(&mut service.router);
        // Before set-up, which may make permanent changes, such as to a database schema.
        router::check(&router, endpoints)?;
        let router = match service.setup.0.take() {
            // A separate task turns a panic into an error.
            Some(setup) => match tokio::spawn(setup(service.handle.clone())).await {
                Ok(more) => router::merge(router, more.map_err(StartFailure::Setup)?)?,
                Err(_) => return Err(StartFailure::SetupPanicked.into()),
            },
            None => router,
        };
        let handle = &service.handle;
        if let Some(sum) = handle.hooks.undeclared() {
            let declared = handle.hooks.extra_time();
            return Err(StartFailure::HookTime { sum, declared }.into());
        }
        handle.background.check().map_err(StartFailure::Worker)?;
        handle.checks.close().map_err(StartFailure::Fake)?;
        let layers = std::mem::take(&mut service.layers);
        let routes = router::complete(
            router,
            layers,
            endpoints,
            &service.registry,
            &service.handle.log,
        )?;
        Ok(routes)
    }

    /// Accepts connections, and starts the background workers.
    fn serve(self, routes: Routes, tls: Option<MainTls>) -> Result<Running, StartError> {
        let endpoints = self.main_endpoints();
        let Self {
            service,
            main,
            admin,
        } = self;
        let Prepared {
            handle,
            lifecycle,
            registry,
            workers,
            heartbeats,
            connections,
            reload,
            edge,
            tracer,
            ..
        } = service;
        let (config, log) = (handle.config, handle.log);
        #[cfg(feature = "testing")]
        let local_addr = main.local_addr();
        let address = main.display_addr();
        let acceptor = AcceptConfig {
            edge: Edge::new(routes, edge, endpoints),
            connections: Arc::clone(&lifecycle.connections),
            registry: Arc::clone(&registry),
            log: log.clone(),
            read_timeout: config.read_timeout,
            idle_timeout: config.idle_timeout,
            write_timeout: config.write_timeout,
            limiter: connections,
            max_connection_age: config.max_connection_age,
            tls: tls.as_ref().map(MainTls::config),
            http2_cleartext: config.http2_cleartext,
            heartbeats,
            proxies: config
                .proxy_protocol
                .then(|| config.trusted_proxies.clone()),
        };
        // Before connections are accepted, so that the first one finds the service ready.
        if !lifecycle.start() {
            return Err(StartFailure::Cancelled.into());
        }
        acceptor.start(main, workers).map_err(StartFailure::Bind)?;
        let runtime = runtime::Handle::current();
        handle.background.start(&Supervision {
            runtime: &runtime,
            lifecycle: &lifecycle,
            token: &handle.shutdown,
            readiness: &handle.readiness,
            restarts: &registry.restarts,
            log: &log,
        });
        if let Some(tls) = tls {
            tls.watch(reload, Arc::clone(&registry), log.clone());
        }
        log.always(Level::Info, "infra_app_ready", |record| {
            record.str("service", config.build.service());
            record.str("version", config.build.version());
            record.str("address", &address);
            record.number("workers", config.workers);
        });
        handle.readiness.log_start();
        Ok(Running {
            #[cfg(feature = "testing")]
            local_addr,
            #[cfg(feature = "testing")]
            checks: handle.checks,
            log,
            lifecycle,
            registry,
            hooks: handle.hooks,
            admin,
            drain_delay: config.drain_delay,
            shutdown_timeout: config.shutdown_timeout,
            runtime,
            tracer,
        })
    }

    /// Returns the paths of the chassis that the main listener answers.
    fn main_endpoints(&self) -> EndpointSet {
        match self.service.config().infra_endpoints {
            InfraEndpoints::Admin => self.service.endpoints.info_only(),
            _ => self.service.endpoints,
        }
    }
}

/// Logs the warnings and notes about valid settings.
fn log_notes(log: &Log, notes: &Notes, config: &Config) {
    if config.debug {
        log.infra(Level::Warning, "debug_enabled", |record| {
            record.str(
                "hint",
                "answers show internals: never expose this to clients",
            );
        });
    }
    let memory = BodyMemory::of(config);
    if let (true, Some(limit)) = (memory.exceeds_limit(), memory.limit) {
        log.infra(Level::Warning, "bodies_exceed_memory", |record| {
            record.number("maxInFlight", memory.max_in_flight);
            record.number("maxBodyBytes", memory.max_body_bytes);
            record.number("memoryLimit", limit);
            record.str(
                "hint",
                "request bodies alone can exceed the memory: lower MAX_IN_FLIGHT or MAX_BODY_BYTES",
            );
        });
    }
    for typo in &notes.typos {
        log.infra(Level::Warning, "setting_unknown", |record| {
            record.str("variable", &typo.unknown);
            record.str("nearest", &typo.nearest);
        });
    }
    if !notes.aliases.is_empty() {
        log.infra(Level::Info, "settings_aliases", |record| {
            record.str("aliases", &notes.aliases.join("; "));
        });
    }
}
