//! Metrics that are made and registered in one step.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::Metric,
};

use super::{MetricError, Metrics};
use crate::metrics::bounded::{BoundedFamily, MOST_VALUES};

/// What a family needs to know of its labels; see [`Metrics::counter_family`].
pub trait LabelSet:
    EncodeLabelSet + Clone + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static
{
}

impl<L> LabelSet for L where
    L: EncodeLabelSet + Clone + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static
{
}

/// Upper bounds of a histogram's buckets, from which a family makes its histograms.
#[derive(Debug, Clone)]
pub struct Buckets(Arc<[f64]>);

impl Buckets {
    /// Bounds must grow, and be numbers; the last bucket, which holds everything, is added.
    fn new(bounds: impl IntoIterator<Item = f64>) -> Result<Self, MetricError> {
        let bounds: Arc<[f64]> = bounds.into_iter().collect();
        let finite = bounds.iter().all(|bound| bound.is_finite());
        if bounds.is_empty() || !finite || !bounds.is_sorted_by(|one, next| one < next) {
            return Err(MetricError::Buckets);
        }
        Ok(Self(bounds))
    }
}

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// Metrics without labels.
impl Metrics {
    /// Makes a counter: something that only grows. Its name may be given with or without `_total`.
    ///
    /// # Errors
    ///
    /// If the name is not valid, or taken.
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, MetricError> {
        self.registered(name, help, Counter::default())
    }

    /// Makes a gauge: a whole number that goes up and down.
    ///
    /// # Errors
    ///
    /// If the name is not valid, or taken.
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricError> {
        self.registered(name, help, Gauge::default())
    }

    /// Makes a histogram with these upper bounds of its buckets; the last one, which holds
    /// everything, is added. Times are in seconds, and the name says so: `work_seconds`.
    ///
    /// # Errors
    ///
    /// If the name is not valid, or taken, or if the bounds do not grow.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        bounds: impl IntoIterator<Item = f64>,
    ) -> Result<Histogram, MetricError> {
        self.registered(name, help, Buckets::new(bounds)?.new_metric())
    }
}

/// Metrics by labels whose values the service itself chooses.
///
/// Each set of values that is ever asked for is a series for the life of the process. The labels
/// are anything that [`prometheus_client`] can encode, such as `[(&'static str, &'static str); 2]`
/// or a struct that derives `EncodeLabelSet`.
impl Metrics {
    /// Makes counters by labels.
    ///
    /// # Errors
    ///
    /// If the name is not valid, or taken.
    pub fn counter_family<L: LabelSet>(
        &self,
        name: &str,
        help: &str,
    ) -> Result<Family<L, Counter>, MetricError> {
        self.registered(name, help, Family::default())
    }

    /// Makes gauges by labels.
    ///
    /// # Errors
    ///
    /// If the name is not valid, or taken.
    pub fn gauge_family<L: LabelSet>(
        &self,
        name: &str,
        help: &str,
    ) -> Result<Family<L, Gauge>, MetricError> {
        self.registered(name, help, Family::default())
    }

    /// Makes histograms by labels, all with the same buckets; see [`Metrics::histogram`].
    ///
    /// # Errors
    ///
    /// If the name is not valid, or taken, or if the bounds do not grow.
    pub fn histogram_family<L: LabelSet>(
        &self,
        name: &str,
        help: &str,
        bounds: impl IntoIterator<Item = f64>,
    ) -> Result<Family<L, Histogram, Buckets>, MetricError> {
        let family = Family::new_with_constructor(Buckets::new(bounds)?);
        self.registered(name, help, family)
    }
}

/// Metrics by a label whose values come from outside; see [`BoundedFamily`].
///
/// `most_values` is how many different values get a series of their own, 10,000 at most.
impl Metrics {
    /// Makes counters by a label whose values come from outside.
    ///
    /// # Errors
    ///
    /// If the name or the label is not valid, if the name is taken, or if there would be too many
    /// series.
    pub fn bounded_counter(
        &self,
        name: &str,
        help: &str,
        label: &str,
        most_values: usize,
    ) -> Result<BoundedFamily<Counter>, MetricError> {
        self.bounded(name, help, label, most_values, Counter::default)
    }

    /// Makes gauges by a label whose values come from outside. In `_other` values meet: add to such
    /// a gauge and take from it, but do not set it.
    ///
    /// # Errors
    ///
    /// As [`Metrics::bounded_counter`].
    pub fn bounded_gauge(
        &self,
        name: &str,
        help: &str,
        label: &str,
        most_values: usize,
    ) -> Result<BoundedFamily<Gauge>, MetricError> {
        self.bounded(name, help, label, most_values, Gauge::default)
    }

    /// Makes histograms by a label whose values come from outside; see [`Metrics::histogram`].
    ///
    /// # Errors
    ///
    /// As [`Metrics::bounded_counter`], and if the bounds do not grow.
    pub fn bounded_histogram(
        &self,
        name: &str,
        help: &str,
        bounds: impl IntoIterator<Item = f64>,
        label: &str,
        most_values: usize,
    ) -> Result<BoundedFamily<Histogram>, MetricError> {
        let buckets = Buckets::new(bounds)?;
        self.bounded(name, help, label, most_values, move || buckets.new_metric())
    }

    fn bounded<M>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        most_values: usize,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Result<BoundedFamily<M>, MetricError>
    where
        BoundedFamily<M>: Metric,
    {
        if !is_label(label) {
            return Err(MetricError::Label(label.to_owned()));
        }
        if most_values > MOST_VALUES {
            return Err(MetricError::TooManyValues(most_values));
        }
        let family = BoundedFamily::new(label, most_values, make);
        self.add(name, help, family.clone(), Some(family.folded()))?;
        Ok(family)
    }

    fn registered<M: Metric + Clone>(
        &self,
        name: &str,
        help: &str,
        metric: M,
    ) -> Result<M, MetricError> {
        self.register(name, help, metric.clone())?;
        Ok(metric)
    }
}

/// Whether a label may be called so: `__` is Prometheus's own, and so are those of buckets.
fn is_label(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with("__")
        && !["le", "quantile"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_metric_is_made_in_one_step_and_told() {
        let metrics = Metrics::default();
        metrics.counter("a_total", "A").unwrap().inc();
        metrics.gauge("b", "B").unwrap().set(-2);
        metrics
            .histogram("c", "C", [0.5, 1.0])
            .unwrap()
            .observe(0.7);
        let d = metrics
            .counter_family::<[(&str, &str); 1]>("d", "D")
            .unwrap();
        d.get_or_create(&[("kind", "x")]).inc();
        let e = metrics
            .gauge_family::<Vec<(String, String)>>("e", "E")
            .unwrap();
        e.get_or_create(&vec![("kind".to_owned(), "x".to_owned())])
            .set(5);
        let f = metrics
            .histogram_family::<[(&str, &str); 1]>("f", "F", [1.0])
            .unwrap();
        f.get_or_create(&[("kind", "x")]).observe(2.0);
        metrics
            .bounded_counter("g", "G", "who", 1)
            .unwrap()
            .with("x")
            .inc();
        metrics
            .bounded_gauge("h", "H", "who", 1)
            .unwrap()
            .with("x")
            .set(8);
        let i = metrics
            .bounded_histogram("i", "I", [1.0], "who", 1)
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
            "g_total{who=\"x\"} 1",
            "g_total{who=\"_other\"} 0",
            "h{who=\"x\"} 8",
            "i_bucket{le=\"1.0\",who=\"x\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
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
        let result = metrics.bounded_counter("d", "D", "who", MOST_VALUES + 1);
        check(result, MetricError::TooManyValues(MOST_VALUES + 1));
        // None of these has taken a name.
        assert!(metrics.gauge("c", "C").is_ok() && metrics.gauge("d", "D").is_ok());
    }
}
