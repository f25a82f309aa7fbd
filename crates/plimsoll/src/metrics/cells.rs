//! Cells of one route and one shard: a histogram for every method and status that occurred.
//!
//! A look-up compares a few adjacent integers. A series is added without a lock when its method and
//! status occur for the first time.

use std::time::Duration;

use super::shard::Shard;
use crate::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// The upper bounds of the buckets, each with the text of its `le` label. `+Inf` is added.
///
/// Whole numbers have a fraction, as OpenMetrics requires and Python's client writes.
pub(super) const BUCKETS: [(Duration, &str); 14] = [
    (Duration::from_millis(5), "0.005"),
    (Duration::from_millis(10), "0.01"),
    (Duration::from_millis(25), "0.025"),
    (Duration::from_millis(50), "0.05"),
    (Duration::from_millis(75), "0.075"),
    (Duration::from_millis(100), "0.1"),
    (Duration::from_millis(250), "0.25"),
    (Duration::from_millis(500), "0.5"),
    (Duration::from_millis(750), "0.75"),
    (Duration::from_secs(1), "1.0"),
    (Duration::from_millis(2500), "2.5"),
    (Duration::from_secs(5), "5.0"),
    (Duration::from_millis(7500), "7.5"),
    (Duration::from_secs(10), "10.0"),
];

const CELLS: usize = BUCKETS.len() + 1;

/// The number of series in one link of the chain. Most routes never have more.
const LINK: usize = 4;

/// The values of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Counts of single buckets, not cumulative.
    pub(super) buckets: [u64; CELLS],
    pub(super) nanos: u128,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, count) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += count;
        }
        self.nanos += other.nanos;
    }
}

/// The series of one route in one shard.
///
/// The alignment keeps two shards in different cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Series {
    first: OnceLock<Box<CellLink>>,
}

#[derive(Debug, Default)]
struct CellLink {
    /// The key of each cell; 0 is a free cell.
    keys: [AtomicU32; LINK],
    cells: [Cell; LINK],
    next: OnceLock<Box<Self>>,
}

#[derive(Debug, Default)]
struct Cell {
    buckets: [AtomicU64; CELLS],
    /// The sum in nanoseconds. It wraps after 584 years, which a scraper takes for a restart.
    nanos: AtomicU64,
}

impl Series {
    /// Counts one request. `method` is a method slot, `status` at most 999.
    pub(super) fn observe(&self, shard: Shard, method: u32, status: u16, took: Duration) {
        let cell = self.cell(key(method, status));
        let bucket = bucket(took);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        shard.add(&cell.nanos, nanos);
        shard.add(&cell.buckets[bucket], 1);
    }

    fn cell(&self, key: u32) -> &Cell {
        let mut link = &**self.first.get_or_init(Box::default);
        loop {
            for (slot, cell) in link.keys.iter().zip(&link.cells) {
                let mut found = slot.load(Ordering::Relaxed);
                if found == 0 {
                    // Another thread of this shard may take the cell concurrently.
                    found = slot
                        .compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed)
                        .map_or_else(|taken| taken, |_| key);
                }
                if found == key {
                    return cell;
                }
            }
            link = link.next.get_or_init(Box::default);
        }
    }

    /// Calls `visit` with the method, status and sums of every series.
    pub(super) fn visit(&self, mut visit: impl FnMut(u32, u16, Sums)) {
        let mut next = self.first.get();
        while let Some(link) = next {
            for (slot, cell) in link.keys.iter().zip(&link.cells) {
                let key = slot.load(Ordering::Relaxed);
                if key != 0 {
                    let (method, status) = parts(key);
                    visit(method, status, cell.sums());
                }
            }
            next = link.next.get();
        }
    }
}

impl Cell {
    fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for (sum, bucket) in sums.buckets.iter_mut().zip(&self.buckets) {
            *sum = bucket.load(Ordering::Relaxed);
        }
        sums.nanos = self.nanos.load(Ordering::Relaxed).into();
        sums
    }
}

/// Returns the index of the first bucket that contains a duration.
pub(super) fn bucket(took: Duration) -> usize {
    BUCKETS
        .iter()
        .position(|(bound, _)| took <= *bound)
        .unwrap_or(BUCKETS.len())
}

/// The key of a method and a status. No status is 0, so no key is 0.
fn key(method: u32, status: u16) -> u32 {
    method << 16 | u32::from(status)
}

fn parts(key: u32) -> (u32, u16) {
    (key >> 16, u16::try_from(key & 0xFFFF).unwrap_or(u16::MAX))
}

#[cfg(test)]
#[cfg(shuttle)]
mod model;

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn all(series: &Series) -> Vec<(u32, u16, u64)> {
        let mut all = Vec::new();
        series.visit(|method, status, sums| {
            all.push((method, status, sums.buckets.iter().sum()));
        });
        all.sort_unstable();
        all
    }

    #[test]
    fn duration_falls_into_its_smallest_bucket() {
        #[track_caller]
        fn check(took: Duration, bucket: usize) {
            let series = Series::default();
            series.observe(Shard::SHARED, 0, 200, took);
            series.visit(|_, _, sums| assert_eq!(sums.buckets[bucket], 1, "{took:?}"));
        }
        check(Duration::ZERO, 0);
        check(Duration::from_millis(5), 0);
        check(Duration::from_nanos(5_000_001), 1);
        check(Duration::from_secs(10), 13);
        check(Duration::from_secs(11), 14);
        check(Duration::MAX, 14);
    }

    #[test]
    fn series_of_several_links_stay_separate() {
        let series = Series::default();
        for status in 100..=130 {
            for _ in 0..status {
                series.observe(Shard::SHARED, u32::from(status % 3), status, Duration::ZERO);
            }
        }
        let all = all(&series);
        assert_eq!(all.len(), 31);
        assert!(all.iter().all(|(method, status, count)| {
            *method == u32::from(status % 3) && *count == u64::from(*status)
        }));
    }

    #[test]
    fn threads_of_one_shard_lose_no_count() {
        let series = Series::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for index in 0..10_000 {
                        series.observe(Shard::SHARED, 0, 200 + index % 7, Duration::from_nanos(3));
                    }
                });
            }
        });
        let all = all(&series);
        assert_eq!(all.len(), 7);
        assert_eq!(all.iter().map(|(_, _, count)| count).sum::<u64>(), 40_000);
    }
}
