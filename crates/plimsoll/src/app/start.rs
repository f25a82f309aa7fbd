//! From a prepared service to one that accepts connections, and back.

#[cfg(feature = "testing")]
use std::net::SocketAddr;
use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    runtime,
    time::{Instant, timeout},
};

use super::{Handle, Prepared, StartError, admin::AdminListener, exit::StartFailure, router, tls};
use crate::{
    background::Supervision,
    config::{BodyMemory, Config, InfraEndpoints, Level, Notes, Settings},
    edge::{Edge, EndpointSet},
    lifecycle::{
        ForcedShutdown, Hooks, Lifecycle, MIN_FLUSH, ShutdownOutcome, ShutdownReport,
        ShutdownSequence, Stop,
    },
    metrics::Registry,
    otlp::Tracer,
    server::{AcceptConfig, Bound},
    telemetry::Log,
};

/// How long the last spans may take: a collector that hangs delays the end by no more.
const TRACES: Duration = Duration::from_millis(1900);

/// The addresses that a service has taken.
#[derive(Debug)]
pub(super) struct Bindings {
    main: Bound,
    admin: Option<AdminListener>,
}

/// A service that accepts connections.
#[derive(Debug)]
pub(crate) struct Running {
    #[cfg(feature = "testing")]
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) log: Log,
    lifecycle: Arc<Lifecycle>,
    registry: Arc<Registry>,
    hooks: Hooks,
    /// Answers until the very end.
    admin: Option<AdminListener>,
    drain_delay: Duration,
    shutdown_timeout: Duration,
    /// Where the service's own code runs, hooks included.
    runtime: runtime::Handle,
    tracer: Tracer,
}

impl<S: Settings> Prepared<S> {
    /// Takes the addresses, that of the main listener unless it was handed over, and begins to answer
    /// on the admin listener.
    pub(super) fn bind(&self, main: Option<Bound>) -> Result<Bindings, StartError> {
        let config = &self.handle.config;
        let main = match main {
            Some(main) => main,
            None => Bound::bind(&config.listen).map_err(StartFailure::Bind)?,
        };
        let admin = match &config.admin_addr {
            Some(addr) => Some(AdminListener::start(addr, self)?),
            None => None,
        };
        Ok(Bindings { main, admin })
    }

    /// Sets the service up and lets connections in, on the present runtime.
    pub(super) async fn start_on(self, bindings: Bindings) -> Result<Running, StartError> {
        let Bindings { main, admin } = bindings;
        let Self {
            router,
            layers,
            endpoints,
            setup,
            handle,
            lifecycle,
            registry,
            notes,
            workers,
            pulse,
            reload,
            edge,
            tracer,
        } = self;
        let Handle {
            config,
            readiness,
            hooks,
            background,
            log,
            shutdown,
            ..
        } = handle.clone();
        tell_notes(&log, &notes, &config);
        let tls = tls::load(&config, &registry)?;
        let tls_reader = tls.as_ref().map(tls::start_reader).transpose()?;
        let endpoints = match config.infra_endpoints {
            InfraEndpoints::Admin => EndpointSet::NONE,
            _ => endpoints,
        };
        // Before set-up, which may change things that last, such as a schema.
        router::check(&router, endpoints)?;
        let router = match setup.0 {
            // A task of its own, so that a panic is an error like any other.
            Some(setup) => match tokio::spawn(setup(handle)).await {
                Ok(more) => router::merge(router, more.map_err(StartFailure::Setup)?)?,
                Err(_) => return Err(StartFailure::SetupPanicked.into()),
            },
            None => router,
        };
        if let Some(sum) = hooks.undeclared() {
            let declared = hooks.extra_time();
            return Err(StartFailure::HookTime { sum, declared }.into());
        }
        background.check().map_err(StartFailure::Worker)?;
        let router = router::complete(router, layers, endpoints, &registry, &log)?;
        #[cfg(feature = "testing")]
        let local_addr = main.local_addr();
        let address = main.display_addr();
        let acceptor = AcceptConfig {
            edge: Edge::new(router, edge, endpoints),
            connections: Arc::clone(&lifecycle.connections),
            registry: Arc::clone(&registry),
            log: log.clone(),
            read_timeout: config.read_timeout,
            idle_timeout: config.idle_timeout,
            write_timeout: config.write_timeout,
            max_connections: config.max_connections,
            tls: tls.clone(),
            http2_cleartext: config.http2_cleartext,
            heartbeats: pulse,
            proxies: config
                .proxy_protocol
                .then(|| config.trusted_proxies.clone()),
        };
        // Ready first: whoever connects finds it so.
        if !lifecycle.start() {
            return Err(StartFailure::Cancelled.into());
        }
        acceptor.start(main, workers).map_err(StartFailure::Bind)?;
        background.start(&Supervision {
            runtime: &runtime::Handle::current(),
            lifecycle: &lifecycle,
            token: &shutdown,
            readiness: &readiness,
            restarts: &registry.restarts,
            log: &log,
        });
        if let (Some(tls), Some(reader)) = (&tls, tls_reader) {
            tls::keep_fresh(tls, reader, reload, registry.clone(), log.clone());
        }
        log.always(Level::Info, "infra_app_ready", |record| {
            record.str("service", config.build.service());
            record.str("version", config.build.version());
            record.str("address", &address);
            record.number("workers", config.workers);
        });
        readiness.log_start();
        Ok(Running {
            #[cfg(feature = "testing")]
            local_addr,
            log,
            lifecycle,
            registry,
            hooks,
            admin,
            drain_delay: config.drain_delay,
            shutdown_timeout: config.shutdown_timeout,
            runtime: runtime::Handle::current(),
            tracer,
        })
    }
}

/// Says what is odd about the settings, without being wrong.
fn tell_notes(log: &Log, notes: &Notes, config: &Config) {
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

impl Running {
    /// Ends the service: lame duck, drain, hooks, flush. `force` makes it skip to the flush.
    /// The runtime must not be waited for afterwards: the flush may hang in it.
    pub(crate) async fn end(self, stop: Stop, force: impl Future<Output = ()>) -> ShutdownReport {
        let drain = ShutdownSequence {
            lifecycle: &self.lifecycle,
            registry: &self.registry,
            log: &self.log,
            hooks: &self.hooks,
            drain_delay: self.drain_delay,
            shutdown_timeout: self.shutdown_timeout,
            runtime: &self.runtime,
        };
        let mut force = ForcedShutdown::new(force);
        let ShutdownOutcome { report, flush } = drain.run(stop, &mut force).await;
        let flush = end_traces(&self.tracer, &self.log, flush, &mut force).await;
        let last = report.clone();
        // The log's own thread writes: there may be no other thread to be had. It may be stuck on a
        // reader of stdout that has stopped; the last record is missing then.
        let mut written =
            self.log
                .begin_finish(Level::Info, "shutdown_complete", move |record, totals| {
                    last.write(record, totals);
                });
        if force.or(timeout(flush, &mut written)).await.is_none() {
            let _ = timeout(flush.min(MIN_FLUSH), written).await;
        }
        drop(self.admin);
        report
    }
}

/// Sends the spans that are left, and says how many there were. Gives what is left of the time.
async fn end_traces(
    tracer: &Tracer,
    log: &Log,
    flush: Duration,
    force: &mut ForcedShutdown<impl Future<Output = ()>>,
) -> Duration {
    let began = Instant::now();
    let limit = TRACES.min(flush.saturating_sub(MIN_FLUSH));
    if force.or(tracer.close(limit)).await.is_none() {
        // Not sent any more, but counted.
        tracer.close(Duration::ZERO).await;
    }
    let Some(spans) = tracer.totals() else {
        return flush;
    };
    log.infra(Level::Info, "trace_export_ended", |record| {
        record.number("spansProduced", spans.produced);
        record.number("spansExported", spans.exported);
        record.number("spansDropped", spans.total_dropped());
    });
    flush.saturating_sub(began.elapsed()).max(MIN_FLUSH)
}
