//! Installs the global parts of logging: `tracing` subscriber, `log` bridge and panic hook.

use tracing::{Subscriber, subscriber::set_global_default};
use tracing_subscriber::{Layer, Registry, layer::SubscriberExt as _, registry::LookupSpan};

use super::exit::StartFailure;
use crate::{
    config::Level,
    otlp::Tracer,
    telemetry::{Log, install_panic_hook},
};

/// A layer of the program; see [`App::tracing_layer`](crate::App::tracing_layer).
pub(super) type TracingLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Installs subscriber, bridge and panic hook, with the layers of the program.
///
/// # Errors
///
/// If a subscriber is installed already. It would get the events in place of this log (contract LOG-1).
pub(super) fn install(
    log: &Log,
    tracer: &Tracer,
    layers: Vec<TracingLayer>,
) -> Result<(), StartFailure> {
    install_panic_hook(log);
    let registry = tracing_subscriber::registry();
    // Without layers, the subscriber needs no dynamic dispatch.
    if layers.is_empty() {
        subscribe(registry, log, tracer)?;
    } else {
        subscribe(registry.with(layers), log, tracer)?;
    }
    if tracing_log::LogTracer::init().is_err() {
        log.infra(Level::Warning, "logger_foreign", |record| {
            record.str(
                "hint",
                "a logger of the crate `log` was installed before `App::run`, and records of \
                 `log` go there: remove it, such as `env_logger::init()`",
            );
        });
    }
    Ok(())
}

/// Installs the layers that log events, and export spans if traces are on.
fn subscribe<S>(base: S, log: &Log, tracer: &Tracer) -> Result<(), StartFailure>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let events = base.with(log.layer().filtered());
    #[cfg(feature = "otlp")]
    // A layer that exports nothing would still be called for each span.
    if let Some(spans) = tracer.layer() {
        return set_global_default(events.with(spans)).map_err(|_| StartFailure::ForeignSubscriber);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = tracer;
    set_global_default(events).map_err(|_| StartFailure::ForeignSubscriber)
}
