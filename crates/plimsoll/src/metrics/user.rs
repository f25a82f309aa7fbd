//! A service's own metrics, told with the chassis's in one answer.

mod make;

use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::text,
    metrics::MetricType,
    registry::{Metric, Registry},
};

pub use self::make::{Buckets, LabelSet};
use super::{
    appended::Appended,
    bounded::MOST_VALUES,
    definition::{FAMILIES, FamilyKind, plain_name},
    text::TextEncoder,
};
use crate::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Where a service's own metrics are made and registered. Clones share the registry.
///
/// ```
/// # fn example(metrics: &plimsoll::Metrics) -> Result<(), plimsoll::MetricError> {
/// let orders = metrics.counter("orders", "Orders placed")?;
/// let waiting = metrics.gauge("jobs_waiting", "Jobs that wait for a worker")?;
/// let work = metrics.histogram("job_seconds", "How long a job takes", [0.01, 0.1, 1.0, 10.0])?;
/// // Values that the service itself chooses.
/// let mails = metrics.counter_family::<[(&str, &str); 1]>("mails", "Mails sent, by kind")?;
/// // Values that come from outside: the first 100 of them, and `_other` for the rest.
/// let calls = metrics.bounded_counter("calls", "Calls, by tenant", "tenant", 100)?;
///
/// // Handles are cheap to clone; they belong into the state of the handlers.
/// orders.inc();
/// waiting.set(3);
/// work.observe(0.2);
/// mails.get_or_create(&[("kind", "welcome")]).inc();
/// calls.with("acme").inc();
/// # Ok(())
/// # }
/// # example(&plimsoll::Metrics::default()).unwrap();
/// ```
///
/// The metrics themselves are those of [`prometheus_client`], which is re-exported so that a
/// service needs no version of its own; [`Metrics::register`] takes any other of its kind.
///
/// What they cost: a counter or a gauge is an atomic number, a histogram takes a lock of its own, a
/// family a look-up behind a lock that many can read, and a bounded one a look-up without a lock.
/// A service that counts one thing in every request keeps what a look-up has found.
///
/// A label whose values come from clients makes series without end, unless it is a
/// [`BoundedFamily`](super::BoundedFamily).
#[derive(Clone, Default)]
pub struct Metrics {
    inner: Arc<Mutex<Inner>>,
    appended: Arc<Appended>,
}

#[derive(Default)]
struct Inner {
    registry: Registry,
    names: BTreeSet<String>,
    /// The names in queries of those that fold values, and how often they have.
    folding: Vec<(String, Arc<AtomicU64>)>,
}

/// Why a metric was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The name is none that Prometheus accepts.
    #[error("the metric name {0:?} must begin with a letter and have only letters, digits and _")]
    Name(String),
    /// The chassis or the service has a metric of that name.
    #[error("there is a metric named {0} already")]
    Taken(String),
    /// The label is none that Prometheus accepts here.
    #[error(
        "the label {0:?} must begin with a letter or _, have only letters, digits and _, and be \
        none of Prometheus's own (__…, le, quantile)"
    )]
    Label(String),
    /// The bounds of a histogram's buckets make no buckets.
    #[error("the bounds of a histogram's buckets must be finite numbers that grow, one at least")]
    Buckets,
    /// A label would have too many values.
    #[error("a label can have {most} values with series of their own at most, not {0}", most = MOST_VALUES)]
    TooManyValues(usize),
}

impl Metrics {
    /// Makes `metric` part of `/metrics`. A counter's name may be given with or without `_total`.
    ///
    /// # Errors
    ///
    /// If the name is not valid, or taken.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) -> Result<(), MetricError> {
        self.add(name, help, metric, None)
    }

    /// Appends the metrics of another registry to each scrape.
    ///
    /// At each scrape `write` adds text in the plain format of Prometheus (0.0.4) to an empty
    /// string. It is served in that format and in OpenMetrics; timestamps are left out. In
    /// OpenMetrics a counter whose name does not end in `_total` is of type `unknown`.
    ///
    /// The text is checked: names and labels, the order of lines, histograms, 1 MiB at most. A family
    /// needs a `TYPE`, and no name of it may belong to another metric of the scrape. Text that does
    /// not pass, or a panic, costs all of this text and nothing else of the scrape. It is counted in
    /// `metrics_expositions_dropped_total`, and the first time logged as
    /// `metrics_exposition_dropped`.
    ///
    /// `write` runs on the thread that answers the scrape: it must not block.
    ///
    /// The registry of the crate `prometheus`:
    ///
    /// ```
    /// # fn example(metrics: &plimsoll::Metrics) {
    /// metrics.append_exposition(|out| {
    ///     let families = prometheus::gather();
    ///     // What cannot be encoded is missing from this scrape.
    ///     let _ = prometheus::TextEncoder::new().encode_utf8(&families, out);
    /// });
    /// # }
    /// # example(&plimsoll::Metrics::default());
    /// ```
    ///
    /// The recorder of the crate `metrics`:
    ///
    /// ```
    /// # fn example(metrics: &plimsoll::Metrics) -> Result<(), Box<dyn std::error::Error>> {
    /// let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    /// let handle = recorder.handle();
    /// metrics::set_global_recorder(recorder)?;
    /// // The exporter bounds its memory only if it is asked to.
    /// metrics.append_exposition(move |out| {
    ///     handle.run_upkeep();
    ///     out.push_str(&handle.render());
    /// });
    /// # Ok(())
    /// # }
    /// # example(&plimsoll::Metrics::default()).unwrap();
    /// ```
    pub fn append_exposition(&self, write: impl Fn(&mut String) + Send + Sync + 'static) {
        self.appended.add(Box::new(write));
    }

    /// Writes the metrics of other registries.
    pub(super) fn render_appended(&self, out: &mut TextEncoder, log: &dyn Fn(&dyn fmt::Display)) {
        let ours = FAMILIES
            .iter()
            .flat_map(|family| shown(family.name, family.kind.as_str()));
        let mut taken: BTreeSet<String> = ours.collect();
        taken.extend(self.lock().names.iter().cloned());
        self.appended.render(out, taken, log);
    }

    fn add(
        &self,
        name: &str,
        help: &str,
        metric: impl Metric,
        folded: Option<Arc<AtomicU64>>,
    ) -> Result<(), MetricError> {
        let stem = match metric.metric_type() {
            MetricType::Counter => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let mut characters = stem.chars();
        let valid = characters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            return Err(MetricError::Name(name.to_owned()));
        }
        let shown = shown(stem, metric.metric_type().as_str());
        let mut inner = self.lock();
        let ours = FAMILIES
            .iter()
            .flat_map(|family| self::shown(family.name, family.kind.as_str()));
        if ours
            .chain(inner.names.iter().cloned())
            .any(|taken| shown.contains(&taken))
        {
            return Err(MetricError::Taken(name.to_owned()));
        }
        inner.names.extend(shown);
        if let Some(folded) = folded {
            let kind = match metric.metric_type() {
                MetricType::Counter => FamilyKind::Counter,
                _ => FamilyKind::Gauge,
            };
            inner.folding.push((plain_name(stem, kind), folded));
        }
        // The registry writes the text as it is, and ends it with a full stop.
        let help = help.replace(['\n', '\r'], " ").replace('\\', "\\\\");
        inner
            .registry
            .register(stem, help.trim_end_matches('.'), metric);
        Ok(())
    }

    /// All of them in OpenMetrics.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        let inner = self.lock();
        // Only a metric of the service's own can fail or panic: then all of them tell nothing, and
        // those of the chassis are told all the same. What was begun of the text is thrown away.
        let encode = AssertUnwindSafe(|| text::encode(&mut out, &inner.registry));
        if !matches!(catch_unwind(encode), Ok(Ok(()))) {
            out.clear();
        }
        out
    }

    /// The metrics that fold values of a label, and how often each has done so.
    pub(super) fn folded(&self) -> Vec<(String, u64)> {
        let count = |(name, count): &(String, Arc<AtomicU64>)| {
            (name.clone(), count.load(Ordering::Relaxed))
        };
        self.lock().folding.iter().map(count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All names that a metric shows in either format: no two metrics may share one.
pub(super) fn shown(stem: &str, kind: &str) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        "counter" => &["", "_total"],
        "histogram" => &["", "_bucket", "_sum", "_count"],
        "summary" => &["", "_sum", "_count"],
        "info" => &["", "_info"],
        _ => &[""],
    };
    suffixes
        .iter()
        .map(|suffix| format!("{stem}{suffix}"))
        .collect()
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("names", &self.lock().names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        encoding::{EncodeMetric, MetricEncoder},
        metrics::{counter::Counter, gauge::Gauge},
    };

    use super::*;

    #[test]
    fn counters_are_named_with_or_without_their_suffix() {
        let metrics = Metrics::default();
        metrics
            .register("orders_total", "Orders.", Counter::<u64>::default())
            .unwrap();
        metrics
            .register("refunds", "Refunds", Counter::<u64>::default())
            .unwrap();
        let text = metrics.render();
        assert!(
            text.contains("orders_total 0") && text.contains("refunds_total 0"),
            "{text}"
        );
        assert!(
            !text.contains("total_total") && !text.contains(".."),
            "{text}"
        );
    }

    #[test]
    fn names_that_are_taken_or_impossible_are_refused() {
        let metrics = Metrics::default();
        let register = |name| metrics.register(name, "help", Gauge::<i64>::default());
        assert_eq!(register("queue"), Ok(()));
        assert_eq!(
            register("queue"),
            Err(MetricError::Taken("queue".to_owned()))
        );
        assert_eq!(
            register("build_info"),
            Err(MetricError::Taken("build_info".to_owned()))
        );
        for name in ["", "9lives", "with-dash", "ümlaut", "a b"] {
            assert_eq!(register(name), Err(MetricError::Name(name.to_owned())));
        }
    }

    #[test]
    fn no_two_metrics_share_a_name_in_either_format() {
        let metrics = Metrics::default();
        let gauge = |name| metrics.register(name, "help", Gauge::<i64>::default());
        assert!(
            gauge("http_requests_total").is_err()
                && gauge("http_request_duration_seconds_sum").is_err()
        );
        metrics
            .register("orders", "Orders", Counter::<u64>::default())
            .unwrap();
        assert!(gauge("orders_total").is_err());
        assert_eq!(gauge("orders_open"), Ok(()));
    }

    #[test]
    fn a_metric_that_panics_or_fails_tells_nothing_and_does_no_harm() {
        #[derive(Debug)]
        struct Broken {
            panics: bool,
        }
        impl EncodeMetric for Broken {
            fn encode(&self, _: MetricEncoder<'_>) -> fmt::Result {
                assert!(!self.panics, "a broken metric");
                Err(fmt::Error)
            }
            fn metric_type(&self) -> MetricType {
                MetricType::Gauge
            }
        }
        for panics in [true, false] {
            let metrics = Metrics::default();
            metrics
                .register("broken", "Broken", Broken { panics })
                .unwrap();
            for _ in 0..2 {
                assert_eq!(metrics.render(), "");
            }
        }
    }

    #[test]
    fn a_help_text_stays_on_its_line() {
        let metrics = Metrics::default();
        metrics
            .register("queue", "a\nb\\c", Gauge::<i64>::default())
            .unwrap();
        assert!(
            metrics.render().contains("# HELP queue a b\\\\c.\n"),
            "{}",
            metrics.render()
        );
    }
}
