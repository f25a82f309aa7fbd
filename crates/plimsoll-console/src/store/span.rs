//! Spans within a budget, found by trace id.
//!
//! Spans of a service are in blocks, in the order of arrival; a full block is compressed.
//! A trace has the places of its spans in all blocks.
//! If the budget is exceeded, the service with most bytes loses its oldest block.
//! So a noisy service evicts its own spans first.
//!
//! Times are those that were sent: neither clock skew nor a missing parent is repaired.

mod block;
mod detail;
mod id;
mod join;
mod tree;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use self::{
    block::{Block, Entry, Text},
    detail::Stored,
};
pub(crate) use self::{
    detail::{SpanDetail, TraceDetail},
    id::{SpanId, TraceId},
};
use super::ServiceId;

/// The most spans of one trace in an answer. The others are counted.
const MAX_SPANS: usize = 5_000;

/// The bytes of a trace in the table: key, value and one byte of control.
const TRACE: usize = size_of::<(TraceId, Vec<Place>)>() + 1;

/// The bytes that an allocation costs beside its content.
const ALLOCATION: usize = 16;

/// Nanoseconds since the Unix epoch as seconds, in microseconds. 0 is an absent time.
pub(crate) fn seconds(nanos: u64) -> Option<f64> {
    (nanos != 0).then(|| (nanos / 1_000) as f64 / 1e6)
}

/// What a span is to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SpanKind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl SpanKind {
    /// Returns the kind of this number in OTLP.
    pub(crate) const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }
}

/// The result that a span reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SpanStatus {
    /// The span has no status.
    Unset,
    Ok,
    Error,
}

impl SpanStatus {
    /// Returns the status of this number in OTLP.
    pub(crate) const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// A span to store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewSpan<'a> {
    pub(crate) trace: TraceId,
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) service: ServiceId,
    /// The run that the span is of; `None` if it is not known.
    pub(crate) run: Option<u32>,
    pub(crate) kind: SpanKind,
    pub(crate) status: SpanStatus,
    /// Nanoseconds since the Unix epoch; 0 is an absent time.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// JSON: an object with `name`, `attributes` and the optional members of [`SpanDetail`].
    pub(crate) detail: &'a [u8],
}

/// Counts for the state of the console.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct SpanState {
    pub(crate) bytes: usize,
    pub(crate) budget: usize,
    /// The spans that are kept, and their traces.
    pub(crate) spans: u64,
    pub(crate) traces: usize,
    /// The start of the oldest span that is kept.
    pub(crate) oldest: Option<f64>,
    /// All spans that were stored, and those of them that were evicted.
    pub(crate) received: u64,
    pub(crate) evicted: u64,
}

/// The store of spans.
#[derive(Debug)]
pub(crate) struct Spans(Mutex<Inner>);

/// The place of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    service: u16,
    /// The index of the span in its block.
    entry: u16,
    /// The number of the block, which counts from the first one of the service.
    block: u32,
}

/// The blocks of a service.
#[derive(Debug, Default)]
struct Queue {
    /// The number of the first block.
    first: u32,
    blocks: VecDeque<Block>,
    bytes: usize,
}

#[derive(Debug)]
struct Inner {
    budget: usize,
    queues: Vec<Queue>,
    traces: HashMap<TraceId, Vec<Place>>,
    /// The bytes of all lists of places.
    places: usize,
    spans: u64,
    received: u64,
    evicted: u64,
}

impl Spans {
    /// Creates an empty store of at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self(Mutex::new(Inner {
            budget,
            queues: Vec::new(),
            traces: HashMap::new(),
            places: 0,
            spans: 0,
            received: 0,
            evicted: 0,
        }))
    }

    /// A panic leaves counts and places intact, since both change after the last allocation.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a span, and evicts others if the budget is exceeded.
    pub(crate) fn push(&self, span: &NewSpan<'_>) {
        self.lock().push(span);
    }

    /// Returns the number of spans of a trace, or `None` if no span is known.
    pub(crate) fn count(&self, trace: &TraceId) -> Option<u32> {
        let inner = self.lock();
        let places = inner.traces.get(trace)?;
        Some(u32::try_from(places.len()).unwrap_or(u32::MAX))
    }

    /// Returns a trace in the order of its tree. `name` returns the name of a service.
    pub(crate) fn trace(
        &self,
        trace: &TraceId,
        name: impl Fn(ServiceId) -> String,
    ) -> Option<TraceDetail> {
        let (stored, omitted) = self.lock().collect(trace)?;
        // Unpacked without the lock.
        Some(detail::assemble(*trace, stored, omitted, name))
    }

    /// Returns the span of the request that an access record describes.
    ///
    /// That is the span with the id of the record. Without an id, it is the first span of the kind
    /// SERVER that the service has in this trace.
    pub(crate) fn of_request(
        &self,
        trace: &TraceId,
        span: Option<&SpanId>,
        service: ServiceId,
    ) -> Option<SpanId> {
        let inner = self.lock();
        let entries = inner.traces.get(trace)?.iter();
        let mut entries = entries.filter_map(|place| Some((place, inner.entry(*place)?)));
        let found = match span {
            Some(id) => entries.find(|(_, entry)| entry.id == *id),
            None => entries.find(|(place, entry)| {
                entry.kind == SpanKind::Server && place.service == service.0
            }),
        };
        found.map(|(_, entry)| entry.id)
    }

    /// Returns counts and sizes.
    pub(crate) fn state(&self) -> SpanState {
        let inner = self.lock();
        let firsts = inner.queues.iter().filter_map(|queue| queue.blocks.front());
        let oldest = firsts.filter_map(Block::oldest).min();
        SpanState {
            bytes: inner.bytes(),
            budget: inner.budget,
            spans: inner.spans,
            traces: inner.traces.len(),
            oldest: oldest.and_then(seconds),
            received: inner.received,
            evicted: inner.evicted,
        }
    }
}

impl Inner {
    fn push(&mut self, span: &NewSpan<'_>) {
        let service = usize::from(span.service.0);
        if service >= self.queues.len() {
            self.queues.resize_with(service + 1, Queue::default);
        }
        let queue = &mut self.queues[service];
        if queue.blocks.back().is_none_or(Block::is_sealed) {
            let block = Block::default();
            queue.bytes += block.bytes();
            queue.blocks.push_back(block);
        }
        let index = queue.blocks.len() - 1;
        let block = &mut queue.blocks[index];
        let before = block.bytes();
        let entry = block.push(span);
        queue.bytes = queue.bytes + block.bytes() - before;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the budget has far fewer blocks"
        )]
        let place = Place {
            service: span.service.0,
            entry,
            block: queue.first.wrapping_add(index as u32),
        };
        self.spans += 1;
        self.received += 1;
        let places = self.traces.entry(span.trace).or_default();
        self.places -= list_bytes(places);
        places.push(place);
        self.places += list_bytes(places);
        while self.bytes() > self.budget && self.evict() {}
    }

    /// Returns an upper bound of the memory.
    fn bytes(&self) -> usize {
        let blocks: usize = self.queues.iter().map(|queue| queue.bytes).sum();
        // A table reports 7/8 of its places.
        blocks + self.places + self.traces.capacity() * TRACE * 8 / 7
    }

    /// Evicts the oldest block of the service with most bytes. Returns false if there is none.
    fn evict(&mut self) -> bool {
        let queues = self.queues.iter().enumerate();
        let largest = queues.max_by_key(|(_, queue)| queue.bytes);
        let Some((service, _)) = largest.filter(|(_, queue)| queue.bytes > 0) else {
            return false;
        };
        let queue = &mut self.queues[service];
        let Some(block) = queue.blocks.pop_front() else {
            return false;
        };
        let number = queue.first;
        queue.first = queue.first.wrapping_add(1);
        queue.bytes -= block.bytes();
        let count = block.entries().len() as u64;
        self.spans -= count;
        self.evicted += count;
        // Each trace once, since one of many spans has a long list of places.
        let traces: HashSet<_> = block.entries().iter().map(|entry| entry.trace).collect();
        for trace in traces {
            self.forget(&trace, service, number);
        }
        if self.traces.len() < self.traces.capacity() / 4 {
            self.traces.shrink_to(self.traces.len() * 2);
        }
        true
    }

    /// Removes the places of a block from a trace.
    fn forget(&mut self, trace: &TraceId, service: usize, block: u32) {
        let Some(places) = self.traces.get_mut(trace) else {
            return;
        };
        let is_evicted =
            |place: &Place| usize::from(place.service) == service && place.block == block;
        self.places -= list_bytes(places);
        places.retain(|place| !is_evicted(place));
        if places.is_empty() {
            self.traces.remove(trace);
        } else {
            if places.len() < places.capacity() / 4 {
                places.shrink_to(places.len() * 2);
            }
            self.places += list_bytes(places);
        }
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        self.block(place)?.entries().get(usize::from(place.entry))
    }

    fn block(&self, place: Place) -> Option<&Block> {
        let queue = self.queues.get(usize::from(place.service))?;
        queue
            .blocks
            .get(place.block.wrapping_sub(queue.first) as usize)
    }

    /// Returns the first spans of a trace, and the number of the others.
    fn collect(&self, trace: &TraceId) -> Option<(Vec<Stored>, usize)> {
        let places = self.traces.get(trace)?;
        let stored = places.iter().take(MAX_SPANS).filter_map(|place| {
            let block = self.block(*place)?;
            let entry = *block.entries().get(usize::from(place.entry))?;
            Some(Stored {
                entry,
                service: ServiceId(place.service),
                text: match block.text() {
                    Text::Open(text) => Text::Open(text[entry.range()].to_vec()),
                    Text::Sealed(text) => Text::Sealed(text.clone()),
                },
            })
        });
        Some((stored.collect(), places.len().saturating_sub(MAX_SPANS)))
    }
}

fn list_bytes(places: &Vec<Place>) -> usize {
    match places.capacity() {
        0 => 0,
        capacity => capacity * size_of::<Place>() + ALLOCATION,
    }
}

#[cfg(test)]
mod tests;
