//! Metrics of requests, by route, method and status.

mod summary;

use std::{collections::BTreeMap, fmt::Display, sync::Arc, time::Duration};

use http::Method;

pub(crate) use self::summary::{RouteSummary, STATUS_CLASSES};
#[cfg(feature = "otlp")]
use super::{cells::bucket, exemplars::BucketKey};
use super::{
    cells::{BUCKETS, Series, Sums},
    definition as families,
    exemplars::Exemplars,
    literal_routes::LiteralRoutes,
    method::{LABELS, method_slot},
    routes::{AppendOnly, UNMATCHED},
    shard::ShardOwners,
    text::TextEncoder,
};
use crate::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "otlp")]
use crate::trace::SpanContext;

/// The index of a route pattern; 0 is [`UNMATCHED`].
pub(crate) type RouteId = u32;

/// The counters and histograms of all routes, and the gauge of requests in flight.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    routes: AppendOnly<RouteMetrics>,
    /// The index of each pattern, stored for the method GET.
    patterns: LiteralRoutes,
    owners: Arc<ShardOwners>,
    in_flight: Box<[InFlight]>,
    exemplars: Exemplars,
}

#[derive(Debug)]
struct RouteMetrics {
    pattern: Box<str>,
    shards: Box<[Series]>,
}

/// The in-flight counters of one shard.
///
/// A request may end on another thread than it began on, so only the sum of all shards is valid.
#[derive(Debug, Default)]
#[repr(align(128))]
struct InFlight {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl HttpMetrics {
    /// Creates the metrics of a service with this number of workers.
    pub(crate) fn new(workers: usize) -> Self {
        // One more for the thread of the admin listener.
        let owners = Arc::new(ShardOwners::new(workers.max(1) + 1));
        let shards = owners.count();
        let metrics = Self {
            routes: AppendOnly::new(),
            patterns: LiteralRoutes::new(),
            owners,
            in_flight: (0..shards).map(|_| InFlight::default()).collect(),
            exemplars: Exemplars::default(),
        };
        // Index 0 is also the fallback of a full list.
        metrics.route(UNMATCHED);
        metrics
    }

    /// The shards, and the threads that own them.
    pub(crate) fn owners(&self) -> Arc<ShardOwners> {
        Arc::clone(&self.owners)
    }

    /// Returns the index of a route pattern. The first request of a pattern takes a lock.
    pub(crate) fn route(&self, pattern: &str) -> RouteId {
        if let Some(route) = self.patterns.find(&Method::GET, pattern) {
            return route;
        }
        let index = self.routes.find_or_push(
            |route| &*route.pattern == pattern,
            || RouteMetrics {
                pattern: pattern.into(),
                shards: self.in_flight.iter().map(|_| Series::default()).collect(),
            },
        );
        let Some(route) = index.and_then(|index| RouteId::try_from(index).ok()) else {
            return 0;
        };
        self.patterns.insert(&Method::GET, pattern, route);
        route
    }

    /// Returns the pattern of a route.
    pub(crate) fn pattern(&self, route: RouteId) -> &str {
        self.routes
            .get(route as usize)
            .map_or(UNMATCHED, |route| &*route.pattern)
    }

    pub(crate) fn begin(&self) {
        let shard = self.owners.shard();
        shard.add(&self.in_flight[shard.index].begun, 1);
    }

    pub(crate) fn end(&self) {
        let shard = self.owners.shard();
        shard.add(&self.in_flight[shard.index].ended, 1);
    }

    /// The number of requests that have ended.
    pub(crate) fn finished(&self) -> u64 {
        self.in_flight
            .iter()
            .map(|shard| shard.ended.load(Ordering::Acquire))
            .sum()
    }

    /// The number of requests that have begun and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        // Read first: a request whose end is counted here has its begin counted below.
        let ended = self.finished();
        let begun = self.in_flight.iter();
        let begun: u64 = begun.map(|shard| shard.begun.load(Ordering::Relaxed)).sum();
        begun.saturating_sub(ended)
    }

    pub(crate) fn observe(&self, route: RouteId, method: &Method, status: u16, took: Duration) {
        if let Some(route) = self.routes.get(route as usize) {
            let shard = self.owners.shard();
            route.shards[shard.index].observe(shard, method_slot(method), status, took);
        }
    }

    /// Makes a recorded request the exemplar of its bucket.
    #[cfg(feature = "otlp")]
    pub(crate) fn exemplify(
        &self,
        route: RouteId,
        method: &Method,
        status: u16,
        took: Duration,
        span: SpanContext,
    ) {
        let bucket = BucketKey {
            route,
            method: method_slot(method),
            status,
            bucket: bucket(took),
        };
        self.exemplars.put(bucket, span, took);
    }

    /// Adds up the shards of all series, in a stable order.
    fn collect(&self) -> BTreeMap<(&str, u32, u16, RouteId), Sums> {
        let mut all: BTreeMap<_, Sums> = BTreeMap::new();
        for (id, route) in (0..).zip(self.routes.iter()) {
            for shard in &route.shards {
                shard.visit(|method, status, sums| {
                    all.entry((&*route.pattern, method, status, id))
                        .or_default()
                        .add(&sums);
                });
            }
        }
        all
    }

    pub(super) fn render(&self, out: &mut TextEncoder, service: &str) {
        // Copied before the counts, so that a bucket counts the request of its exemplar.
        let exemplars = self.exemplars.all();
        let all: Vec<_> = self
            .collect()
            .into_iter()
            .map(|((path, slot, status, route), sums)| {
                let key = (route, (slot, status));
                let method = LABELS[slot as usize];
                let status = status.to_string();
                let labels = [
                    ("service", service),
                    ("method", method),
                    ("path", path),
                    ("status", status.as_str()),
                ];
                (TextEncoder::labels(&labels), sums, key)
            })
            .collect();
        out.family(&families::REQUESTS);
        for (labels, sums, _) in &all {
            out.labelled("_total", labels, sums.buckets.iter().sum::<u64>());
        }
        out.family(&families::DURATION);
        for (labels, sums, (route, series)) in &all {
            write_histogram(out, labels, sums, |index| {
                exemplars.of(*route, *series, index)
            });
        }
        out.family(&families::IN_FLIGHT);
        out.sample("", &[], self.in_flight());
    }
}

/// Writes one series of a histogram, with the exemplar of each bucket.
pub(super) fn write_histogram<E: Display>(
    out: &mut TextEncoder,
    labels: &str,
    sums: &Sums,
    exemplar: impl Fn(usize) -> Option<E>,
) {
    let mut count = 0;
    let bounds = BUCKETS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
    for (index, (bucket, bound)) in sums.buckets.iter().zip(bounds).enumerate() {
        count += bucket;
        out.bucket(labels, bound, count, exemplar(index));
    }
    out.labelled("_sum", labels, seconds(sums.nanos));
    out.labelled("_count", labels, count);
}

/// Converts nanoseconds to seconds, as exactly as a double can be.
fn seconds(nanos: u128) -> f64 {
    let whole = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    Duration::new(whole, rest).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_has_one_index_and_unmatched_is_0() {
        let metrics = HttpMetrics::new(2);
        assert_eq!(metrics.pattern(0), UNMATCHED);
        let items = metrics.route("/items/{id}");
        assert_ne!(items, 0);
        assert_eq!(metrics.route("/items/{id}"), items);
        assert_eq!(metrics.pattern(items), "/items/{id}");
        assert_eq!(metrics.pattern(4711), UNMATCHED);
    }

    #[test]
    fn in_flight_is_a_sum_over_threads() {
        let metrics = HttpMetrics::new(4);
        metrics.begin();
        metrics.begin();
        std::thread::scope(|scope| {
            scope.spawn(|| metrics.end());
        });
        assert_eq!(metrics.in_flight(), 1);
    }
}
