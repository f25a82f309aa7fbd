//! The debug records of a request, kept until it ends (contract LOG-16).
//!
//! The end of the request decides whether they are written. The log formats and writes them.
//!
//! # Invariants
//!
//! * A request keeps at most [`MAX_RECORDS`] records of [`MAX_BYTES`] in total, the last ones.
//! * All requests of a log keep at most [`MAX_TOTAL`], however many are in flight.
//! * A request that keeps nothing has no buffer.
//! * After the end of its request, a task keeps nothing.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::context;
use crate::{
    config::Level,
    sync::{Mutex, lock},
};

/// The maximum number of records that a request keeps.
const MAX_RECORDS: usize = 64;

/// The maximum length of all records that a request keeps, in bytes: two records of maximum length,
/// or 64 of 512 bytes.
const MAX_BYTES: usize = 32 * 1024;

/// The maximum memory of all records that a log keeps, in bytes.
const MAX_TOTAL: usize = 8 * 1024 * 1024;

/// The memory of a record beside its line, in bytes: its place in the queue, and the allocator's data.
const OVERHEAD: usize = 128;

/// The memory that the debug records of all requests of a log take.
#[derive(Debug, Default)]
pub(crate) struct DebugBudget {
    taken: AtomicUsize,
}

impl DebugBudget {
    fn take(&self, bytes: usize) -> bool {
        let add = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= MAX_TOTAL);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_ok()
    }

    fn release(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The debug records of one request. Shared by the request, its tasks and its guard.
#[derive(Debug)]
pub(crate) struct DebugRecords {
    budget: Arc<DebugBudget>,
    /// Whether they are written even if the status of the request is no failure.
    are_wanted: AtomicBool,
    /// `None` after the end of the request.
    kept: Mutex<Option<KeptRecords>>,
}

impl DebugRecords {
    pub(crate) fn new(budget: &Arc<DebugBudget>) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            are_wanted: AtomicBool::new(false),
            kept: Mutex::new(Some(KeptRecords::new(budget))),
        })
    }

    /// Returns the debug records of the current request.
    pub(crate) fn current() -> Option<Arc<Self>> {
        context::read(|request| request.debug_records.clone()).flatten()
    }

    /// Whether they belong to the log of `budget`. One program may have several services.
    pub(crate) fn are_of(&self, budget: &Arc<DebugBudget>) -> bool {
        Arc::ptr_eq(&self.budget, budget)
    }

    /// Keeps a record, in place of the oldest ones if there is no space.
    pub(crate) fn keep(&self, level: Level, line: &[u8]) {
        let mut kept = lock(&self.kept);
        if let Some(kept) = &mut *kept {
            kept.push(level, line);
        }
    }

    /// Has them written at the end of the request, as after a panic.
    pub(crate) fn mark_wanted(&self) {
        self.are_wanted.store(true, Ordering::Relaxed);
    }

    /// Has them written at the end of the request if its handler `took` at least half of its timeout.
    ///
    /// The next such request may time out. The time of the body does not count, because it depends
    /// on the client, and an event stream has no end.
    pub(crate) fn mark_slow(&self, took: Duration, timeout: Option<Duration>) {
        if timeout.is_some_and(|timeout| took >= timeout / 2) {
            self.mark_wanted();
        }
    }

    /// Ends the request. Returns its records if they are to be written, and frees them otherwise.
    pub(crate) fn end(&self, has_failed: bool) -> Option<KeptRecords> {
        let mut kept = lock(&self.kept);
        let kept = kept.take();
        kept.filter(|_| has_failed || self.are_wanted.load(Ordering::Relaxed))
    }
}

/// The last records of a request, in their order.
#[derive(Debug)]
pub(crate) struct KeptRecords {
    budget: Arc<DebugBudget>,
    records: VecDeque<(Level, Box<[u8]>)>,
    /// The length of all lines.
    bytes: usize,
    dropped: u64,
}

impl KeptRecords {
    fn new(budget: &Arc<DebugBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            records: VecDeque::new(),
            bytes: 0,
            dropped: 0,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Level, &[u8])> {
        self.records.iter().map(|(level, line)| (*level, &**line))
    }

    /// The number of records that are not kept.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn push(&mut self, level: Level, line: &[u8]) {
        while self.records.len() == MAX_RECORDS
            || self.bytes + line.len() > MAX_BYTES
            || !self.budget.take(line.len() + OVERHEAD)
        {
            // The oldest record is dropped, or the new one if no other is kept.
            self.dropped += 1;
            let Some((_, oldest)) = self.records.pop_front() else {
                return;
            };
            self.bytes -= oldest.len();
            self.budget.release(oldest.len() + OVERHEAD);
        }
        self.bytes += line.len();
        self.records.push_back((level, line.into()));
    }
}

impl Drop for KeptRecords {
    fn drop(&mut self) {
        let overhead = self.records.len() * OVERHEAD;
        self.budget.release(self.bytes + overhead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(budget: &Arc<DebugBudget>) -> Arc<DebugRecords> {
        DebugRecords::new(budget)
    }

    fn lines(kept: &KeptRecords) -> Vec<&str> {
        let lines = kept.iter().map(|(_, line)| std::str::from_utf8(line));
        lines.collect::<Result<_, _>>().unwrap()
    }

    /// LOG-16
    #[test]
    fn last_records_of_a_request_are_kept() {
        let budget = Arc::default();
        let records = records(&budget);
        for number in 0..MAX_RECORDS + 3 {
            records.keep(Level::Debug, number.to_string().as_bytes());
        }
        let kept = records.end(true).unwrap();
        let lines = lines(&kept);
        assert_eq!((lines.len(), kept.dropped()), (MAX_RECORDS, 3));
        assert_eq!((lines[0], lines[63]), ("3", "66"));
    }

    /// LOG-16
    #[test]
    fn records_of_a_request_have_a_maximum_length() {
        let budget = Arc::default();
        let records = records(&budget);
        let line = [b'x'; MAX_BYTES / 2];
        for _ in 0..3 {
            records.keep(Level::Debug, &line);
        }
        records.keep(Level::Debug, b"last");
        let kept = records.end(true).unwrap();
        assert_eq!((kept.records.len(), kept.dropped()), (2, 2));
        assert_eq!(lines(&kept)[1], "last");
    }

    /// LOG-16
    #[test]
    fn all_requests_share_a_maximum_of_memory() {
        let budget = Arc::default();
        let line = [b'x'; MAX_BYTES / 2];
        let full: Vec<_> = (0..MAX_TOTAL / MAX_BYTES)
            .map(|_| {
                let records = records(&budget);
                records.keep(Level::Debug, &line);
                records.keep(Level::Debug, &line);
                records
            })
            .collect();
        assert!(budget.taken.load(Ordering::Relaxed) <= MAX_TOTAL);

        let last = records(&budget);
        last.keep(Level::Debug, &line);
        let last = last.end(true).unwrap();
        assert_eq!((last.records.len(), last.dropped()), (0, 1));

        drop(full);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }

    /// LOG-16
    #[test]
    fn request_without_memory_replaces_its_oldest_records() {
        let budget = Arc::new(DebugBudget::default());
        let records = records(&budget);
        records.keep(Level::Debug, b"old");
        assert!(budget.take(MAX_TOTAL - 3 - OVERHEAD));
        records.keep(Level::Debug, b"new");
        let kept = records.end(true).unwrap();
        assert_eq!((lines(&kept), kept.dropped()), (vec!["new"], 1));
    }

    /// LOG-16
    #[test]
    fn records_are_freed_at_the_end_of_the_request() {
        let budget = Arc::default();
        let records = records(&budget);
        records.keep(Level::Debug, b"one");
        assert!(records.end(false).is_none());
        records.keep(Level::Debug, b"of a task that continues");
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
        assert!(records.end(true).is_none());
    }

    /// LOG-16
    #[test]
    fn half_of_the_timeout_is_slow() {
        let timeout = Some(Duration::from_secs(10));
        for (millis, timeout, is_slow) in [
            (4_999, timeout, false),
            (5_000, timeout, true),
            (60_000, None, false),
        ] {
            let records = records(&Arc::default());
            records.mark_slow(Duration::from_millis(millis), timeout);
            assert_eq!(records.end(false).is_some(), is_slow, "{millis}");
        }
    }
}
