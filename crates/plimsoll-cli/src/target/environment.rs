//! The environment of a service that is started.
//!
//! The service inherits the caller's environment, because interpreters and dependencies need it.
//! The contract's variables are removed from it: `LOG_LEVEL` in a shell would break LOG.

/// The variables of the contract, as in `docs/settings.md`, and those of service managers.
///
/// `SSL_CERT_FILE` is inherited, because it also configures interpreters.
pub(super) const REMOVED: &[&str] = &[
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
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS_FILE",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_SDK_DISABLED",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "ENV_FILE",
    "RUST_LOG",
    "KUBERNETES_SERVICE_HOST",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

#[cfg(test)]
mod tests {
    use super::REMOVED;

    #[test]
    fn all_settings_of_the_chassis_are_removed() {
        let settings = include_str!("../../../../docs/settings.md");
        let rows = settings.lines().filter(|line| line.starts_with("| "));
        let names = rows.flat_map(|row| {
            let cell = row.split('|').nth(1).unwrap_or_default();
            cell.split('`').skip(1).step_by(2)
        });
        let kept: Vec<&str> = names.filter(|name| !REMOVED.contains(name)).collect();
        assert_eq!(kept, ["SSL_CERT_FILE"]);
    }
}
