//! Constructors of metrics, which register them in the same step.

use std::sync::Arc;

use super::{
    MetricError, Metrics,
    family::Family,
    instrument::{Counter, Gauge, Histogram, Instrument, Registered},
};
use crate::metrics::bounded::{BoundedFamily, MAX_VALUES};

/// The checked upper bounds of a histogram's buckets.
#[derive(Debug, Clone)]
struct Buckets(Arc<[f64]>);

impl Buckets {
    fn new(bounds: impl IntoIterator<Item = f64>) -> Result<Self, MetricError> {
        let bounds: Arc<[f64]> = bounds.into_iter().collect();
        let finite = bounds.iter().all(|bound| bound.is_finite());
        if bounds.is_empty() || !finite || !bounds.is_sorted_by(|one, next| one < next) {
            return Err(MetricError::Buckets);
        }
        Ok(Self(bounds))
    }

    fn histogram(&self) -> Histogram {
        Histogram::new(&self.0)
    }
}

/// Metrics without labels.
impl Metrics {
    /// Registers a counter. Its name may be given with or without `_total`.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not valid or taken.
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, MetricError> {
        self.registered(name, help, Counter::new())
    }

    /// Registers a gauge.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not valid or taken.
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricError> {
        self.registered(name, help, Gauge::new())
    }

    /// Registers a histogram with these upper bounds of its buckets.
    ///
    /// The bucket for all values, `+Inf`, is added. Times are in seconds, and the name ends in the
    /// unit: `work_seconds`.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not valid or taken, or if the bounds do not increase.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        bounds: impl IntoIterator<Item = f64>,
    ) -> Result<Histogram, MetricError> {
        self.registered(name, help, Buckets::new(bounds)?.histogram())
    }
}

/// Metrics by labels whose values the service chooses; see [`Family`].
impl Metrics {
    /// Registers counters by these labels.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not valid or taken, or if a label is not valid or repeated.
    pub fn counter_family<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<Family<Counter, N>, MetricError> {
        self.family(name, help, labels, Counter::new)
    }

    /// Registers gauges by these labels.
    ///
    /// # Errors
    ///
    /// As [`Metrics::counter_family`].
    pub fn gauge_family<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<Family<Gauge, N>, MetricError> {
        self.family(name, help, labels, Gauge::new)
    }

    /// Registers histograms by these labels, all with the same buckets; see [`Metrics::histogram`].
    ///
    /// # Errors
    ///
    /// As [`Metrics::counter_family`], and if the bounds do not increase.
    pub fn histogram_family<const N: usize>(
        &self,
        name: &str,
        help: &str,
        bounds: impl IntoIterator<Item = f64>,
        labels: [&str; N],
    ) -> Result<Family<Histogram, N>, MetricError> {
        let buckets = Buckets::new(bounds)?;
        self.family(name, help, labels, move || buckets.histogram())
    }

    fn family<M: Instrument + Clone, const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Result<Family<M, N>, MetricError> {
        for (index, label) in labels.iter().enumerate() {
            check_label(label)?;
            if labels[..index].contains(label) {
                return Err(MetricError::RepeatedLabel((*label).to_owned()));
            }
        }
        self.registered(name, help, Family::new(labels, make))
    }
}

/// Metrics by one label whose values come from clients; see [`BoundedFamily`].
///
/// `max_values` is the maximum number of values with series of their own, at most 10,000.
impl Metrics {
    /// Registers counters by a label whose values come from clients.
    ///
    /// # Errors
    ///
    /// Returns an error if the name or the label is not valid, if the name is taken, or if
    /// `max_values` is above 10,000.
    pub fn bounded_counter(
        &self,
        name: &str,
        help: &str,
        label: &str,
        max_values: usize,
    ) -> Result<BoundedFamily<Counter>, MetricError> {
        self.bounded(name, help, label, max_values, Counter::new)
    }

    /// Registers gauges by a label whose values come from clients.
    ///
    /// Several values share `_other`, so add to such a gauge and subtract from it, but do not set
    /// it.
    ///
    /// # Errors
    ///
    /// As [`Metrics::bounded_counter`].
    pub fn bounded_gauge(
        &self,
        name: &str,
        help: &str,
        label: &str,
        max_values: usize,
    ) -> Result<BoundedFamily<Gauge>, MetricError> {
        self.bounded(name, help, label, max_values, Gauge::new)
    }

    /// Registers histograms by a label whose values come from clients; see [`Metrics::histogram`].
    ///
    /// # Errors
    ///
    /// As [`Metrics::bounded_counter`], and if the bounds do not increase.
    pub fn bounded_histogram(
        &self,
        name: &str,
        help: &str,
        bounds: impl IntoIterator<Item = f64>,
        label: &str,
        max_values: usize,
    ) -> Result<BoundedFamily<Histogram>, MetricError> {
        let buckets = Buckets::new(bounds)?;
        self.bounded(name, help, label, max_values, move || buckets.histogram())
    }

    fn bounded<M: Instrument>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        max_values: usize,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Result<BoundedFamily<M>, MetricError> {
        check_label(label)?;
        if max_values > MAX_VALUES {
            return Err(MetricError::TooManyValues(max_values));
        }
        let family = BoundedFamily::new(label, max_values, make);
        let folded = Some(family.folded());
        self.add(name, help, Registered(family.clone()), folded)?;
        Ok(family)
    }

    pub(in crate::metrics) fn registered<M: Instrument + Clone>(
        &self,
        name: &str,
        help: &str,
        metric: M,
    ) -> Result<M, MetricError> {
        self.add(name, help, Registered(metric.clone()), None)?;
        Ok(metric)
    }
}

/// Rejects a label that Prometheus does not accept, or that it uses itself: `__…`, `le`, `quantile`.
fn check_label(name: &str) -> Result<(), MetricError> {
    let mut characters = name.chars();
    let is_valid = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with("__")
        && !["le", "quantile"].contains(&name);
    if is_valid {
        Ok(())
    } else {
        Err(MetricError::Label(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_register_every_kind_of_metric() {
        let metrics = Metrics::default();
        metrics.counter("a_total", "A").unwrap().inc();
        metrics.gauge("b", "B").unwrap().set(-2);
        metrics
            .histogram("c", "C", [0.5, 1.0])
            .unwrap()
            .observe(0.7);
        let d = metrics.counter_family("d", "D", ["kind"]).unwrap();
        d.with(["x"]).inc();
        let e = metrics.gauge_family("e", "E", ["kind"]).unwrap();
        e.with(["x"]).set(5);
        let f = metrics.histogram_family("f", "F", [1.0], ["kind"]).unwrap();
        f.with(["x"]).observe(2.0);
        metrics
            .bounded_counter("g", "G", "tenant", 1)
            .unwrap()
            .with("x")
            .inc();
        metrics
            .bounded_gauge("h", "H", "tenant", 1)
            .unwrap()
            .with("x")
            .set(8);
        let i = metrics
            .bounded_histogram("i", "I", [1.0], "tenant", 1)
            .unwrap();
        i.with("x").observe(1.0);
        let text = metrics.render();
        for line in [
            "a_total 1",
            "b -2",
            "c_bucket{le=\"1.0\"} 1",
            "d_total{kind=\"x\"} 1",
            "e{kind=\"x\"} 5",
            "f_bucket{le=\"+Inf\",kind=\"x\"} 1",
            "g_total{tenant=\"x\"} 1",
            "g_total{tenant=\"_other\"} 0",
            "h{tenant=\"x\"} 8",
            "i_bucket{le=\"1.0\",tenant=\"x\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
    }

    #[test]
    fn invalid_names_bounds_and_labels_are_rejected() {
        #[track_caller]
        fn check<T>(result: Result<T, MetricError>, expected: MetricError) {
            assert_eq!(result.err(), Some(expected));
        }
        let metrics = Metrics::default();
        check(
            metrics.counter("a b", "A"),
            MetricError::Name("a b".to_owned()),
        );
        check(
            metrics.gauge("panics", "P"),
            MetricError::Taken("panics".to_owned()),
        );
        for bounds in [
            vec![],
            vec![1.0, 1.0],
            vec![2.0, 1.0],
            vec![f64::NAN],
            vec![f64::INFINITY],
        ] {
            check(metrics.histogram("c", "C", bounds), MetricError::Buckets);
        }
        for label in ["", "9", "a-b", "__a", "le", "quantile", "ü"] {
            let result = metrics.bounded_counter("d", "D", label, 1);
            check(result, MetricError::Label(label.to_owned()));
        }
        let result = metrics.bounded_counter("d", "D", "tenant", MAX_VALUES + 1);
        check(result, MetricError::TooManyValues(MAX_VALUES + 1));
        // None of these took a name.
        assert!(metrics.gauge("c", "C").is_ok() && metrics.gauge("d", "D").is_ok());
    }
}
