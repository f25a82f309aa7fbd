//! Accessors for `xtask`, which generates documents from the code. Not covered by semantic versioning.

use crate::{
    config::{self, Definition},
    edge::EndpointSet,
    metrics::FAMILIES,
};

/// A metric of the chassis.
#[derive(Debug)]
#[non_exhaustive]
pub struct MetricFamily {
    /// Its name in queries, with the `_total` of counters.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Its meaning.
    pub help: &'static str,
}

/// Returns the metrics of the chassis, in the order of the scrape.
#[must_use]
pub fn metric_families() -> Vec<MetricFamily> {
    FAMILIES
        .iter()
        .map(|family| MetricFamily {
            name: family.plain_name(),
            kind: family.kind.as_str(),
            labels: family.labels,
            help: family.help,
        })
        .collect()
}

/// Returns the paths of the chassis.
#[must_use]
pub fn reserved_paths() -> Vec<&'static str> {
    EndpointSet::ALL.paths().collect()
}

/// Returns the values that a setting accepts, and the variable that names the file of a secret.
#[must_use]
pub fn accepted(definition: &Definition) -> String {
    config::accepted(definition)
}

/// Writes a value for a profile, quoted only where it would be misread.
#[must_use]
pub fn profile_value(text: &str) -> String {
    config::profile_value(text)
}

/// Breaks a text into lines of at most `width` characters, the indent included.
#[must_use]
pub fn wrapped(text: &str, indent: &str, width: usize) -> String {
    config::wrapped(text, indent, width)
}
