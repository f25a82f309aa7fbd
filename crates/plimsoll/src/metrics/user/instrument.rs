//! Counters, gauges and histograms of a service: newtypes over `prometheus-client`.
//!
//! That crate is pre-1.0, so none of its types and traits is in the public API by default.
//! [`Registered`] is the only type that implements its encoding.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter, gauge, histogram},
};

/// A metric that the registry can encode.
pub(in crate::metrics) trait Instrument:
    fmt::Debug + Send + Sync + 'static
{
    const TYPE: MetricType;

    /// Encodes all its series.
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result;
}

/// A metric in the registry of `prometheus-client`.
#[derive(Debug)]
pub(super) struct Registered<M>(pub(super) M);

impl<M: Instrument> EncodeMetric for Registered<M> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

/// A number of events, which never decreases. Clones share the value.
///
/// Made by [`Metrics::counter`](super::Metrics::counter). An update is one atomic addition.
#[derive(Debug, Clone)]
pub struct Counter(counter::Counter);

impl Counter {
    pub(in crate::metrics) fn new() -> Self {
        Self(counter::Counter::default())
    }

    /// Adds 1.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Adds `count`. The value wraps around at 2⁶⁴, which a scraper takes for a restart.
    pub fn inc_by(&self, count: u64) {
        self.0.inc_by(count);
    }

    /// Returns the current value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

impl Instrument for Counter {
    const TYPE: MetricType = MetricType::Counter;

    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}

/// A whole number that rises and falls. Clones share the value.
///
/// Made by [`Metrics::gauge`](super::Metrics::gauge). An update is one atomic operation.
#[derive(Debug, Clone)]
pub struct Gauge(gauge::Gauge);

impl Gauge {
    pub(in crate::metrics) fn new() -> Self {
        Self(gauge::Gauge::default())
    }

    /// Adds 1.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Adds `amount`.
    pub fn inc_by(&self, amount: i64) {
        self.0.inc_by(amount);
    }

    /// Subtracts 1.
    pub fn dec(&self) {
        self.0.dec();
    }

    /// Subtracts `amount`.
    pub fn dec_by(&self, amount: i64) {
        self.0.dec_by(amount);
    }

    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.set(value);
    }

    /// Returns the current value.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.get()
    }
}

impl Instrument for Gauge {
    const TYPE: MetricType = MetricType::Gauge;

    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}

/// A distribution of values over buckets, with their sum and count. Clones share the values.
///
/// Made by [`Metrics::histogram`](super::Metrics::histogram). An update takes a lock of this
/// histogram for a few instructions.
#[derive(Debug, Clone)]
pub struct Histogram(histogram::Histogram);

impl Histogram {
    pub(super) fn new(bounds: &[f64]) -> Self {
        Self(histogram::Histogram::new(bounds.iter().copied()))
    }

    /// Adds a value, such as a time in seconds.
    pub fn observe(&self, value: f64) {
        self.0.observe(value);
    }
}

impl Instrument for Histogram {
    const TYPE: MetricType = MetricType::Histogram;

    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}
