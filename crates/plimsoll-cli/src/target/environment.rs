//! The environment of a service that is started.
//!
//! The service inherits the caller's environment, because interpreters and dependencies need it.
//! The contract's variables are removed from it: `LOG_LEVEL` in a shell would break LOG.

use std::ffi::OsStr;

/// The variables of the contract, as in `docs/settings.md`, and those of service managers.
///
/// Those of OpenTelemetry are removed by their prefix: an SDK reads many more than the contract names.
/// `SSL_CERT_FILE` is inherited, because it also configures interpreters.
const REMOVED: &[&str] = &[
    "SERVICE_NAME",
    "VERSION",
    "BUILD_TIME",
    "HOST",
    "PORT",
    "ADMIN_ADDR",
    "ADMIN_TOKEN",
    "ADMIN_TOKEN_FILE",
    "INFRA_ENDPOINTS",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TLS_CLIENT_CA_FILE",
    "HTTP2_CLEARTEXT",
    "DEBUG",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "DEBUG_ON_ERROR",
    "REDACT_QUERY",
    "SECRET_KEY",
    "SECRET_KEY_FILE",
    "DJANGO_SECRET_KEY",
    "READ_TIMEOUT",
    "IDLE_TIMEOUT",
    "WRITE_TIMEOUT",
    "REQUEST_TIMEOUT",
    "SHUTDOWN_TIMEOUT",
    "DRAIN_DELAY",
    "MAX_CONNECTION_AGE",
    "WORKERS",
    "TRUSTED_PROXIES",
    "FORWARDED_HEADER",
    "PROXY_PROTOCOL",
    "MAX_CONNECTIONS",
    "MAX_IN_FLIGHT",
    "MAX_BODY_BYTES",
    "GUNICORN_KEEPALIVE",
    "GUNICORN_TIMEOUT",
    "GUNICORN_GRACEFUL_TIMEOUT",
    "GUNICORN_WORKERS",
    "GUNICORN_THREADS",
    "GUNICORN_WORKER_CLASS",
    "ENV_FILE",
    "RUST_LOG",
    "KUBERNETES_SERVICE_HOST",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// The prefix of the variables of OpenTelemetry.
const OTEL: &str = "OTEL_";

/// Whether a service does not inherit a variable.
pub(super) fn is_removed(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(OTEL) || REMOVED.contains(&&*name)
}

#[cfg(test)]
mod tests {
    use super::is_removed;

    #[test]
    fn all_settings_of_the_chassis_are_removed() {
        let settings = include_str!("../../../../docs/settings.md");
        let rows = settings.lines().filter(|line| line.starts_with("| "));
        let names = rows.flat_map(|row| {
            let cell = row.split('|').nth(1).unwrap_or_default();
            cell.split('`').skip(1).step_by(2)
        });
        let kept: Vec<&str> = names.filter(|name| !is_removed(name.as_ref())).collect();
        assert_eq!(kept, ["SSL_CERT_FILE"]);
    }

    #[test]
    fn variables_of_an_sdk_are_removed() {
        assert!(is_removed("OTEL_EXPORTER_OTLP_COMPRESSION".as_ref()));
        assert!(!is_removed("PATH".as_ref()));
    }
}
