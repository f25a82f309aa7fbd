//! Label bounding: metrics by a label whose values come from clients, in a bounded number of series.
//!
//! The labels of the chassis's own metrics are bounded elsewhere: methods in `method.rs`, paths in
//! `edge/route.rs` and `edge/route_label.rs`, peers in `calls.rs`.
//!
//! The first values up to a maximum get a series each, for the life of the process. All others share
//! the series [`OTHER`]. The series of a value never changes. So counters never decrease, and a
//! gauge is decremented in the series that was incremented.
//!
//! # Look-up
//!
//! Series are in a hash table of fixed size, at least twice the maximum. The hash has a random key,
//! so clients cannot provoke collisions. A look-up takes no lock and no allocation. Adding a value
//! takes a lock, at most as often as the maximum.
//!
//! # Invariants
//!
//! * The number of series is at most the maximum plus one.
//! * No update is lost: a value without a series of its own counts in [`OTHER`], and as folded.

use std::{collections::hash_map::RandomState, fmt, hash::BuildHasher as _};

use prometheus_client::{encoding::MetricEncoder, metrics::MetricType};

use super::user::Instrument;
use crate::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
    lock,
};

/// The label value for all values that have no series of their own.
pub(super) const OTHER: &str = "_other";

/// The highest maximum of a family: scrapers do not expect more series of one metric.
pub(super) const MAX_VALUES: usize = 10_000;

/// The maximum length of a value with a series of its own, in bytes. Values stay in memory until the
/// process ends.
const MAX_VALUE_LENGTH: usize = 128;

/// A metric by one label, with a bounded number of series. Clones share the series.
///
/// Made by [`Metrics::bounded_counter`], [`Metrics::bounded_gauge`] and
/// [`Metrics::bounded_histogram`]. Values beyond the maximum, and values longer than 128 bytes,
/// share the series `_other`. `metrics_labels_folded_total` counts their look-ups.
///
/// ```
/// # fn example(metrics: &plimsoll::metrics::Metrics) -> Result<(), plimsoll::metrics::MetricError> {
/// let calls = metrics.bounded_counter("calls", "Calls, by tenant", "tenant", 2)?;
/// for tenant in ["a", "b", "c", "d"] {
///     calls.with(tenant).inc();
/// }
/// assert_eq!(calls.with("a").get(), 1);
/// // `c` and `d` share the series `_other`.
/// assert_eq!(calls.with("c").get(), 2);
/// # Ok(())
/// # }
/// # example(&plimsoll::metrics::Metrics::default()).unwrap();
/// ```
///
/// [`Metrics::bounded_counter`]: super::Metrics::bounded_counter
/// [`Metrics::bounded_gauge`]: super::Metrics::bounded_gauge
/// [`Metrics::bounded_histogram`]: super::Metrics::bounded_histogram
pub struct BoundedFamily<M> {
    shared: Arc<BoundedTable<M>>,
}

struct BoundedTable<M> {
    label: Box<str>,
    max_values: usize,
    make: Box<dyn Fn() -> M + Send + Sync>,
    hasher: RandomState,
    /// Its length is a power of two. A value takes the first free slot from its hash on, for ever.
    table: Box<[OnceLock<BoundedSeries<M>>]>,
    /// The number of values. A thread holds the lock while it adds one.
    values: Mutex<usize>,
    /// Whether the maximum is reached, so that no value will be added.
    full: AtomicBool,
    other: M,
    folded: Arc<AtomicU64>,
}

struct BoundedSeries<M> {
    value: Box<str>,
    metric: M,
}

impl<M> BoundedFamily<M> {
    /// `max_values` is at most [`MAX_VALUES`].
    pub(super) fn new(
        label: &str,
        max_values: usize,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        let slots = (2 * max_values).next_power_of_two();
        Self {
            shared: Arc::new(BoundedTable {
                label: label.into(),
                max_values,
                hasher: RandomState::new(),
                table: (0..slots).map(|_| OnceLock::new()).collect(),
                values: Mutex::new(0),
                full: AtomicBool::new(max_values == 0),
                other: make(),
                make: Box::new(make),
                folded: Arc::default(),
            }),
        }
    }

    /// The number of look-ups of values without a series of their own.
    pub(super) fn folded(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.folded)
    }

    /// Returns the metric of a label value: its own, or the one of `_other`.
    #[must_use]
    pub fn with(&self, value: &str) -> &M {
        let shared = &*self.shared;
        let own = if value.len() > MAX_VALUE_LENGTH || value == OTHER {
            None
        } else {
            shared.find_or_add(value)
        };
        own.unwrap_or_else(|| {
            shared.folded.fetch_add(1, Ordering::Relaxed);
            &shared.other
        })
    }
}

impl<M> BoundedTable<M> {
    fn find_or_add(&self, value: &str) -> Option<&M> {
        let hash = self.hasher.hash_one(value);
        // Loaded before the search: a full table gets no value afterwards.
        let full = self.full.load(Ordering::Acquire);
        for slot in self.slots(hash) {
            match slot.get() {
                Some(series) if *series.value == *value => return Some(&series.metric),
                Some(_) => {}
                None => break,
            }
        }
        if full { None } else { self.add(hash, value) }
    }

    /// The slots where a value may be, in probing order.
    fn slots(&self, hash: u64) -> impl Iterator<Item = &OnceLock<BoundedSeries<M>>> {
        let mask = self.table.len() - 1;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the mask keeps low bits only"
        )]
        let first = hash as usize;
        (0..=mask).map(move |step| &self.table[first.wrapping_add(step) & mask])
    }

    fn add(&self, hash: u64, value: &str) -> Option<&M> {
        let mut values = lock(&self.values);
        for slot in self.slots(hash) {
            match slot.get() {
                // Another thread has added it since the search.
                Some(series) if *series.value == *value => return Some(&series.metric),
                Some(_) => {}
                None if *values == self.max_values => return None,
                None => {
                    let series = slot.get_or_init(|| BoundedSeries {
                        value: value.into(),
                        metric: (self.make)(),
                    });
                    *values += 1;
                    if *values == self.max_values {
                        self.full.store(true, Ordering::Release);
                    }
                    return Some(&series.metric);
                }
            }
        }
        // Not reached: at least half of the slots are free.
        None
    }
}

impl<M> Clone for BoundedFamily<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M> fmt::Debug for BoundedFamily<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedFamily")
            .field("label", &self.shared.label)
            .field("max_values", &self.shared.max_values)
            .finish_non_exhaustive()
    }
}

impl<M: Instrument> Instrument for BoundedFamily<M> {
    const TYPE: MetricType = M::TYPE;

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let shared = &*self.shared;
        let own = shared.table.iter().filter_map(OnceLock::get);
        let own = own.map(|series| (&*series.value, &series.metric));
        for (value, metric) in own.chain([(OTHER, &shared.other)]) {
            metric.encode(encoder.encode_family(&[(&*shared.label, value)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(shuttle)]
mod model;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
