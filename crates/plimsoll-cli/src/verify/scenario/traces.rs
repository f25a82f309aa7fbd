//! Services with a collector of spans.

use super::{DEFAULTS, Scenario};
use crate::verify::collector::Manner;

/// The address of the collector.
const ENDPOINT: (&str, &str) = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "http://127.0.0.1:{collector}",
);

/// The time in milliseconds after which spans are sent.
const DELAY: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "100");

/// A service that sends spans. The client of the checks is trusted.
pub(in crate::verify) const TRACED: Scenario = Scenario {
    name: "traces",
    variables: &[ENDPOINT, DELAY, ("TRUSTED_PROXIES", "127.0.0.0/8")],
    collector: Some(Manner::RejectsFirst),
    ..DEFAULTS
};

/// A service that sends spans, and trusts no client.
pub(in crate::verify) const TRACED_PUBLIC: Scenario = Scenario {
    name: "traces of other clients",
    variables: &[ENDPOINT, DELAY],
    collector: Some(Manner::Accepts),
    ..DEFAULTS
};

/// A service that records half of the traces.
pub(in crate::verify) const SAMPLED: Scenario = Scenario {
    name: "sampled traces",
    variables: &[
        ENDPOINT,
        DELAY,
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
    ],
    collector: Some(Manner::Accepts),
    ..DEFAULTS
};

/// A service whose traces are switched off.
pub(in crate::verify) const UNTRACED: Scenario = Scenario {
    name: "traces off",
    variables: &[ENDPOINT, DELAY, ("OTEL_SDK_DISABLED", "true")],
    collector: Some(Manner::Accepts),
    ..DEFAULTS
};

/// A service whose collector never answers.
pub(in crate::verify) const STUCK_TRACES: Scenario = Scenario {
    name: "traces to a collector that hangs",
    variables: &[ENDPOINT, ("OTEL_BSP_SCHEDULE_DELAY", "10")],
    collector: Some(Manner::Hangs),
    ..DEFAULTS
};
