//! The table of routes.
//!
//! Counts are from metrics if the service has any, otherwise from access records.
//! Both begin with the process. Percentiles are from records while these are complete.

use std::{cmp::Reverse, collections::BTreeMap};

use plimsoll_scrape::Quantile;

use super::{
    Charts,
    answers::{ChartError, RouteAnswer, RoutesAnswer, ValueSource},
    instance::quantile_of_many,
    reading::{RouteReading, Routes},
    state::bound,
};
use crate::store::heat::{RouteCounts, percentile, three_digits};

/// Access records of a route by method and route.
type Records = BTreeMap<(String, String), RouteCounts>;

impl Charts {
    /// Returns the routes of a service, those with most requests first.
    pub(crate) fn routes(&self, service: &str) -> Result<RoutesAnswer, ChartError> {
        let id = self.id(service)?;
        let records = self.shared.heat.routes(id).into_iter();
        let records: Records = records
            .map(|(method, route, counts)| ((method, route), counts))
            .collect();
        let inner = self.shared.lock();
        let scraped = inner.services.get(&id).and_then(|it| it.instance.routes());
        Ok(answer(scraped, &records))
    }
}

fn answer(scraped: Option<&Routes>, records: &Records) -> RoutesAnswer {
    // A service without a request yet has no counter of it, and its records are complete.
    let scraped = scraped.filter(|routes| !routes.is_empty());
    let (source, mut items) = match scraped {
        Some(routes) => {
            let items = routes.iter().map(|(key, route)| {
                let records = records.get(key);
                of_metrics(key, route, records)
            });
            (Some(ValueSource::Scraped), items.collect())
        }
        None if records.is_empty() => (None, Vec::new()),
        None => {
            let items = records.iter().map(|(key, counts)| of_records(key, counts));
            (Some(ValueSource::Records), items.collect::<Vec<_>>())
        }
    };
    items.sort_by_key(|item| Reverse(item.count));
    RoutesAnswer { source, items }
}

fn of_metrics(
    (method, route): &(String, String),
    reading: &RouteReading,
    records: Option<&RouteCounts>,
) -> RouteAnswer {
    let count = whole(reading.count);
    // Records are written after the request was counted, so the last ones can be missing.
    let is_complete =
        |records: &&RouteCounts| records.count.saturating_add(count / 50 + 5) >= count;
    let mut answer = RouteAnswer {
        count,
        client_errors: reading.client_errors.map(whole),
        server_errors: reading.server_errors.map(whole),
        ..named(method, route)
    };
    match records.filter(is_complete) {
        Some(records) => {
            answer.set_percentiles(ValueSource::Records, |q| percentile(q, &records.steps))
        }
        None => answer.set_percentiles(ValueSource::Scraped, |q| {
            quantile_of_many(q, &reading.buckets)
        }),
    }
    answer
}

fn of_records((method, route): &(String, String), counts: &RouteCounts) -> RouteAnswer {
    let mut answer = RouteAnswer {
        count: counts.count,
        client_errors: Some(counts.client_errors),
        server_errors: Some(counts.server_errors),
        ..named(method, route)
    };
    answer.set_percentiles(ValueSource::Records, |q| percentile(q, &counts.steps));
    answer
}

fn named(method: &str, route: &str) -> RouteAnswer {
    RouteAnswer {
        method: method.to_owned(),
        route: route.to_owned(),
        count: 0,
        client_errors: None,
        server_errors: None,
        p50: None,
        p99: None,
        p50_above: false,
        p99_above: false,
        percentiles: None,
        // No metric has it by route.
        in_flight: None,
    }
}

impl RouteAnswer {
    fn set_percentiles(&mut self, source: ValueSource, of: impl Fn(f64) -> Option<Quantile>) {
        let (p50, p50_above) = bound(of(0.5));
        let (p99, p99_above) = bound(of(0.99));
        self.p50 = p50.map(three_digits);
        self.p99 = p99.map(three_digits);
        (self.p50_above, self.p99_above) = (p50_above, p99_above);
        self.percentiles = p50.map(|_| source);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "counters are whole and not negative; a cast of a number beyond gives the nearest one"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::heat::STEPS;

    fn key(route: &str) -> (String, String) {
        ("GET".to_owned(), route.to_owned())
    }

    fn reading(count: f64) -> RouteReading {
        RouteReading {
            count,
            client_errors: Some(1.0),
            server_errors: None,
            buckets: vec![(100.0, count), (f64::INFINITY, count)],
        }
    }

    fn records(count: u64) -> RouteCounts {
        let mut steps = Box::new([0; STEPS]);
        steps[10] = count;
        RouteCounts {
            count,
            client_errors: 0,
            server_errors: 2,
            steps,
        }
    }

    #[test]
    fn counts_are_scraped_and_percentiles_recorded() {
        let scraped = Routes::from([(key("/a"), reading(100.0)), (key("/b"), reading(900.0))]);
        let records = Records::from([(key("/a"), records(100)), (key("/b"), records(100))]);
        let answer = answer(Some(&scraped), &records);
        assert_eq!(answer.source, Some(ValueSource::Scraped));
        let [b, a] = &answer.items[..] else {
            panic!("{answer:?}");
        };
        assert_eq!(
            (a.count, a.client_errors, a.server_errors),
            (100, Some(1), None)
        );
        assert_eq!(a.percentiles, Some(ValueSource::Records));
        assert!(a.p50.unwrap() <= 0.502, "{a:?}");
        // Most records of the other route are missing.
        assert_eq!((b.count, b.p50), (900, Some(50.0)));
        assert_eq!(b.percentiles, Some(ValueSource::Scraped));
    }

    #[test]
    fn routes_without_metrics_are_from_records() {
        let records = Records::from([(key("/a"), records(19))]);
        let found = answer(None, &records);
        assert_eq!(found.source, Some(ValueSource::Records));
        let item = &found.items[0];
        assert_eq!((item.count, item.server_errors), (19, Some(2)));
        assert_eq!(
            (item.p50, item.in_flight),
            (None, None),
            "too few, and not known"
        );
        assert_eq!(answer(None, &Records::new()).source, None);
    }
}
