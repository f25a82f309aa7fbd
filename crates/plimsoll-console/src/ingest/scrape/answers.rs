//! The charts as JSON, in the shapes of the interface of the page.
//!
//! Times are in seconds since the epoch. A number that is not known is `null`, never 0.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::life::{Phase, Probe};

/// Where numbers are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ValueSource {
    /// From the metrics of the service.
    Scraped,
    /// From its access records.
    Records,
}

/// The query of `/api/series`. Without `from`, the last 15 minutes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct SeriesQuery {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) from: Option<f64>,
    pub(crate) to: Option<f64>,
    pub(crate) step: Option<u32>,
}

/// The query of `/api/heat`. Without `from`, the last 15 minutes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct HeatQuery {
    pub(crate) service: String,
    pub(crate) from: Option<f64>,
    pub(crate) to: Option<f64>,
    pub(crate) step: Option<u32>,
}

/// A chart over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeriesAnswer {
    pub(crate) name: &'static str,
    pub(crate) service: String,
    pub(crate) unit: &'static str,
    /// `None` if the service reports no such number.
    pub(crate) source: Option<ValueSource>,
    /// The metrics from which the chart would be computed.
    pub(crate) looked_for: Vec<&'static str>,
    pub(crate) from: f64,
    pub(crate) step: u32,
    pub(crate) points: Vec<Option<f32>>,
    pub(crate) bands: Vec<BandAnswer>,
    /// The seconds over which each point is computed, if they are more than a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) window: Option<u32>,
    /// Points at this value are lower bounds: the quantile is in the last bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) above: Option<f32>,
    /// A window with fewer requests has no percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) few_below: Option<u64>,
}

/// A time without values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BandAnswer {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) cause: String,
}

/// The heat map of latencies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct HeatAnswer {
    pub(crate) from: f64,
    pub(crate) step: u32,
    /// Upper bounds in milliseconds. The last step has all longer times.
    pub(crate) bounds: Vec<f64>,
    /// For each step of time, pairs of a step of latency and its requests.
    pub(crate) counts: Vec<Vec<(usize, u64)>>,
    pub(crate) source: Option<ValueSource>,
    /// Whether every request is counted; `false` if the service lost records.
    pub(crate) exact: bool,
    pub(crate) records: u64,
}

/// The routes of a service since the start of its process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RoutesAnswer {
    /// Of the counts. `None` if none are known.
    pub(crate) source: Option<ValueSource>,
    pub(crate) items: Vec<RouteAnswer>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteAnswer {
    pub(crate) method: String,
    pub(crate) route: String,
    pub(crate) count: u64,
    #[serde(rename = "4xx")]
    pub(crate) client_errors: Option<u64>,
    #[serde(rename = "5xx")]
    pub(crate) server_errors: Option<u64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// The percentile is a lower bound.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) p50_above: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) p99_above: bool,
    /// Of the percentiles.
    pub(crate) percentiles: Option<ValueSource>,
    pub(crate) in_flight: Option<u64>,
}

/// The life cycle of the latest run, and the last shutdown of the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LifecycleAnswer {
    pub(crate) run: Option<u32>,
    pub(crate) phases: Vec<Phase>,
    /// The run that was shut down last, to which the members below belong.
    pub(crate) shutdown_run: Option<u32>,
    pub(crate) in_flight_at_drain: Option<u64>,
    pub(crate) answered: Option<u64>,
    pub(crate) cut_off: Option<u64>,
    /// Probes without a connection.
    pub(crate) refused: Option<u64>,
    /// The time from the first such probe to the next connection.
    pub(crate) refused_ms: Option<f64>,
    pub(crate) probes: Vec<Probe>,
    pub(crate) previous: Option<PreviousRun>,
}

/// The run before the latest one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PreviousRun {
    pub(crate) run: u32,
    pub(crate) phases: Vec<Phase>,
}

/// The latest numbers of all services, by name.
pub(crate) type Samples = BTreeMap<Arc<str>, Sample>;

/// The latest numbers of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    pub(crate) rate: Option<f32>,
    pub(crate) errors: Option<f32>,
    pub(crate) p50: Option<f32>,
    pub(crate) p99: Option<f32>,
    pub(crate) in_flight: Option<f32>,
}

/// A query that has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChartError {
    /// The status is 404.
    #[error("there is no service {0:?}")]
    UnknownService(String),
    /// The status is 400.
    #[error("there is no chart {0:?}; charts are {names}", names = names())]
    UnknownChart(String),
}

fn names() -> String {
    let names = crate::store::series::Chart::ALL.map(crate::store::series::Chart::name);
    names.join(", ")
}
