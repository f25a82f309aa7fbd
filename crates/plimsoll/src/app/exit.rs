//! How a service failed to start, and what its process ends with.

use std::{
    io,
    process::{ExitCode, Termination},
    time::Duration,
};

use super::SetupError;
use crate::{
    background::WorkerError,
    config::{ConfigErrors, duration_text},
    server::BindError,
};

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] StartFailure);

#[derive(Debug, thiserror::Error)]
pub(super) enum StartFailure {
    #[error(transparent)]
    Config(ConfigErrors),
    #[error(transparent)]
    Bind(BindError),
    #[cfg(feature = "tls")]
    #[error("TLS cannot be served")]
    Tls(#[source] crate::server::TlsError),
    #[error("set-up failed")]
    Setup(#[source] SetupError),
    #[error("routes of builder and set-up clash: {0}")]
    RoutesClash(String),
    #[error("set-up panicked")]
    SetupPanicked,
    #[error(
        "`App::setup` was called twice, and a service has one set-up: \
         call both functions from one"
    )]
    TwoSetups,
    #[error(
        "`App::run` was called inside a tokio runtime, and it starts runtimes of its own: \
         remove `#[tokio::main]` from `main`, or use `App::prepare` and `Prepared::serve`"
    )]
    InsideRuntime,
    #[error(
        "a subscriber of `tracing` was installed before `App::run`, which installs its own: \
         remove it, such as `tracing_subscriber::fmt().init()`, give layers to \
         `App::tracing_layer`, or use `App::prepare`"
    )]
    ForeignSubscriber,
    #[error("the service was told to end before it had started")]
    Cancelled,
    #[error(
        "the service's route {0} is one of the chassis's own paths: choose another path, release an \
         alias with `App::release_alias`, or set INFRA_ENDPOINTS=admin"
    )]
    RouteTaken(&'static str),
    #[error(
        "the shutdown hooks have {} of their own, but {} are declared: \
        pass the sum to `App::extra_hook_time`",
        duration_text(*sum),
        duration_text(*declared)
    )]
    HookTime { sum: Duration, declared: Duration },
    #[error(transparent)]
    Worker(WorkerError),
    #[error("the operating system gave no {what}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// The mistakes in the settings, if that is what it was.
    #[must_use]
    pub fn config_errors(&self) -> Option<&ConfigErrors> {
        match &self.0 {
            StartFailure::Config(errors) => Some(errors),
            _ => None,
        }
    }

    /// [`ConfigErrors::EXIT_STATUS`] (`EX_CONFIG` of sysexits) for mistakes in the settings, else 1.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        if self.config_errors().is_some() {
            ConfigErrors::EXIT_STATUS
        } else {
            1
        }
    }
}

/// The status that the process ends with. `main` returns it.
///
/// | status | meaning |
/// |---|---|
/// | 0 | ended as asked, and nothing was cut off |
/// | 1 | did not start, or an unhealthy `healthcheck` |
/// | 3 | ended as asked, but requests or hooks had to be cut off |
/// | 64 | the command line was not understood |
/// | 78 | the settings are wrong |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "return it from `main`"]
pub struct Exit(pub(super) u8);

impl Exit {
    pub(super) const SUCCESS: Self = Self(0);
    pub(super) const FAILURE: Self = Self(1);
    pub(super) const USAGE: Self = Self(64);

    /// The status as a number.
    #[must_use]
    pub const fn status(self) -> u8 {
        self.0
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.0)
    }
}
