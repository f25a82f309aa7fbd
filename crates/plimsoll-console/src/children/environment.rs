//! The environment variables that the console sets for its children.
//!
//! Standard output becomes records, and exporters of OpenTelemetry send to the console.
//! A child is recognised by its instance id, which has its name and its run.
//! The page shows these variables, and no other part of the environment (CON-7).

use super::service::Variable;
use crate::ingest::otlp::names::Instances;

/// The variable with the attributes of a resource.
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Set only if the caller has not set them. The console reads metrics from `/metrics`.
const DEFAULTS: &[(&str, &str)] = &[
    ("PYTHONUNBUFFERED", "1"),
    ("OTEL_METRICS_EXPORTER", "none"),
    ("OTEL_BSP_SCHEDULE_DELAY", "500"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "500"),
];

/// What exporters in children need.
#[derive(Debug, Clone)]
pub(crate) struct Exporter {
    /// The URL of the receiver.
    pub(crate) endpoint: String,
    pub(crate) instances: Instances,
}

impl Exporter {
    /// Returns the variables that are equal in all runs.
    pub(super) fn variables(&self) -> Vec<Variable> {
        let forced = [
            ("LOG_FORMAT", "json"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &self.endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ];
        let forced = forced.map(|(name, value)| variable(name, value, true));
        let absent = DEFAULTS
            .iter()
            .filter(|(name, _)| inherited(name).is_none());
        let absent = absent.map(|(name, value)| variable(name, value, false));
        forced.into_iter().chain(absent).collect()
    }

    /// Returns the variable with the instance id of a run. Other attributes of the caller are kept.
    pub(super) fn instance(&self, service: &str, run: u32) -> Variable {
        let own = format!("service.instance.id={}", self.instances.id(service, run));
        let value = match inherited(ATTRIBUTES).filter(|text| !text.trim().is_empty()) {
            // The last value of an attribute wins.
            Some(attributes) => format!("{attributes},{own}"),
            None => own,
        };
        variable(ATTRIBUTES, &value, true)
    }
}

fn variable(name: &'static str, value: &str, forced: bool) -> Variable {
    Variable {
        name,
        value: value.to_owned(),
        forced,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment of the children, not settings of the console"
)]
fn inherited(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporter() -> Exporter {
        Exporter {
            endpoint: "http://127.0.0.1:4318".to_owned(),
            instances: Instances::new("a1"),
        }
    }

    #[test]
    fn exporters_send_to_the_receiver() {
        let variables = exporter().variables();
        let endpoint = variables
            .iter()
            .find(|variable| variable.name == "OTEL_EXPORTER_OTLP_ENDPOINT")
            .unwrap();
        assert_eq!(endpoint.value, "http://127.0.0.1:4318");
        assert!(endpoint.forced);
    }

    #[test]
    fn each_run_has_its_instance_id() {
        let first = exporter().instance("orders", 1);
        assert_eq!(first.name, "OTEL_RESOURCE_ATTRIBUTES");
        assert!(
            first
                .value
                .ends_with("service.instance.id=plimsoll-console.a1.1.orders"),
            "{}",
            first.value
        );
        assert_ne!(first, exporter().instance("orders", 2));
    }
}
