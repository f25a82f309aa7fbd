//! The requests of each route in a few numbers, for the operators' view of routes.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::{HttpMetrics, RouteId, RouteMetrics};
use crate::metrics::cells::{BUCKETS, Sums};

/// The classes of status codes, in the order of [`RouteSummary::by_class`].
pub(crate) const STATUS_CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// The requests of a route that have ended, of all methods.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RouteSummary<'metrics> {
    pub(crate) id: RouteId,
    pub(crate) pattern: &'metrics str,
    pub(crate) requests: u64,
    pub(crate) by_class: [u64; STATUS_CLASSES.len()],
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl HttpMetrics {
    /// Returns the number of routes requested so far, and the `most` requested ones.
    ///
    /// `is_in_flight` is whether a route has requests in flight. The memory that it takes is bounded by
    /// `most`.
    pub(crate) fn summaries(
        &self,
        most: usize,
        is_in_flight: impl Fn(RouteId) -> bool,
    ) -> (usize, Vec<RouteSummary<'_>>) {
        let mut total = 0;
        let mut top = BinaryHeap::new();
        for (id, route) in (0..).zip(self.routes.iter()) {
            let requests = route.requests();
            if requests > 0 || is_in_flight(id) {
                total += 1;
                top.push(Reverse((requests, Reverse(id))));
                if top.len() > most {
                    top.pop();
                }
            }
        }
        let routes = top.into_sorted_vec().into_iter();
        let routes = routes.filter_map(|Reverse((_, Reverse(id)))| {
            let route = self.routes.get(id as usize)?;
            Some(route.summary(id))
        });
        (total, routes.collect())
    }
}

impl RouteMetrics {
    fn requests(&self) -> u64 {
        let mut requests = 0;
        for shard in &self.shards {
            shard.visit(|_, _, sums| requests += sums.buckets.iter().sum::<u64>());
        }
        requests
    }

    fn summary(&self, id: RouteId) -> RouteSummary<'_> {
        let mut all = Sums::default();
        let mut by_class = [0; STATUS_CLASSES.len()];
        let other = STATUS_CLASSES.len() - 1;
        for shard in &self.shards {
            shard.visit(|_, status, sums| {
                let class = usize::from(status / 100).wrapping_sub(1).min(other);
                by_class[class] += sums.buckets.iter().sum::<u64>();
                all.add(&sums);
            });
        }
        RouteSummary {
            id,
            pattern: &self.pattern,
            requests: by_class.iter().sum(),
            by_class,
            p50: quantile(&all.buckets, 50),
            p99: quantile(&all.buckets, 99),
        }
    }
}

/// Estimates a percentile from a histogram, as `histogram_quantile` of Prometheus does.
///
/// Values in a bucket count as spread evenly. Above the last bound, that bound is returned.
fn quantile(buckets: &[u64], percent: u64) -> Duration {
    // Counts are in hundredths, so that the rank is a whole number.
    let rank = u128::from(percent) * u128::from(buckets.iter().sum::<u64>());
    let (mut below, mut lower) = (0, Duration::ZERO);
    for (count, (upper, _)) in buckets.iter().zip(BUCKETS) {
        let count = u128::from(*count) * 100;
        if count > 0 && below + count >= rank {
            let nanos = (upper - lower).as_nanos() * (rank - below) / count;
            return lower + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
        below += count;
        lower = upper;
    }
    lower
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    /// ADM-16
    #[test]
    fn quantile_is_interpolated_in_its_bucket() {
        #[track_caller]
        fn check(counts: &[(usize, u64)], percent: u64, micros: u64) {
            let mut buckets = Sums::default().buckets;
            for (bucket, count) in counts {
                buckets[*bucket] = *count;
            }
            assert_eq!(
                quantile(&buckets, percent),
                Duration::from_micros(micros),
                "{counts:?}"
            );
        }
        check(&[(0, 1)], 50, 2500);
        check(&[(0, 100)], 99, 4950);
        check(&[(0, 50), (1, 50)], 50, 5000);
        check(&[(0, 50), (1, 50)], 99, 9900);
        check(&[(0, 98), (9, 2)], 99, 875_000);
        check(&[(14, 3)], 50, 10_000_000);
        check(&[(0, u64::MAX / 2), (13, u64::MAX / 2)], 50, 5000);
    }

    /// ADM-16
    #[test]
    fn most_requested_routes_come_first() {
        let metrics = HttpMetrics::new(2);
        let observe = |pattern: &str, status, count: usize| {
            let route = metrics.route(pattern);
            for _ in 0..count {
                metrics.observe(route, &Method::GET, status, Duration::ZERO);
            }
        };
        for number in 0..1000 {
            observe(&format!("/{number}"), 200, 1);
        }
        metrics.route("/never");
        observe("/busy", 200, 2);
        observe("/busy", 404, 1);
        observe("/busy", 999, 1);
        let begun = metrics.route("/begun");
        let (total, routes) = metrics.summaries(200, |route| route == begun);
        assert_eq!((total, routes.len()), (1002, 200));
        assert_eq!((routes[0].pattern, routes[0].requests), ("/busy", 4));
        assert_eq!(routes[0].by_class, [0, 2, 0, 1, 0, 1]);
        assert_eq!(
            routes[1].pattern, "/0",
            "routes of equal counts keep their order"
        );
    }
}
