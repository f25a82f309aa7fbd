//! A metric by a label whose values come from outside, with an end to the series that strangers
//! can make.
//!
//! The first values up to a maximum get a series each, for the life of the process; all others share
//! the series [`OTHER`]. Which series a value has never changes, so that counters never fall and
//! what was added to a gauge is taken from the same one.
//!
//! # How a series is found
//!
//! In a table of fixed size, at least twice as large as the maximum, by a hash that strangers cannot
//! foresee. Finding one takes no lock and no allocation; a lock is taken only to add a value, which
//! happens as often as the maximum says.
//!
//! # Invariants
//!
//! * There are never more than the maximum and one series.
//! * Nothing is lost: whatever finds no series of its own is counted in [`OTHER`], and as folded.

use std::{collections::hash_map::RandomState, fmt, hash::BuildHasher as _};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric},
};

use crate::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// The value of the label for everything that has no series of its own.
pub(super) const OTHER: &str = "_other";

/// The most series that a family can be made for: more than that, no scraper wants of one metric.
pub(super) const MOST_VALUES: usize = 10_000;

/// Values that are longer, in bytes, have no series of their own: a name is short, and what is not
/// would be kept for ever.
const LONGEST_VALUE: usize = 128;

/// One metric by one label, whose values may come from outside: beyond a fixed number of them, all
/// others share the series `_other`.
///
/// Made by [`Metrics::bounded_counter`], [`Metrics::bounded_gauge`] and
/// [`Metrics::bounded_histogram`]. Clones share the series. A value that is longer than 128 bytes
/// has no series of its own either. How often something went to `_other` is counted in
/// `metrics_labels_folded_total`.
///
/// [`Metrics::bounded_counter`]: super::Metrics::bounded_counter
/// [`Metrics::bounded_gauge`]: super::Metrics::bounded_gauge
/// [`Metrics::bounded_histogram`]: super::Metrics::bounded_histogram
pub struct BoundedFamily<M> {
    shared: Arc<BoundedTable<M>>,
}

struct BoundedTable<M> {
    label: Box<str>,
    most_values: usize,
    make: Box<dyn Fn() -> M + Send + Sync>,
    hasher: RandomState,
    /// Its length is a power of two. A value is in the first free place from its hash on, and stays.
    table: Box<[OnceLock<BoundedSeries<M>>]>,
    /// How many values there are; whoever holds this may add one.
    values: Mutex<usize>,
    /// No value will be added any more.
    full: AtomicBool,
    other: M,
    folded: Arc<AtomicU64>,
}

struct BoundedSeries<M> {
    value: Box<str>,
    metric: M,
}

impl<M> BoundedFamily<M> {
    /// `most_values` is at most [`MOST_VALUES`].
    pub(super) fn new(
        label: &str,
        most_values: usize,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        let places = (2 * most_values).next_power_of_two();
        Self {
            shared: Arc::new(BoundedTable {
                label: label.into(),
                most_values,
                hasher: RandomState::new(),
                table: (0..places).map(|_| OnceLock::new()).collect(),
                values: Mutex::new(0),
                full: AtomicBool::new(most_values == 0),
                other: make(),
                make: Box::new(make),
                folded: Arc::default(),
            }),
        }
    }

    /// How often a value had no series of its own.
    pub(super) fn folded(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.folded)
    }

    /// The metric of this value of the label: its own, or the one of `_other`.
    #[must_use]
    pub fn with(&self, value: &str) -> &M {
        let shared = &*self.shared;
        let own = if value.len() > LONGEST_VALUE || value == OTHER {
            None
        } else {
            shared.own(value)
        };
        own.unwrap_or_else(|| {
            shared.folded.fetch_add(1, Ordering::Relaxed);
            &shared.other
        })
    }
}

impl<M> BoundedTable<M> {
    fn own(&self, value: &str) -> Option<&M> {
        let hash = self.hasher.hash_one(value);
        // Asked before the search: what a full table does not have, it never will.
        let full = self.full.load(Ordering::Acquire);
        for place in self.places(hash) {
            match place.get() {
                Some(series) if *series.value == *value => return Some(&series.metric),
                Some(_) => {}
                None => break,
            }
        }
        if full { None } else { self.add(hash, value) }
    }

    /// The places where a value may be, in the order in which they are looked at.
    fn places(&self, hash: u64) -> impl Iterator<Item = &OnceLock<BoundedSeries<M>>> {
        let mask = self.table.len() - 1;
        // Only the low bits matter, which are the same on any machine.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the mask keeps low bits only"
        )]
        let first = hash as usize;
        (0..=mask).map(move |step| &self.table[first.wrapping_add(step) & mask])
    }

    fn add(&self, hash: u64, value: &str) -> Option<&M> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        for place in self.places(hash) {
            match place.get() {
                // Somebody else has added it meanwhile.
                Some(series) if *series.value == *value => return Some(&series.metric),
                Some(_) => {}
                None if *values == self.most_values => return None,
                None => {
                    let series = place.get_or_init(|| BoundedSeries {
                        value: value.into(),
                        metric: (self.make)(),
                    });
                    *values += 1;
                    if *values == self.most_values {
                        self.full.store(true, Ordering::Release);
                    }
                    return Some(&series.metric);
                }
            }
        }
        // Half of the table is free always.
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
            .field("most_values", &self.shared.most_values)
            .finish_non_exhaustive()
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for BoundedFamily<M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let shared = &*self.shared;
        let own = shared.table.iter().filter_map(OnceLock::get);
        let own = own.map(|series| (&*series.value, &series.metric));
        for (value, metric) in own.chain([(OTHER, &shared.other)]) {
            metric.encode(encoder.encode_family(&[(&*shared.label, value)])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

#[cfg(test)]
#[cfg(shuttle)]
mod model;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
