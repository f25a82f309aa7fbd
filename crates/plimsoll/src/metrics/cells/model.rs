//! Models of the cells: threads that count while a scrape looks, in every order that comes up.

use std::collections::BTreeMap;

use super::*;
use crate::sync::Arc;

/// More series than one link holds, so that links are added while others look.
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
fn model_no_count_is_lost_and_none_goes_back_while_it_is_scraped() {
    crate::sync::check(|| {
        let series = Arc::new(Series::default());
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let series = Arc::clone(&series);
                shuttle::thread::spawn(move || {
                    for index in 0..STATUSES {
                        // One begins with what the other ends with.
                        let index = if thread == 0 {
                            index
                        } else {
                            STATUSES - 1 - index
                        };
                        series.observe(0, 200 + index, Duration::ZERO);
                    }
                })
            })
            .collect();
        let mut before = BTreeMap::new();
        for _ in 0..2 {
            let now = counts(&series);
            for (status, count) in before {
                assert!(now.get(&status) >= Some(&count), "{status} went back");
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
