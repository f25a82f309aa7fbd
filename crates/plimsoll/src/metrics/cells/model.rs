//! A model of the cells: threads that count during a scrape, in many orders.

use std::collections::BTreeMap;

use super::*;
use crate::sync::Arc;

/// More series than one link holds, so that links are added during a scrape.
const STATUSES: u16 = 5;

fn counts(series: &Series) -> BTreeMap<u16, u64> {
    let mut counts = BTreeMap::new();
    series.visit(|_, status, sums| {
        let count = sums.buckets.iter().sum();
        let twice = counts.insert(status, count);
        assert_eq!(twice, None, "{status} has two series");
    });
    counts
}

#[test]
fn model_counts_are_exact_and_never_fall_in_a_scrape() {
    crate::sync::check(|| {
        let series = Arc::new(Series::default());
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let series = Arc::clone(&series);
                shuttle::thread::spawn(move || {
                    for index in 0..STATUSES {
                        // The threads count the statuses in opposite orders.
                        let index = if thread == 0 {
                            index
                        } else {
                            STATUSES - 1 - index
                        };
                        series.observe(Shard::SHARED, 0, 200 + index, Duration::ZERO);
                    }
                })
            })
            .collect();
        let mut before = BTreeMap::new();
        for _ in 0..2 {
            let now = counts(&series);
            for (status, count) in before {
                assert!(now.get(&status) >= Some(&count), "{status} has decreased");
            }
            before = now;
        }
        for thread in threads {
            thread.join().unwrap();
        }
        let all = counts(&series);
        assert_eq!(all.len(), usize::from(STATUSES));
        assert!(all.values().all(|count| *count == 2), "{all:?}");
    });
}
