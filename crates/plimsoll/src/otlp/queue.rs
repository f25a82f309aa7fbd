//! The bounded queue of spans that wait to be sent, with exact counts.
//!
//! A push holds the lock while it moves one pointer, and a pop while it moves the pointers of a batch.
//! The exporter thread is woken when a batch is full, not for each span.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::Span;
use crate::{
    metrics::{CauseCounts, SpanLoss, SpanTotals},
    sync::{Mutex, lock},
};

/// The queue and its counters.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<QueuedSpans>,
    /// The number of queued spans, for reads without the lock.
    length: AtomicUsize,
    capacity: usize,
    batch: usize,
    /// Notified when a batch is full.
    pub(super) batch_full: Notify,
    produced: AtomicU64,
    exported: AtomicU64,
    dropped: CauseCounts<SpanLoss>,
}

#[derive(Debug)]
struct QueuedSpans {
    spans: VecDeque<Box<Span>>,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize, batch: usize) -> Self {
        Self {
            waiting: Mutex::new(QueuedSpans {
                spans: VecDeque::with_capacity(batch),
                is_closed: false,
            }),
            length: AtomicUsize::new(0),
            capacity,
            batch,
            batch_full: Notify::new(),
            produced: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            dropped: CauseCounts::default(),
        }
    }

    /// Queues the span that `build` returns, or counts it as dropped.
    pub(super) fn push(&self, build: impl FnOnce() -> Span) {
        self.produced.fetch_add(1, Ordering::Relaxed);
        // Checked first without the lock, so that a full queue costs nothing.
        if self.length.load(Ordering::Relaxed) >= self.capacity {
            return self.dropped.count(SpanLoss::QueueFull);
        }
        // Built and boxed outside the lock.
        let span = Box::new(build());
        let mut waiting = lock(&self.waiting);
        if waiting.is_closed {
            return self.dropped.count(SpanLoss::Shutdown);
        }
        if waiting.spans.len() >= self.capacity {
            return self.dropped.count(SpanLoss::QueueFull);
        }
        waiting.spans.push_back(span);
        let length = waiting.spans.len();
        self.length.store(length, Ordering::Relaxed);
        drop(waiting);
        if length == self.batch {
            self.batch_full.notify_one();
        }
    }

    /// Removes and returns a batch of the oldest spans.
    #[expect(
        clippy::vec_box,
        reason = "the lock is held for less time if pointers move"
    )]
    pub(super) fn take_batch(&self) -> Vec<Box<Span>> {
        let mut batch = Vec::with_capacity(self.batch);
        let mut waiting = lock(&self.waiting);
        let count = waiting.spans.len().min(self.batch);
        batch.extend(waiting.spans.drain(..count));
        self.length.store(waiting.spans.len(), Ordering::Relaxed);
        batch
    }

    /// Whether at least one full batch is queued.
    pub(super) fn has_batch(&self) -> bool {
        self.length.load(Ordering::Relaxed) >= self.batch
    }

    /// Closes the queue. Later spans are dropped.
    pub(super) fn close(&self) {
        lock(&self.waiting).is_closed = true;
    }

    /// Counts spans that the collector has accepted.
    pub(super) fn count_exported(&self, count: u64) {
        self.exported.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts spans that were removed from the queue and not exported.
    pub(super) fn count_dropped(&self, reason: SpanLoss, count: u64) {
        self.dropped.add(reason, count);
    }

    pub(super) fn totals(&self) -> SpanTotals {
        // `produced` is read last, so that it is never below the sum of the others.
        let exported = self.exported.load(Ordering::Acquire);
        let dropped = self.dropped.all();
        SpanTotals {
            exported,
            dropped,
            produced: self.produced.load(Ordering::Acquire),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{
        otlp::SpanKind,
        trace::{SpanContext, new_span_id, new_trace_id},
    };

    fn span() -> Span {
        Span {
            context: SpanContext::root(new_trace_id(), new_span_id(), true),
            parent: None,
            is_parent_remote: false,
            state: None,
            link: None,
            name: "one".into(),
            kind: SpanKind::Internal,
            start: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            attributes: Vec::new(),
            has_failed: false,
        }
    }

    /// TRC-7
    #[test]
    fn full_queue_drops_and_counts_unbuilt_spans() {
        let queue = Queue::new(3, 2);
        let mut built = 0;
        for _ in 0..5 {
            queue.push(|| {
                built += 1;
                span()
            });
        }
        assert_eq!(built, 3);
        let totals = queue.totals();
        assert_eq!((totals.produced, totals.total_dropped()), (5, 2));
        assert_eq!((queue.take_batch().len(), queue.take_batch().len()), (2, 1));
        queue.push(span);
        queue.close();
        queue.push(span);
        assert_eq!(queue.take_batch().len(), 1);
        assert_eq!(queue.totals().total_dropped(), 3);
    }

    /// TRC-7
    #[test]
    fn concurrent_spans_are_counted_once() {
        let queue = Queue::new(100, 10);
        let taken = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..5_000).for_each(|_| queue.push(span))))
                .collect();
            let mut taken = 0;
            while !threads.iter().all(|thread| thread.is_finished()) {
                taken += queue.take_batch().len() as u64;
            }
            taken
        });
        let mut rest = 0;
        loop {
            match queue.take_batch().len() as u64 {
                0 => break,
                count => rest += count,
            }
        }
        let totals = queue.totals();
        assert_eq!(totals.produced, 20_000);
        assert_eq!(taken + rest + totals.total_dropped(), 20_000);
    }
}
