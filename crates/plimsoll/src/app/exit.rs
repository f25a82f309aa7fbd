//! Start errors and exit statuses.

use std::{
    error::Error,
    io,
    process::{ExitCode, Termination},
    time::Duration,
};

use crate::{
    background::WorkerError,
    check::FakeError,
    config::{ConfigErrors, duration_text},
    server::BindError,
};

/// The error type of set-up.
pub type SetupError = Box<dyn Error + Send + Sync>;

/// An error that prevented a service from starting.
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
    #[error("the service was stopped before it had started")]
    Cancelled,
    #[error(
        "the service's route {0} is one of the chassis's own paths: choose another path, release an \
         alias with `App::release_alias`, remove `App::info`, or set INFRA_ENDPOINTS=admin"
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
    #[error(transparent)]
    Fake(FakeError),
    #[error("the operating system gave no {what}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl StartFailure {
    /// Returns a function that makes an error of the operating system a start failure.
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

impl StartError {
    /// Returns the configuration errors, if these are the cause.
    #[must_use]
    pub fn config_errors(&self) -> Option<&ConfigErrors> {
        match &self.0 {
            StartFailure::Config(errors) => Some(errors),
            _ => None,
        }
    }

    /// Returns [`ConfigErrors::EXIT_STATUS`] (`EX_CONFIG` of sysexits) for configuration errors, else 1.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        if self.config_errors().is_some() {
            ConfigErrors::EXIT_STATUS
        } else {
            1
        }
    }
}

/// The exit status of the process. `main` returns it.
///
/// | status | meaning |
/// |---|---|
/// | 0 | shut down, and nothing was cut off |
/// | 1 | the start failed, `healthcheck` found the service unhealthy, or `admin` got no 2xx |
/// | 3 | shut down, but requests, background workers or hooks were cut off |
/// | 64 | an argument is unknown |
/// | 78 | the settings are invalid |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "return it from `main`"]
pub struct Exit(pub(super) u8);

impl Exit {
    pub(super) const SUCCESS: Self = Self(0);
    pub(super) const FAILURE: Self = Self(1);
    pub(super) const USAGE: Self = Self(64);

    /// Returns the status as a number.
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
