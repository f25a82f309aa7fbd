//! Tests of label bounding: at most the maximum plus one series, and no lost update.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Barrier,
};

use proptest::prelude::*;

use super::*;
use crate::{
    metrics::{Counter, Gauge, Gauges, Metrics, Registry, TextFormat, text::TextEncoder},
    testing,
};

fn counters(max_values: usize) -> BoundedFamily<Counter> {
    BoundedFamily::new("tenant", max_values, Counter::new)
}

/// The count of every series in a scrape.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a count is whole and small"
)]
fn scrape(family: &BoundedFamily<Counter>) -> BTreeMap<String, u64> {
    let metrics = Metrics::default();
    metrics.registered("hits", "Hits", family.clone()).unwrap();
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
fn other_series_exists_from_the_start() {
    assert_eq!(
        scrape(&counters(2)),
        BTreeMap::from([("_other".to_owned(), 0)])
    );
}

#[test]
fn maximum_of_zero_folds_all_values() {
    let family = counters(0);
    family.with("a").inc();
    assert_eq!(scrape(&family), BTreeMap::from([("_other".to_owned(), 1)]));
}

#[test]
fn long_values_are_folded() {
    let family = counters(2);
    family.with(&"x".repeat(MAX_VALUE_LENGTH + 1)).inc();
    family.with(&"x".repeat(MAX_VALUE_LENGTH)).inc();
    assert_eq!(scrape(&family).len(), 2);
    assert_eq!(family.folded().load(Ordering::Relaxed), 1);
}

#[test]
fn gauge_value_keeps_its_series() {
    let family: BoundedFamily<Gauge> = BoundedFamily::new("peer", 1, Gauge::new);
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
fn folded_count_appears_with_the_first_bounded_metric() {
    let registry = Registry::new(crate::BuildInfo::new("s", "1", "t"), 1, Vec::new());
    let render = || {
        let gauges = Gauges {
            log: crate::telemetry::Totals::default(),
            held_by: Vec::new(),
            states: Vec::new(),
            hooked_panics: 0,
            heartbeat_ages: Vec::new(),
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
    /// MET-4
    #[test]
    fn any_values_keep_series_bounded_and_counts_exact(
        max_values in 0_usize..12,
        values in proptest::collection::vec("[a-c]{0,2}|\\PC{0,4}|[\\x00-\\x1f\"\\\\]{1,3}|_other", 0..200),
        threads in 1_usize..5,
    ) {
        let family = counters(max_values);
        let start = Barrier::new(threads);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (family, values, start) = (&family, &values, &start);
                scope.spawn(move || {
                    start.wait();
                    // Each thread starts at another value, so that additions collide.
                    let (before, after) = values.split_at(values.len() * thread / threads);
                    for value in after.iter().chain(before) {
                        family.with(value).inc();
                    }
                });
            }
        });
        let series = scrape(&family);
        let different: BTreeSet<_> = values.iter().filter(|value| *value != OTHER).collect();
        prop_assert_eq!(series.len(), different.len().min(max_values) + 1);
        prop_assert_eq!(series.values().sum::<u64>(), (values.len() * threads) as u64);
        prop_assert_eq!(series[OTHER], family.folded().load(Ordering::Relaxed));
        for (value, count) in series.iter().filter(|(value, _)| *value != OTHER) {
            let expected = values.iter().filter(|other| *other == value).count() * threads;
            prop_assert_eq!(*count, expected as u64, "{:?}", value);
        }
    }
}
