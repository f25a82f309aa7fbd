//! The parts of the process that exist before the service: control runtime, signal handlers, limits.

use std::sync::Arc;

use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};

use super::exit::StartFailure;
use crate::{
    config::{ActivationSockets, ConfigErrors, Level},
    lifecycle::Signals,
    server::{ActivatedListener, take_activated},
    telemetry::Log,
};

/// The control runtime and the signal handlers.
///
/// The control runtime runs on the main thread. It handles signals and the shutdown, so that a blocked
/// worker does not delay them.
pub(super) struct Process {
    pub(super) control: Runtime,
    pub(super) signals: Signals,
}

impl Process {
    /// Creates the runtime, and installs the signal handlers.
    pub(super) fn install() -> Result<Self, StartFailure> {
        let control = Builder::new_current_thread().enable_all().build();
        let control = control.map_err(StartFailure::system("runtime"))?;
        let signals = control.block_on(async { Signals::install() });
        let signals = signals.map_err(StartFailure::system("signal handler"))?;
        Ok(Self { control, signals })
    }

    /// Starts the tasks for the signals that do not end the service. SIGHUP triggers `reload`.
    pub(super) fn handle_other_signals(&mut self, reload: &Arc<Notify>, log: &Log) {
        if let Some(mut hangup) = self.signals.hangup() {
            let reload = Arc::clone(reload);
            self.control.spawn(async move {
                while hangup.recv().await.is_some() {
                    reload.notify_one();
                }
            });
        }
        for (name, mut signal) in self.signals.ignored() {
            let log = log.clone();
            self.control.spawn(async move {
                while signal.recv().await.is_some() {
                    log.infra(Level::Info, "signal_ignored", |record| {
                        record.str("signal", name);
                    });
                }
            });
        }
    }
}

/// Takes the sockets that the service manager passes to the process.
pub(super) fn take_sockets(sockets: &ActivationSockets) -> Result<ActivatedListener, ConfigErrors> {
    match sockets {
        ActivationSockets::None | ActivationSockets::OfAnother { .. } => {
            Ok(ActivatedListener::default())
        }
        ActivationSockets::Named(names) => {
            take_activated(names).map_err(|found| ActivationSockets::unusable(names.len(), found))
        }
        ActivationSockets::Mistake(errors) => Err(errors.clone()),
    }
}

/// Logs that the sockets in the environment are for another process.
pub(super) fn log_ignored_sockets(sockets: &ActivationSockets, log: &Log) {
    if let ActivationSockets::OfAnother { pid } = sockets {
        log.infra(Level::Info, "sockets_ignored", |record| {
            record.number("listenPid", *pid);
        });
    }
}

/// Raises the limit of open descriptors to the hard limit (contract SRV-6).
pub(super) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Fails only if a sandbox forbids the call. The limit on connections then protects less.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    );
}
