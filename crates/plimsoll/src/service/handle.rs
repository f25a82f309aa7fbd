//! What set-up gets from the service.

use std::{future::Future, sync::Arc};

use crate::{
    config::Config, health::Readiness, lifecycle::Hooks, metrics::Metrics, shutdown::ShutdownToken,
    telemetry::Log,
};

/// The running service, as its set-up and its handlers see it. Clones are the same service.
#[derive(Debug)]
pub struct Handle<S = ()> {
    pub(super) config: Arc<Config>,
    pub(super) settings: Arc<S>,
    pub(super) readiness: Readiness,
    pub(super) hooks: Hooks,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    pub(super) shutdown: ShutdownToken,
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

    /// Runs `work` when the last request has ended, before the process does.
    ///
    /// Hooks run one after the other, the last registered first, on the service's runtime. Together
    /// they have 2.4 s at least; one that does not end by then, or panics, is named in a WARNING. `work` is
    /// dropped without being run if the service never started.
    pub fn on_shutdown(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) {
        self.hooks.push(name, work);
    }
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            settings: Arc::clone(&self.settings),
            readiness: self.readiness.clone(),
            hooks: self.hooks.clone(),
            metrics: self.metrics.clone(),
            log: self.log.clone(),
            shutdown: self.shutdown.clone(),
        }
    }
}
