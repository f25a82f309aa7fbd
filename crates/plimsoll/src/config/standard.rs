//! Variables with a fixed meaning outside of this process, which are never misspelt settings.
//!
//! OpenSSL, OpenTelemetry, Rust and Kubernetes define them, and platforms set them. Most have no
//! effect on this process.

/// OpenTelemetry's variables for the exporters of one signal, without the prefix.
const OTLP: [&str; 9] = [
    "ENDPOINT",
    "INSECURE",
    "CERTIFICATE",
    "CLIENT_KEY",
    "CLIENT_CERTIFICATE",
    "HEADERS",
    "COMPRESSION",
    "TIMEOUT",
    "PROTOCOL",
];

/// OpenTelemetry's variables for a batching processor, without the prefix.
const BATCH: [&str; 4] = [
    "SCHEDULE_DELAY",
    "EXPORT_TIMEOUT",
    "MAX_QUEUE_SIZE",
    "MAX_EXPORT_BATCH_SIZE",
];

/// OpenTelemetry's other variables, without `OTEL_`.
const OPEN_TELEMETRY: [&str; 30] = [
    "SDK_DISABLED",
    "ENTITIES",
    "RESOURCE_ATTRIBUTES",
    "SERVICE_NAME",
    "LOG_LEVEL",
    "PROPAGATORS",
    "TRACES_SAMPLER",
    "TRACES_SAMPLER_ARG",
    "TRACES_EXPORTER",
    "METRICS_EXPORTER",
    "LOGS_EXPORTER",
    "METRICS_EXEMPLAR_FILTER",
    "METRIC_EXPORT_INTERVAL",
    "METRIC_EXPORT_TIMEOUT",
    "ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "ATTRIBUTE_COUNT_LIMIT",
    "SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "SPAN_ATTRIBUTE_COUNT_LIMIT",
    "SPAN_EVENT_COUNT_LIMIT",
    "SPAN_LINK_COUNT_LIMIT",
    "EVENT_ATTRIBUTE_COUNT_LIMIT",
    "LINK_ATTRIBUTE_COUNT_LIMIT",
    "LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    "EXPORTER_ZIPKIN_ENDPOINT",
    "EXPORTER_ZIPKIN_TIMEOUT",
    "EXPORTER_PROMETHEUS_HOST",
    "EXPORTER_PROMETHEUS_PORT",
    "CONFIG_FILE",
    "EXPERIMENTAL_CONFIG_FILE",
];

/// Variables of OpenSSL and of Rust's tools.
const OTHERS: [&str; 12] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
    "RUST_LOG",
    "RUST_LOG_STYLE",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_MIN_STACK",
    "RUSTFLAGS",
];

/// Whether the variable has a fixed meaning outside of this process.
pub(super) fn is_standard(name: &str) -> bool {
    OTHERS.contains(&name)
        || name.starts_with("CARGO_")
        || is_open_telemetry(name)
        || is_of_kubernetes(name)
}

/// Whether the variable is in the specification of OpenTelemetry.
fn is_open_telemetry(name: &str) -> bool {
    let Some(name) = name.strip_prefix("OTEL_") else {
        return false;
    };
    if let Some(name) = name.strip_prefix("EXPORTER_OTLP_") {
        let signals = ["TRACES_", "METRICS_", "LOGS_"];
        let of_signal = signals.iter().find_map(|it| name.strip_prefix(it));
        return OTLP.contains(&of_signal.unwrap_or(name))
            || [
                "METRICS_TEMPORALITY_PREFERENCE",
                "METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            ]
            .contains(&name);
    }
    let processors = ["BSP_", "BLRP_"];
    match processors.iter().find_map(|it| name.strip_prefix(it)) {
        Some(name) => BATCH.contains(&name),
        None => OPEN_TELEMETRY.contains(&name),
    }
}

/// Whether Kubernetes sets such a variable in a pod for each service, in the form of Docker's
/// links: `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT`, `NAME_PORT`, `NAME_PORT_80_TCP_ADDR`.
fn is_of_kubernetes(name: &str) -> bool {
    let of_service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    of_service.iter().any(|end| name.ends_with(end))
        || name.contains("_SERVICE_PORT_")
        || name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CFG-4
    #[test]
    fn misspelt_standard_variables_are_not_standard() {
        for name in [
            "SSL_CERT_FILE",
            "RUST_BACKTRACE",
            "OTEL_BLRP_SCHEDULE_DELAY",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
            "OTEL_METRICS_EXPORTER",
            "KUBERNETES_SERVICE_HOST",
            "REDIS_PORT_6379_TCP_ADDR",
            "ADMIN_PORT",
        ] {
            assert!(is_standard(name), "{name}");
        }
        for name in [
            "SSL_CERT_FILES",
            "OTEL_EXPORTER_OTLP_ENDPONT",
            "OTEL_BSP_SCHEDULE_DELAYS",
            "TLS_CERTFILE",
            "READ_TIMEOT",
        ] {
            assert!(!is_standard(name), "{name}");
        }
    }
}
