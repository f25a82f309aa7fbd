//! Metrics by labels whose values the service chooses.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus_client::{encoding::MetricEncoder, metrics::MetricType};

use super::instrument::Instrument;

/// The label values of one series, in the order of the label names.
///
/// With [`Cow`], borrowed values find a series without an allocation.
type LabelValues<'a, const N: usize> = [Cow<'a, str>; N];

/// A metric by `N` labels, whose values the service chooses. Clones share the series.
///
/// Made by [`Metrics::counter_family`], [`Metrics::gauge_family`] and
/// [`Metrics::histogram_family`]. Each combination of values that is ever used is a series for the
/// life of the process. For values that come from clients, use a
/// [`BoundedFamily`](crate::metrics::BoundedFamily).
///
/// ```
/// # fn example(metrics: &plimsoll::metrics::Metrics) -> Result<(), plimsoll::metrics::MetricError> {
/// let mails = metrics.counter_family("mails", "Mails sent", ["kind", "provider"])?;
/// mails.with(["welcome", "smtp"]).inc();
/// # Ok(())
/// # }
/// # example(&plimsoll::metrics::Metrics::default()).unwrap();
/// ```
///
/// [`Metrics::counter_family`]: crate::metrics::Metrics::counter_family
/// [`Metrics::gauge_family`]: crate::metrics::Metrics::gauge_family
/// [`Metrics::histogram_family`]: crate::metrics::Metrics::histogram_family
pub struct Family<M, const N: usize> {
    shared: Arc<FamilySeries<M, N>>,
}

struct FamilySeries<M, const N: usize> {
    labels: [Box<str>; N],
    make: Box<dyn Fn() -> M + Send + Sync>,
    /// Sorted, so that the series of a scrape have a stable order.
    series: RwLock<BTreeMap<LabelValues<'static, N>, M>>,
}

impl<M: Clone, const N: usize> Family<M, N> {
    pub(super) fn new(labels: [&str; N], make: impl Fn() -> M + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(FamilySeries {
                labels: labels.map(Into::into),
                make: Box::new(make),
                series: RwLock::default(),
            }),
        }
    }

    /// Returns the metric with these label values, in the order of the label names.
    ///
    /// The first call with a combination of values adds its series, with the value 0. A look-up
    /// takes a read lock; the returned handle needs none and can be kept.
    #[must_use]
    pub fn with(&self, values: [&str; N]) -> M {
        self.find(values).unwrap_or_else(|| {
            let values = values.map(|value| Cow::Owned(value.to_owned()));
            let mut series = self
                .shared
                .series
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            // Another thread may have added it since `find`.
            series
                .entry(values)
                .or_insert_with(&self.shared.make)
                .clone()
        })
    }

    fn find<'a>(&self, values: [&'a str; N]) -> Option<M> {
        let series = self
            .shared
            .series
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        // The map is covariant in its keys, so borrowed values can be looked up.
        let series: &BTreeMap<LabelValues<'a, N>, M> = &series;
        series.get(&values.map(Cow::Borrowed)).cloned()
    }
}

impl<M: Instrument, const N: usize> Instrument for Family<M, N> {
    const TYPE: MetricType = M::TYPE;

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let shared = &*self.shared;
        let series = shared.series.read().unwrap_or_else(PoisonError::into_inner);
        for (values, metric) in &*series {
            let pairs = shared.labels.iter().zip(values);
            let pairs: Vec<_> = pairs.map(|(label, value)| (&**label, &**value)).collect();
            metric.encode(encoder.encode_family(&pairs)?)?;
        }
        Ok(())
    }
}

impl<M, const N: usize> Clone for Family<M, N> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M, const N: usize> fmt::Debug for Family<M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family")
            .field("labels", &self.shared.labels)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{MetricError, Metrics};

    #[test]
    fn handles_with_equal_label_values_share_a_series() {
        let metrics = Metrics::default();
        let jobs = metrics
            .counter_family("jobs", "Jobs", ["kind", "result"])
            .unwrap();
        let kept = jobs.with(["mail", "sent"]);
        jobs.clone().with([&String::from("mail"), "sent"]).inc_by(2);
        kept.inc();
        jobs.with(["mail", "failed"]).inc();
        assert_eq!(jobs.with(["mail", "sent"]).get(), 3);
        let text = metrics.render();
        let series: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            series,
            [
                "jobs_total{kind=\"mail\",result=\"failed\"} 1",
                "jobs_total{kind=\"mail\",result=\"sent\"} 3",
            ]
        );
    }

    #[test]
    fn label_values_are_escaped() {
        let metrics = Metrics::default();
        let family = metrics.gauge_family("a", "A", ["kind"]).unwrap();
        family.with(["x\"y\\z\n"]).set(1);
        let text = metrics.render();
        assert!(text.contains("a{kind=\"x\\\"y\\\\z\\n\"} 1\n"), "{text}");
    }

    #[test]
    fn threads_that_add_one_series_share_it() {
        let metrics = Metrics::default();
        let family = metrics.counter_family("a", "A", ["kind"]).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| family.with(["x"]).inc()));
            }
        });
        assert_eq!(family.with(["x"]).get(), 4000);
    }

    #[test]
    fn invalid_and_repeated_labels_are_rejected() {
        let metrics = Metrics::default();
        let result = metrics.counter_family("a", "A", ["kind", "le"]);
        assert_eq!(result.err(), Some(MetricError::Label("le".to_owned())));
        let result = metrics.counter_family("a", "A", ["kind", "kind"]);
        assert_eq!(
            result.err(),
            Some(MetricError::RepeatedLabel("kind".to_owned()))
        );
        assert!(metrics.gauge("a", "A").is_ok(), "no name was taken");
    }
}
