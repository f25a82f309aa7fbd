//! A service's own metrics, told with the chassis's in one answer.

use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::text,
    metrics::MetricType,
    registry::{Metric, Registry},
};

use super::definition::FAMILIES;

/// Where a service registers metrics of its own. Clones share the registry.
///
/// The metrics themselves are those of [`prometheus_client`], which is re-exported so that a
/// service needs no version of its own.
///
/// ```
/// use plimsoll::prometheus_client::metrics::counter::Counter;
///
/// # fn example(metrics: &plimsoll::Metrics) -> Result<(), plimsoll::MetricError> {
/// let orders: Counter = Counter::default();
/// metrics.register("orders_total", "Orders placed", orders.clone())?;
/// orders.inc();
/// # Ok(())
/// # }
/// ```
///
/// A label whose values come from clients makes series without end: use only values of a known set.
#[derive(Clone, Default)]
pub struct Metrics {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    registry: Registry,
    names: BTreeSet<String>,
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
}

impl Metrics {
    /// Makes `metric` part of `/metrics`. A counter's name may be given with or without `_total`.
    ///
    /// # Errors
    ///
    /// If the name is not valid, or taken.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) -> Result<(), MetricError> {
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All names that a metric shows in either format: no two metrics may share one.
fn shown(stem: &str, kind: &str) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        "counter" => &["", "_total"],
        "histogram" => &["", "_bucket", "_sum", "_count"],
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
