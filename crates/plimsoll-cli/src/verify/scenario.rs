//! The ways in which a service is started.
//!
//! Probes of the same scenario share a process.

mod tls;
mod traces;

use std::time::Duration;

pub(super) use self::{
    tls::{HALF_TLS, MUTUAL_TLS, TLS, UNUSABLE_TLS},
    traces::{SAMPLED, STUCK_TRACES, TRACED, TRACED_PUBLIC, UNTRACED},
};
use super::collector::Manner;

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
    /// The bytes before each request.
    pub(super) prefix: &'static [u8],
    /// Whether the folder has `ca.crt`, and the `tls.crt` and `tls.key` of a certificate.
    pub(super) certificates: bool,
    /// The collector at the port `{collector}`.
    pub(super) collector: Option<Manner>,
}

/// A start without anything special.
pub(super) const DEFAULTS: Scenario = Scenario {
    name: "defaults",
    variables: &[],
    arguments: &[],
    files: &[],
    prefix: b"",
    certificates: false,
    collector: None,
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

/// A service behind trusted proxies that send `Forwarded`.
pub(super) const FORWARDED: Scenario = Scenario {
    name: "trusted proxies with Forwarded",
    variables: &[
        ("TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8,2001:db8:aa::/48"),
        ("FORWARDED_HEADER", "forwarded"),
    ],
    ..DEFAULTS
};

/// A header of the PROXY protocol, version 1: the client, the address that it has connected to, the ports.
pub(super) const PROXY_HEADER: &[u8] = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n";

/// A service behind a load balancer that sends the header of the PROXY protocol.
pub(super) const BALANCED: Scenario = Scenario {
    name: "PROXY protocol",
    variables: &[("TRUSTED_PROXIES", "127.0.0.0/8"), ("PROXY_PROTOCOL", "on")],
    prefix: PROXY_HEADER,
    ..DEFAULTS
};

/// A service with HTTP/2 without TLS.
pub(super) const HTTP2: Scenario = Scenario {
    name: "HTTP/2 without TLS",
    variables: &[("HTTP2_CLEARTEXT", "true"), ("READ_TIMEOUT", "1s")],
    ..DEFAULTS
};

/// A log for reading.
pub(super) const PRETTY: Scenario = Scenario {
    name: "pretty log",
    variables: &[("LOG_FORMAT", "pretty")],
    ..DEFAULTS
};

/// A service that keeps the records of DEBUG of a request until its end.
pub(super) const DEBUG_ON_ERROR: Scenario = Scenario {
    name: "debug on error",
    variables: &[("DEBUG_ON_ERROR", "true"), ("LOG_LEVEL", "INFO")],
    ..DEFAULTS
};

/// The time limits of [`TIMEOUTS`].
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);

/// Short time limits of connections.
pub(super) const TIMEOUTS: Scenario = Scenario {
    name: "timeouts",
    variables: &[
        ("READ_TIMEOUT", "1s"),
        ("IDLE_TIMEOUT", "1s"),
        ("WRITE_TIMEOUT", "1s"),
    ],
    ..DEFAULTS
};

/// The limits of [`LIMITS`].
pub(super) const MAX_CONNECTIONS: usize = 50;
pub(super) const MAX_IN_FLIGHT: usize = 2;
pub(super) const CONNECTION_AGE: Duration = Duration::from_secs(1);
pub(super) const HANDLER_TIMEOUT: Duration = Duration::from_secs(2);

/// Small numbers of connections, requests and bytes, and a short time for handlers.
pub(super) const LIMITS: Scenario = Scenario {
    name: "limits",
    variables: &[
        ("MAX_CONNECTIONS", "50"),
        ("MAX_IN_FLIGHT", "2"),
        ("MAX_BODY_BYTES", "64KiB"),
        ("MAX_CONNECTION_AGE", "1s"),
        ("REQUEST_TIMEOUT", "2s"),
    ],
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

/// A service that gets signals: its limits are shorter than a stop, and its shutdown is long.
pub(super) const SIGNALS: Scenario = Scenario {
    name: "signals",
    variables: &[
        ("READ_TIMEOUT", "1s"),
        ("DRAIN_DELAY", "20s"),
        ("SHUTDOWN_TIMEOUT", "20s"),
    ],
    ..DEFAULTS
};

/// A service manager that gets notifications.
pub(super) const MANAGED: Scenario = Scenario {
    name: "service manager",
    variables: &[
        ("NOTIFY_SOCKET", "{dir}/notify"),
        ("DRAIN_DELAY", "0s"),
        ("SHUTDOWN_TIMEOUT", "5s"),
    ],
    ..DEFAULTS
};

/// A service whose instances are replaced one after the other.
pub(super) const ROLLING: Scenario = Scenario {
    name: "rolling restart",
    variables: &[("DRAIN_DELAY", "1s"), ("SHUTDOWN_TIMEOUT", "5s")],
    ..DEFAULTS
};

/// A service that runs beside others, which get sockets. All of them end soon.
pub(super) const ACTIVATED: Scenario = Scenario {
    name: "socket activation",
    variables: &[("DRAIN_DELAY", "0s"), ("SHUTDOWN_TIMEOUT", "5s")],
    ..DEFAULTS
};

/// A service whose log is read to its end.
pub(super) const ENDED: Scenario = Scenario {
    name: "end of the log",
    variables: &[("DRAIN_DELAY", "0s"), ("SHUTDOWN_TIMEOUT", "5s")],
    ..DEFAULTS
};

/// All scenarios, in the order of a run.
pub(super) const ALL: [&Scenario; 31] = [
    &BASE,
    &QUIET,
    &PROXIED,
    &FORWARDED,
    &BALANCED,
    &TLS,
    &MUTUAL_TLS,
    &HALF_TLS,
    &UNUSABLE_TLS,
    &TRACED,
    &TRACED_PUBLIC,
    &SAMPLED,
    &UNTRACED,
    &STUCK_TRACES,
    &HTTP2,
    &PRETTY,
    &DEBUG_ON_ERROR,
    &TIMEOUTS,
    &LIMITS,
    &SPELLINGS,
    &NO_DURATION,
    &NO_PORT,
    &NO_BOOLEAN,
    &TWO_FAULTS,
    &OPERATED,
    &ADMIN_ONLY,
    &MANAGED,
    &SIGNALS,
    &ROLLING,
    &ACTIVATED,
    &ENDED,
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
