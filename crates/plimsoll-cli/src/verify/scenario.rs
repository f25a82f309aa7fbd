//! The ways in which a service is started.
//!
//! Probes of the same scenario share a process.

use std::time::Duration;

/// How the service is started.
///
/// `{dir}` in a value is a folder that exists for one start, and `{admin}` a reserved port.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    /// The purpose, for `--plan`. It is unique.
    pub(super) name: &'static str,
    pub(super) variables: &'static [(&'static str, &'static str)],
    /// Arguments that follow those of the command.
    pub(super) arguments: &'static [&'static str],
    /// Files in the folder, with their contents.
    pub(super) files: &'static [(&'static str, &'static str)],
}

/// A start without anything special.
pub(super) const DEFAULTS: Scenario = Scenario {
    name: "defaults",
    variables: &[],
    arguments: &[],
    files: &[],
};

/// The values of [`BASE`], which checks compare with the responses.
pub(super) const SERVICE_NAME: &str = "verified-service";
pub(super) const VERSION: &str = "9.8.7-verify";
pub(super) const BUILD_TIME: &str = "2001-02-03T04:05:06Z";

/// The time for a request head in [`BASE`].
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Most checks. The names are unusual, so that a constant in the service is noticed.
pub(super) const BASE: Scenario = Scenario {
    name: "base",
    variables: &[
        ("SERVICE_NAME", SERVICE_NAME),
        ("VERSION", VERSION),
        ("BUILD_TIME", BUILD_TIME),
        ("READ_TIMEOUT", "1s"),
        ("DRAIN_DELAY", "1s"),
        ("SHUTDOWN_TIMEOUT", "5s"),
    ],
    ..DEFAULTS
};

/// A log without access records.
pub(super) const QUIET: Scenario = Scenario {
    name: "quiet log",
    variables: &[("LOG_LEVEL", "CRITICAL")],
    ..DEFAULTS
};

/// A service behind trusted proxies. The client of the checks is one of them.
pub(super) const PROXIED: Scenario = Scenario {
    name: "trusted proxies",
    variables: &[("TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8,2001:db8:aa::/48")],
    ..DEFAULTS
};

/// Each spelling of a value.
pub(super) const SPELLINGS: Scenario = Scenario {
    name: "spellings",
    variables: &[
        ("READ_TIMEOUT", "7s"),
        ("IDLE_TIMEOUT", "2m"),
        ("WRITE_TIMEOUT", "45"),
        ("REQUEST_TIMEOUT", "20.5"),
        ("SHUTDOWN_TIMEOUT", "2500ms"),
        ("MAX_BODY_BYTES", "512KiB"),
        ("DEBUG", "no"),
        ("LOG_LEVEL", ""),
    ],
    ..DEFAULTS
};

/// A value that is no duration.
pub(super) const NO_DURATION: Scenario = Scenario {
    name: "no duration",
    variables: &[("READ_TIMEOUT", "soon")],
    ..DEFAULTS
};

/// A value that is no port.
pub(super) const NO_PORT: Scenario = Scenario {
    name: "no port",
    variables: &[("PORT", "70000")],
    ..DEFAULTS
};

/// A value that is no boolean.
pub(super) const NO_BOOLEAN: Scenario = Scenario {
    name: "no boolean",
    variables: &[("DEBUG", "perhaps")],
    ..DEFAULTS
};

/// Two values that are wrong.
pub(super) const TWO_FAULTS: Scenario = Scenario {
    name: "two faults",
    variables: &[("READ_TIMEOUT", "soon"), ("DEBUG", "perhaps")],
    ..DEFAULTS
};

/// Secrets of [`OPERATED`]. They occur nowhere else, so they are found wherever a service shows them.
pub(super) const SECRET_KEY: &str = "kP7wQzRt3vXnLm9cHs2d-secret-key";
pub(super) const OTHER_SECRET_KEY: &str = "Jx4bTf8sYq1gVu6e-shadowed-key";
pub(super) const ADMIN_TOKEN: &str = "Zr5mKd9pWc2nHj7tBv4xGq8sLf3yTw6e-admin-token";

/// A name that is one edit away from READ_TIMEOUT.
pub(super) const MISSPELT: &str = "READ_TIMEOT";

/// A service with a second listener, secrets, an alias that is shadowed, and a misspelt name.
pub(super) const OPERATED: Scenario = Scenario {
    name: "operated",
    variables: &[
        ("SERVICE_NAME", SERVICE_NAME),
        ("VERSION", VERSION),
        ("BUILD_TIME", BUILD_TIME),
        ("ADMIN_ADDR", "127.0.0.1:{admin}"),
        ("ADMIN_TOKEN", ADMIN_TOKEN),
        ("SECRET_KEY", SECRET_KEY),
        ("DJANGO_SECRET_KEY", OTHER_SECRET_KEY),
        ("WRITE_TIMEOUT", "37s"),
        ("REQUEST_TIMEOUT", "31s"),
        ("GUNICORN_TIMEOUT", "32"),
        (MISSPELT, "33s"),
        ("DRAIN_DELAY", "1s"),
    ],
    files: &[("profile", "READ_TIMEOUT=41s\nWRITE_TIMEOUT=43s\n")],
    ..DEFAULTS
};

/// A service whose second listener alone serves probes and metrics.
pub(super) const ADMIN_ONLY: Scenario = Scenario {
    name: "admin only",
    variables: &[
        ("ADMIN_ADDR", "127.0.0.1:{admin}"),
        ("INFRA_ENDPOINTS", "admin"),
    ],
    ..DEFAULTS
};

/// All scenarios, in the order of a run.
pub(super) const ALL: [&Scenario; 10] = [
    &BASE,
    &QUIET,
    &PROXIED,
    &SPELLINGS,
    &NO_DURATION,
    &NO_PORT,
    &NO_BOOLEAN,
    &TWO_FAULTS,
    &OPERATED,
    &ADMIN_ONLY,
];

impl Default for &Scenario {
    fn default() -> Self {
        &DEFAULTS
    }
}

impl Scenario {
    /// Whether the scenario sets the port itself, to one on which no service can listen.
    pub(super) fn has_port(&self) -> bool {
        self.variables.iter().any(|(name, _)| *name == "PORT")
    }
}
