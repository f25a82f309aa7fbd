//! The ways in which a service is started.
//!
//! Probes of the same scenario share a process.

use std::time::Duration;

/// The variables of a start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    /// The purpose, for `--plan`.
    pub(super) name: &'static str,
    pub(super) variables: &'static [(&'static str, &'static str)],
}

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
};

/// A log without access records.
pub(super) const QUIET: Scenario = Scenario {
    name: "quiet log",
    variables: &[("LOG_LEVEL", "CRITICAL")],
};

/// A service behind trusted proxies. The client of the checks is one of them.
pub(super) const PROXIED: Scenario = Scenario {
    name: "trusted proxies",
    variables: &[("TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8,2001:db8:aa::/48")],
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
};

/// A value that is no duration.
pub(super) const NO_DURATION: Scenario = Scenario {
    name: "no duration",
    variables: &[("READ_TIMEOUT", "soon")],
};

/// A value that is no port.
pub(super) const NO_PORT: Scenario = Scenario {
    name: "no port",
    variables: &[("PORT", "70000")],
};

/// A value that is no boolean.
pub(super) const NO_BOOLEAN: Scenario = Scenario {
    name: "no boolean",
    variables: &[("DEBUG", "perhaps")],
};

/// Two values that are wrong.
pub(super) const TWO_FAULTS: Scenario = Scenario {
    name: "two faults",
    variables: &[("READ_TIMEOUT", "soon"), ("DEBUG", "perhaps")],
};

/// All scenarios, in the order of a run.
pub(super) const ALL: [&Scenario; 8] = [
    &BASE,
    &QUIET,
    &PROXIED,
    &SPELLINGS,
    &NO_DURATION,
    &NO_PORT,
    &NO_BOOLEAN,
    &TWO_FAULTS,
];

impl Scenario {
    /// Whether the scenario sets the port itself, to one on which no service can listen.
    pub(super) fn has_port(&self) -> bool {
        self.variables.iter().any(|(name, _)| *name == "PORT")
    }
}
