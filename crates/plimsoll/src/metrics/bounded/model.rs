//! A model of a bounded family: threads that add values concurrently, in many orders.

use super::*;
use crate::metrics::Counter;

#[test]
fn model_bounds_series_and_keeps_the_series_of_a_value() {
    crate::sync::check(|| {
        let family: BoundedFamily<Counter> = BoundedFamily::new("tenant", 2, Counter::new);
        let threads: Vec<_> = [["a", "b", "a"], ["b", "c", "b"], ["c", "a", "c"]]
            .into_iter()
            .map(|values| {
                let family = family.clone();
                shuttle::thread::spawn(move || {
                    let series = values.map(|value| {
                        let metric = family.with(value);
                        metric.inc();
                        std::ptr::from_ref(metric) as usize
                    });
                    assert_eq!(series[0], series[2], "a value has changed its series");
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let shared = &*family.shared;
        let own: Vec<_> = shared.table.iter().filter_map(OnceLock::get).collect();
        assert_eq!(own.len(), 2);
        let all: u64 = own.iter().map(|series| series.metric.get()).sum();
        assert_eq!(all + shared.other.get(), 9, "nothing is lost");
        assert_eq!(shared.folded.load(Ordering::Relaxed), shared.other.get());
    });
}
