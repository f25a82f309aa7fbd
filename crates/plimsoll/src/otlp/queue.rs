//! Spans that wait to be sent: bounded, and counted exactly.
//!
//! Whoever brings a span holds a lock for as long as it takes to put a pointer into a list, and so
//! does whoever takes a batch out. The thread that exports is woken when a batch is full, not for
//! each span.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use super::Span;
use crate::metrics::{CauseCounts, SpanLoss, SpanTotals};

/// The queue and its counters.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<QueuedSpans>,
    /// How many wait, to be looked at without the lock.
    length: AtomicUsize,
    capacity: usize,
    batch: usize,
    /// Told when a batch is full.
    pub(super) is_batch: Notify,
    produced: AtomicU64,
    exported: AtomicU64,
    lost: CauseCounts<SpanLoss>,
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
            is_batch: Notify::new(),
            produced: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            lost: CauseCounts::default(),
        }
    }

    /// Takes a span that has ended, or counts it as lost.
    pub(super) fn push(&self, build: impl FnOnce() -> Span) {
        self.produced.fetch_add(1, Ordering::Relaxed);
        // Asked first without the lock, so that what has no room costs nothing.
        if self.length.load(Ordering::Relaxed) >= self.capacity {
            return self.lost.count(SpanLoss::QueueFull);
        }
        // Built and boxed outside the lock.
        let span = Box::new(build());
        let mut waiting = self.lock();
        if waiting.is_closed {
            return self.lost.count(SpanLoss::Shutdown);
        }
        if waiting.spans.len() >= self.capacity {
            return self.lost.count(SpanLoss::QueueFull);
        }
        waiting.spans.push_back(span);
        let length = waiting.spans.len();
        self.length.store(length, Ordering::Relaxed);
        drop(waiting);
        if length == self.batch {
            self.is_batch.notify_one();
        }
    }

    /// Takes out what can be sent at a time, oldest first.
    #[expect(
        clippy::vec_box,
        reason = "the lock is held for less time if pointers move"
    )]
    pub(super) fn take(&self) -> Vec<Box<Span>> {
        let mut batch = Vec::with_capacity(self.batch);
        let mut waiting = self.lock();
        let count = waiting.spans.len().min(self.batch);
        batch.extend(waiting.spans.drain(..count));
        self.length.store(waiting.spans.len(), Ordering::Relaxed);
        batch
    }

    /// Whether a whole batch waits.
    pub(super) fn has_batch(&self) -> bool {
        self.length.load(Ordering::Relaxed) >= self.batch
    }

    /// Takes no span any more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// The collector has taken spans.
    pub(super) fn exported(&self, count: u64) {
        self.exported.fetch_add(count, Ordering::Relaxed);
    }

    /// Spans will not arrive.
    pub(super) fn lost(&self, why: SpanLoss, count: u64) {
        self.lost.add(why, count);
    }

    pub(super) fn totals(&self) -> SpanTotals {
        // Produced last: a span is never seen to be gone before it was seen at all.
        let exported = self.exported.load(Ordering::Acquire);
        let dropped = self.lost.all();
        SpanTotals {
            exported,
            dropped,
            produced: self.produced.load(Ordering::Acquire),
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueuedSpans> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn what_has_no_room_is_dropped_counted_and_not_built() {
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
        assert_eq!((queue.take().len(), queue.take().len()), (2, 1));
        queue.push(span);
        queue.close();
        queue.push(span);
        assert_eq!(queue.take().len(), 1);
        assert_eq!(queue.totals().total_dropped(), 3);
    }

    #[test]
    fn every_span_of_many_threads_is_counted_once() {
        let queue = Queue::new(100, 10);
        let taken = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..5_000).for_each(|_| queue.push(span))))
                .collect();
            let mut taken = 0;
            while !threads.iter().all(|thread| thread.is_finished()) {
                taken += queue.take().len() as u64;
            }
            taken
        });
        let mut rest = 0;
        loop {
            match queue.take().len() as u64 {
                0 => break,
                count => rest += count,
            }
        }
        let totals = queue.totals();
        assert_eq!(totals.produced, 20_000);
        assert_eq!(taken + rest + totals.total_dropped(), 20_000);
    }
}
