//! The history against a naive reading, and its budget.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::Store;

const START: u32 = 1_000_000;

fn service(name: &str) -> ServiceId {
    Store::new(0).service(name)
}

fn pushed(values: &[(u32, Option<f32>)]) -> History {
    let mut history = History::new(1 << 20);
    for (second, value) in values {
        history.push(service("a"), Chart::Rate, START + second, *value);
    }
    history
}

fn points(history: &History, seconds: Range<u32>, step: u32) -> Vec<Option<f32>> {
    let seconds = START + seconds.start..START + seconds.end;
    history.points(service("a"), Chart::Rate, seconds, step)
}

#[test]
fn absent_value_never_becomes_zero() {
    let mut history = pushed(&[(0, Some(1.0)), (1, None), (2, Some(0.0))]);
    assert_eq!(
        points(&history, 0..4, 1),
        [Some(1.0), None, Some(0.0), None]
    );
    assert_eq!(points(&history, 0..4, 2), [Some(1.0), Some(0.0)]);
    let other = history.points(service("a"), Chart::Cpu, START..START + 2, 1);
    assert_eq!(other, [None, None], "a chart without any value");
    history.fail(service("a"), f64::from(START + 3), "refused");
    assert_eq!(history.last(service("a"), Chart::Rate, START), None);
    assert_eq!(history.bands(service("a"), 0.0, 1e9)[0].cause, "refused");
}

#[test]
fn points_before_the_last_minutes_are_means_of_ten_seconds() {
    let values: Vec<_> = (0..3_600)
        .map(|second| (second, Some(if second % 10 == 9 { 10.0 } else { 0.0 })))
        .collect();
    let mut history = pushed(&values);
    for (second, value) in values {
        history.push(service("a"), Chart::P99, START + second, value);
    }
    assert_eq!(points(&history, 0..30, 10), [Some(1.0); 3]);
    assert_eq!(points(&history, 3_580..3_600, 10), [Some(1.0); 2]);
    assert_eq!(points(&history, 3_598..3_600, 1), [Some(0.0), Some(10.0)]);
    let p99 = history.points(service("a"), Chart::P99, START..START + 20, 10);
    assert_eq!(p99, [Some(10.0); 2], "the highest percentile is kept");
}

#[test]
fn history_ends_after_four_hours() {
    let values: Vec<_> = (0..5 * 3_600).map(|second| (second, Some(1.0))).collect();
    let history = pushed(&values);
    assert_eq!(points(&history, 0..10, 10), [None]);
    assert_eq!(points(&history, 3_700..3_710, 10), [Some(1.0)]);
}

#[test]
fn budget_holds_for_any_number_of_services() {
    let store = Store::new(0);
    let budget = 64 << 10;
    let mut history = History::new(budget);
    for number in 0..500_u32 {
        let service = store.service(&number.to_string());
        for second in 0..40 {
            let at = START + number + second * 3;
            history.push(service, Chart::Cpu, at, Some((number + second) as f32));
            history.lose(service, at);
            history.fail(
                service,
                f64::from(at),
                &format!("{second} {}", "x".repeat(300)),
            );
            assert!(history.bytes() <= budget, "{number} {second}");
        }
    }
    let last = store.service("499");
    let at = START + 499 + 39 * 3;
    assert!(history.points(last, Chart::Cpu, at - 3..at + 1, 1).len() == 4);
}

/// Seconds since the push before, and the value.
fn pushes() -> impl Strategy<Value = Vec<(u32, Option<f32>)>> {
    let pause = prop_oneof![8 => Just(1_u32), 2 => Just(0), 2 => Just(2), 1 => 3_u32..200];
    let value = prop::option::weighted(0.9, (0_u8..4).prop_map(f32::from));
    prop::collection::vec((pause, value), 1..1_500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A naive reading keeps the last value of every second.
    #[test]
    fn series_keeps_what_was_pushed(pushes in pushes()) {
        let mut history = History::new(1 << 20);
        let mut all: BTreeMap<u32, Option<f32>> = BTreeMap::new();
        let mut at = START;
        for (pause, value) in pushes {
            at += pause;
            history.push(service("a"), Chart::Rate, at, value);
            // A gap before the first value is the same as no value.
            if value.is_some() || !all.is_empty() {
                all.insert(at, value);
            }
        }
        let first = all.keys().next().copied().unwrap_or(u32::MAX);
        let expected = |second: u32| {
            let is_bridged = all.contains_key(&(second + 1)) && second > first;
            match all.get(&second) {
                Some(value) => *value,
                None if is_bridged => all.get(&(second - 1)).copied().flatten(),
                None => None,
            }
        };
        let fine = at.saturating_sub(FINE - 1)..at + 1;
        let found = history.points(service("a"), Chart::Rate, fine.clone(), 1);
        for (second, found) in fine.clone().zip(found) {
            prop_assert_eq!(found, expected(second), "{}", at - second);
        }
        let oldest = (at / COARSE_STEP + 1).saturating_sub(COARSE);
        for slot in oldest.max(START / COARSE_STEP)..fine.start / COARSE_STEP {
            let seconds = slot * COARSE_STEP..(slot + 1) * COARSE_STEP;
            let found = history.points(service("a"), Chart::Rate, seconds.clone(), COARSE_STEP);
            let has_values = seconds.filter_map(expected).next().is_some();
            prop_assert_eq!(found[0].is_some(), has_values, "{}", slot);
        }
    }

    #[test]
    fn budget_holds_for_any_input(
        pushes in prop::collection::vec((0_u16..30, 0_u32..4, prop::option::of(any::<f32>())), 1..3_000),
    ) {
        let store = Store::new(0);
        let budget = 20 << 10;
        let mut history = History::new(budget);
        let mut at = START;
        for (name, pause, value) in pushes {
            at += pause;
            history.push(store.service(&name.to_string()), Chart::Rate, at, value);
            prop_assert!(history.bytes() <= budget);
        }
        let counted: usize = history.series.values().map(|it| it.bytes() + OVERHEAD).sum();
        prop_assert_eq!(history.bytes(), counted);
    }
}
