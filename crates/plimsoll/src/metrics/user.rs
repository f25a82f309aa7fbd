//! A service's own metrics, which are served in the same response as the chassis's.

mod constructors;
mod family;
mod instrument;

use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use prometheus_client::{
    encoding::text,
    metrics::MetricType,
    registry::{Metric, Registry},
};

pub(super) use self::instrument::Instrument;
pub use self::{
    family::Family,
    instrument::{Counter, Gauge, Histogram},
};
use super::{
    appended::Appended,
    bounded::MAX_VALUES,
    definition::{FAMILIES, FamilyKind, plain_name},
    text::TextEncoder,
};
use crate::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
    lock,
};

/// Registers a service's own metrics. Clones share the registry.
///
/// A service gets it from [`Handle::metrics`](crate::Handle::metrics).
///
/// # Examples
///
/// ```
/// use plimsoll::metrics::{MetricError, Metrics};
///
/// fn register(metrics: &Metrics) -> Result<(), MetricError> {
///     let orders = metrics.counter("orders", "Orders placed")?;
///     let waiting = metrics.gauge("jobs_waiting", "Jobs in the queue")?;
///     let work = metrics.histogram("job_seconds", "Time of a job", [0.01, 0.1, 1.0, 10.0])?;
///     // The service chooses the label values.
///     let mails = metrics.counter_family("mails", "Mails sent, by kind", ["kind"])?;
///     // Clients choose the label values: 100 values have series, others share `_other`.
///     let calls = metrics.bounded_counter("calls", "Calls, by tenant", "tenant", 100)?;
///
///     // Handles are cheap to clone; keep them in the state of the handlers.
///     orders.inc();
///     waiting.set(3);
///     work.observe(0.2);
///     mails.with(["welcome"]).inc();
///     calls.with("acme").inc();
///     Ok(())
/// }
/// # register(&Metrics::default()).unwrap();
/// ```
///
/// # Cost
///
/// | metric | an update |
/// |---|---|
/// | [`Counter`], [`Gauge`] | one atomic operation |
/// | [`Histogram`] | a lock of its own |
/// | [`Family`] | a look-up behind a read lock, then the metric |
/// | [`BoundedFamily`](super::BoundedFamily) | a look-up without a lock, then the metric |
///
/// To count one series in every request, keep the handle that a look-up returned.
///
/// # Label values
///
/// A label whose values come from clients makes an unlimited number of series, unless it is the
/// label of a [`BoundedFamily`](super::BoundedFamily).
///
/// # Other registries
///
/// [`Metrics::append_exposition`] adds the text of another registry. With the feature
/// `prometheus-client`, `Metrics::register` takes any metric of that crate.
#[derive(Clone, Default)]
pub struct Metrics {
    inner: Arc<Mutex<Inner>>,
    appended: Arc<Appended>,
}

#[derive(Default)]
struct Inner {
    registry: Registry,
    /// All names that the metrics have in either text format.
    names: BTreeSet<String>,
    /// Bounded families: the name in queries, and how often a value was folded into `_other`.
    folding: Vec<(String, Arc<AtomicU64>)>,
}

/// An error of the registration of a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// Prometheus does not accept the name.
    #[error("the metric name {0:?} must begin with a letter and have only letters, digits and _")]
    Name(String),
    /// The chassis or the service already has a metric of that name.
    #[error("there is a metric named {0} already")]
    Taken(String),
    /// Prometheus does not accept the label here.
    #[error(
        "the label {0:?} must begin with a letter or _, have only letters, digits and _, and be \
        none of Prometheus's own (__…, le, quantile)"
    )]
    Label(String),
    /// The labels of a family contain this one twice.
    #[error("the label {0:?} is given twice")]
    RepeatedLabel(String),
    /// The upper bounds of the buckets are empty, not finite or not increasing.
    #[error("the bounds of a histogram's buckets must be finite numbers that grow, one at least")]
    Buckets,
    /// A bounded family would have too many series.
    #[error("a label can have {most} values with series of their own at most, not {0}", most = MAX_VALUES)]
    TooManyValues(usize),
}

impl Metrics {
    /// Adds a metric of the crate `prometheus-client` to `/metrics`.
    ///
    /// The name of a counter may be given with or without `_total`. If a registered metric fails
    /// or panics, the scrape contains no metric of the service; the chassis's are served.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not valid or taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use plimsoll::metrics::{MetricError, Metrics, prometheus_client::metrics::gauge::Gauge};
    ///
    /// # fn example(metrics: &Metrics) -> Result<(), MetricError> {
    /// let load = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
    /// metrics.register("load", "Load of the machine", load.clone())?;
    /// load.set(0.75);
    /// # Ok(())
    /// # }
    /// # example(&Metrics::default()).unwrap();
    /// ```
    #[cfg(feature = "prometheus-client")]
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) -> Result<(), MetricError> {
        self.add(name, help, metric, None)
    }

    /// Appends the metrics of another registry to each scrape.
    ///
    /// At each scrape `write` adds text in the plain format of Prometheus (0.0.4) to an empty
    /// string. The text is served in that format and in OpenMetrics, without timestamps. In
    /// OpenMetrics a counter whose name does not end in `_total` has the type `unknown`.
    ///
    /// # Checks
    ///
    /// The text is checked: names and labels, the order of lines, histograms, at most 1 MiB. A
    /// family needs a `TYPE`, and its names must not collide with other metrics of the scrape.
    ///
    /// If the text is rejected or `write` panics, this text is dropped as a whole; the rest of the
    /// scrape is served. `metrics_expositions_dropped_total` counts it, and the first time is
    /// logged as `metrics_exposition_dropped`.
    ///
    /// `write` runs on the thread that answers the scrape, so it must not block.
    ///
    /// # Examples
    ///
    /// The registry of the crate `prometheus`:
    ///
    /// ```
    /// # fn example(metrics: &plimsoll::metrics::Metrics) {
    /// metrics.append_exposition(|out| {
    ///     let families = prometheus::gather();
    ///     // Families that cannot be encoded are missing from this scrape.
    ///     let _ = prometheus::TextEncoder::new().encode_utf8(&families, out);
    /// });
    /// # }
    /// # example(&plimsoll::metrics::Metrics::default());
    /// ```
    ///
    /// The recorder of the crate `metrics`:
    ///
    /// ```
    /// # fn example(metrics: &plimsoll::metrics::Metrics) -> Result<(), Box<dyn std::error::Error>> {
    /// let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    /// let handle = recorder.handle();
    /// metrics::set_global_recorder(recorder)?;
    /// metrics.append_exposition(move |out| {
    ///     // Without upkeep, the exporter keeps every sample of its histograms.
    ///     handle.run_upkeep();
    ///     out.push_str(&handle.render());
    /// });
    /// # Ok(())
    /// # }
    /// # example(&plimsoll::metrics::Metrics::default()).unwrap();
    /// ```
    pub fn append_exposition(&self, write: impl Fn(&mut String) + Send + Sync + 'static) {
        self.appended.add(Box::new(write));
    }

    /// Appends the text of other registries.
    pub(super) fn render_appended(&self, out: &mut TextEncoder, log: &dyn Fn(&dyn fmt::Display)) {
        let taken = || {
            let mut names: BTreeSet<String> = chassis_names().collect();
            names.extend(lock(&self.inner).names.iter().cloned());
            names
        };
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
        let names = sample_names(stem, metric.metric_type().as_str());
        let mut inner = lock(&self.inner);
        if chassis_names()
            .chain(inner.names.iter().cloned())
            .any(|taken| names.contains(&taken))
        {
            return Err(MetricError::Taken(name.to_owned()));
        }
        inner.names.extend(names);
        if let Some(folded) = folded {
            let kind = match metric.metric_type() {
                MetricType::Counter => FamilyKind::Counter,
                _ => FamilyKind::Gauge,
            };
            inner.folding.push((plain_name(stem, kind), folded));
        }
        // The registry does not escape the text, and appends a full stop.
        let help = help.replace(['\n', '\r'], " ").replace('\\', "\\\\");
        inner
            .registry
            .register(stem, help.trim_end_matches('.'), metric);
        Ok(())
    }

    /// Renders the service's metrics in OpenMetrics.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        let inner = lock(&self.inner);
        // A metric that the service implements may fail or panic while it is encoded. Then the
        // text is dropped, so the scrape contains the chassis's metrics only.
        let encode = AssertUnwindSafe(|| text::encode(&mut out, &inner.registry));
        if !matches!(catch_unwind(encode), Ok(Ok(()))) {
            out.clear();
        }
        out
    }

    /// The bounded families, and how often each has folded a value into `_other`.
    pub(super) fn folded(&self) -> Vec<(String, u64)> {
        let count = |(name, count): &(String, Arc<AtomicU64>)| {
            (name.clone(), count.load(Ordering::Relaxed))
        };
        lock(&self.inner).folding.iter().map(count).collect()
    }
}

/// All names of the chassis's metrics in either text format.
fn chassis_names() -> impl Iterator<Item = String> {
    FAMILIES
        .iter()
        .flat_map(|family| sample_names(family.name, family.kind.as_str()))
}

/// All names of a metric in either text format. No two metrics may share one.
pub(super) fn sample_names(stem: &str, kind: &str) -> Vec<String> {
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
            .field("names", &lock(&self.inner).names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::{EncodeMetric, MetricEncoder};

    use super::*;

    #[test]
    fn counter_name_may_have_its_suffix() {
        let metrics = Metrics::default();
        metrics.counter("orders_total", "Orders.").unwrap();
        metrics.counter("refunds", "Refunds").unwrap();
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
    fn taken_and_invalid_names_are_rejected() {
        let metrics = Metrics::default();
        let register = |name| metrics.gauge(name, "help").map(drop);
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
    fn metrics_share_no_name_in_either_format() {
        let metrics = Metrics::default();
        let gauge = |name| metrics.gauge(name, "help").map(drop);
        assert!(
            gauge("http_requests_total").is_err()
                && gauge("http_request_duration_seconds_sum").is_err()
        );
        metrics.counter("orders", "Orders").unwrap();
        assert!(gauge("orders_total").is_err());
        assert_eq!(gauge("orders_open"), Ok(()));
    }

    #[test]
    fn broken_metric_empties_the_text_of_the_service() {
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
    fn help_text_is_one_line() {
        let metrics = Metrics::default();
        metrics.gauge("queue", "a\nb\\c").unwrap();
        assert!(
            metrics.render().contains("# HELP queue a b\\\\c.\n"),
            "{}",
            metrics.render()
        );
    }
}
