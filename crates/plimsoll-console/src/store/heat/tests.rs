//! Counts over time, resolutions, runs and the budget.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::store::Store;

/// A whole number of coarse slots, an hour ago.
fn start() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u32::try_from(now.as_secs()).unwrap();
    (now - 3_600) / COARSE_STEP * COARSE_STEP
}

fn service(name: &str) -> ServiceId {
    Store::new(0).service(name)
}

fn access<'a>(second: u32, ms: f64, status: u16, route: &'a str) -> Access<'a> {
    Access {
        service: service("a"),
        run: 1,
        time: i64::from(second) * 1000,
        ms: Some(ms),
        status: Some(status),
        method: Some("GET"),
        route: Some(route),
    }
}

#[test]
fn requests_are_counted_by_second_and_step() {
    let heat = Heat::new(1 << 20);
    let start = start();
    for _ in 0..3 {
        heat.record(&access(start, 0.5, 200, "/a"));
    }
    heat.record(&access(start + 2, 50.0, 500, "/a"));
    let counts = heat.counts(service("a"), start..start + 3, 1);
    assert_eq!(counts, [vec![(10, 3)], vec![], vec![(30, 1)]]);
    let windows = heat
        .windows(service("a"), start + 2..start + 3, 1, 10)
        .unwrap();
    assert_eq!((windows[0].requests, windows[0].server_errors), (4, 1));
    let store = Store::new(0);
    let other = ["a", "b"].map(|name| store.service(name))[1];
    assert_eq!(heat.windows(other, start..start + 1, 1, 1), None);
    assert_eq!(heat.first(service("a")), Some(start));
    assert_eq!(heat.resolution(service("a"), start), 1);
}

#[test]
fn older_requests_have_ten_seconds_resolution() {
    let heat = Heat::new(1 << 20);
    let start = start();
    for second in 0..2_000 {
        heat.record(&access(start + second, 1.0, 200, "/a"));
    }
    assert_eq!(heat.resolution(service("a"), start), COARSE_STEP);
    assert_eq!(heat.resolution(service("a"), start + 1_990), 1);
    assert_eq!(heat.first(service("a")), Some(start));
    let old = heat.counts(service("a"), start..start + 30, COARSE_STEP);
    assert_eq!(old, [vec![(13, 10)], vec![(13, 10)], vec![(13, 10)]]);
    let all = heat.counts(service("a"), start..start + 2_000, COARSE_STEP);
    let sum: u64 = all.iter().flatten().map(|(_, count)| count).sum();
    assert_eq!(sum, 2_000, "no request counts twice");
}

#[test]
fn implausible_times_count_in_no_second() {
    let heat = Heat::new(1 << 20);
    let start = start();
    heat.record(&access(start, 1.0, 200, "/a"));
    heat.record(&access(u32::MAX, 1.0, 200, "/a"));
    heat.record(&Access {
        time: -5,
        ..access(0, 1.0, 200, "/a")
    });
    heat.record(&Access {
        time: i64::MAX,
        ..access(0, 1.0, 200, "/a")
    });
    let counts = heat.counts(service("a"), start..start + 1, 1);
    assert_eq!(counts, [[(13, 1)]]);
    assert_eq!(heat.routes(service("a"))[0].2.count, 4);
}

#[test]
fn record_without_a_latency_is_a_request_without_a_step() {
    let heat = Heat::new(1 << 20);
    let start = start();
    heat.record(&Access {
        ms: None,
        method: None,
        ..access(start, 0.0, 200, "/a")
    });
    let windows = heat.windows(service("a"), start..start + 1, 1, 1).unwrap();
    assert_eq!((windows[0].requests, windows[0].steps), (1, [0; STEPS]));
    assert_eq!(heat.routes(service("a"))[0].0, UNKNOWN);
}

#[test]
fn routes_begin_again_with_a_run() {
    let heat = Heat::new(1 << 20);
    let start = start();
    heat.record(&access(start, 1.0, 200, "/a"));
    heat.record(&Access {
        run: 2,
        ..access(start, 1.0, 200, "/b")
    });
    let routes = heat.routes(service("a"));
    assert_eq!((routes.len(), routes[0].1.as_str()), (1, "/b"));
}

#[test]
fn memory_stays_within_the_budget() {
    let budget = 200 << 10;
    let (heat, store) = (Heat::new(budget), Store::new(0));
    let start = start();
    for second in 0..3_000 {
        for (number, name) in ["a", "b", "c"].iter().enumerate() {
            for step in 0..20 {
                let ms = bounds()[(step * 3 + number) % STEPS];
                let service = store.service(name);
                heat.record(&Access {
                    service,
                    ..access(start + second, ms, 200, "/a")
                });
            }
        }
        assert!(heat.bytes() <= budget, "{second}");
    }
    let last = heat.counts(store.service("c"), start + 2_999..start + 3_000, 1);
    assert_eq!(last[0].iter().map(|(_, count)| count).sum::<u64>(), 20);
}
