//! Never more series than the maximum and one, and nothing lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Barrier,
};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use proptest::prelude::*;

use super::*;
use crate::{
    metrics::{Gauges, Metrics, Registry, TextFormat, text::TextEncoder},
    testing,
};

fn counters(most_values: usize) -> BoundedFamily<Counter> {
    BoundedFamily::new("tenant", most_values, Counter::default)
}

/// The count of every series, as a scrape tells it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a count is whole and small"
)]
fn scrape(family: &BoundedFamily<Counter>) -> BTreeMap<String, u64> {
    let metrics = Metrics::default();
    metrics.register("hits", "Hits", family.clone()).unwrap();
    let mut out = TextEncoder::new(TextFormat::Plain);
    out.append_user(&metrics.render());
    let parsed = testing::Scrape::parse(&out.finish()).unwrap();
    parsed
        .samples("hits_total")
        .map(|sample| {
            assert_eq!(sample.labels.len(), 1);
            (sample.labels["tenant"].clone(), sample.value as u64)
        })
        .collect()
}

#[test]
fn values_beyond_the_maximum_share_one_series() {
    let family = counters(2);
    for value in ["a", "b", "a", "c", "d", "a", "_other"] {
        family.with(value).inc();
    }
    let expected = [("_other", 3), ("a", 3), ("b", 1)].map(|(value, n)| (value.to_owned(), n));
    assert_eq!(scrape(&family), BTreeMap::from(expected));
    assert_eq!(family.folded().load(Ordering::Relaxed), 3);
}

#[test]
fn the_series_for_the_rest_is_there_from_the_start() {
    assert_eq!(
        scrape(&counters(2)),
        BTreeMap::from([("_other".to_owned(), 0)])
    );
}

#[test]
fn a_maximum_of_none_folds_everything() {
    let family = counters(0);
    family.with("a").inc();
    assert_eq!(scrape(&family), BTreeMap::from([("_other".to_owned(), 1)]));
}

#[test]
fn a_value_of_any_length_costs_no_memory() {
    let family = counters(2);
    family.with(&"x".repeat(LONGEST_VALUE + 1)).inc();
    family.with(&"x".repeat(LONGEST_VALUE)).inc();
    assert_eq!(scrape(&family).len(), 2);
    assert_eq!(family.folded().load(Ordering::Relaxed), 1);
}

#[test]
fn what_was_added_to_a_gauge_is_taken_from_the_same_series() {
    let family: BoundedFamily<Gauge> = BoundedFamily::new("peer", 1, Gauge::default);
    for value in ["a", "b", "c"] {
        family.with(value).inc();
    }
    for value in ["c", "b"] {
        family.with(value).dec();
    }
    assert_eq!(family.with("a").get(), 1);
    assert_eq!(family.with("b").get(), 0);
}

#[test]
fn folded_values_are_a_metric_of_the_chassis_once_there_is_a_bounded_one() {
    let registry = Registry::new(crate::BuildInfo::new("s", "1", "t"), 1, Vec::new());
    let render = || {
        let gauges = Gauges {
            log: crate::telemetry::Totals::default(),
            states: Vec::new(),
            hooked_panics: 0,
            silences: Vec::new(),
            slots: None,
            spans: None,
        };
        registry.render(TextFormat::Plain, &gauges, &|_| {})
    };
    assert!(!render().contains("metrics_labels_folded"));
    let hits = registry
        .user
        .bounded_counter("hits", "Hits", "tenant", 1)
        .unwrap();
    for value in ["a", "b", "c"] {
        hits.with(value).inc();
    }
    let scrape = testing::Scrape::parse(&render()).unwrap();
    let labels = [("metric", "hits_total")];
    assert_eq!(
        scrape.value("metrics_labels_folded_total", &labels),
        Some(2.0)
    );
    assert_eq!(
        scrape.value("hits_total", &[("tenant", "_other")]),
        Some(2.0)
    );
}

proptest! {
    #[test]
    fn whatever_values_come_series_are_bounded_and_nothing_is_lost(
        most_values in 0_usize..12,
        values in proptest::collection::vec("[a-c]{0,2}|\\PC{0,4}|[\\x00-\\x1f\"\\\\]{1,3}|_other", 0..200),
        threads in 1_usize..5,
    ) {
        let family = counters(most_values);
        let start = Barrier::new(threads);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (family, values, start) = (&family, &values, &start);
                scope.spawn(move || {
                    start.wait();
                    // Each begins elsewhere, so that they want to add different values first.
                    let (before, after) = values.split_at(values.len() * thread / threads);
                    for value in after.iter().chain(before) {
                        family.with(value).inc();
                    }
                });
            }
        });
        let series = scrape(&family);
        let different: BTreeSet<_> = values.iter().filter(|value| *value != OTHER).collect();
        prop_assert_eq!(series.len(), different.len().min(most_values) + 1);
        prop_assert_eq!(series.values().sum::<u64>(), (values.len() * threads) as u64);
        prop_assert_eq!(series[OTHER], family.folded().load(Ordering::Relaxed));
        for (value, count) in series.iter().filter(|(value, _)| *value != OTHER) {
            let said = values.iter().filter(|said| *said == value).count() * threads;
            prop_assert_eq!(*count, said as u64, "{:?}", value);
        }
    }
}
