//! Everything that was received, in memory and within a budget.
//!
//! One sequence number counts the lines of all services in the order of arrival.
//! Lines are kept as they were received, in blocks that are compressed when they are full; rows are made
//! from lines when they are read. Each line also has an entry in an index, for filters and joins.
//!
//! * `line`: a line on its way in.
//! * `block`, `segment`, `index`: where lines are; `evict`: which are evicted.
//! * `filter`, `search`, `join`: which are found; `view`, `row`, `render`: how they are sent.
//! * `observer`: what is called with records as they arrive.
//! * `span`: spans, which have a store of their own.
//!
//! `series` and `heat` keep numbers beside the lines, each with a budget of its own.
//!
//! One lock protects the store. It is held for one block at most, and no call waits for a task.

mod block;
mod drops;
mod evict;
mod filter;
pub(crate) mod heat;
mod index;
mod inner;
mod join;
mod line;
mod observer;
mod render;
mod row;
mod runs;
mod search;
mod segment;
pub(crate) mod series;
pub(crate) mod span;
mod view;

use std::{
    borrow::Cow,
    hash::RandomState,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

pub(crate) use self::{
    drops::Drop,
    evict::Budget,
    filter::Filter,
    observer::{Access, Infra, Observer},
    row::{
        Changes, Gap, LogRow, Members, Page, RequestDetail, RequestRow, RunState, StoreNumbers,
        StoreState,
    },
    runs::{Exit, Run},
};
use self::{
    index::{Entry, Flags},
    inner::Inner,
    line::Line,
    observer::Seen,
};
use crate::ingest::{fields::Record, text};

/// The most records that are joined to one request.
pub(crate) const MAX_JOINED: usize = 1000;

/// A service by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServiceId(u16);

/// Where a line was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    Otlp,
    File,
}

impl Stream {
    fn of_number(number: u8) -> Self {
        match number {
            0 => Self::Stdout,
            1 => Self::Stderr,
            2 => Self::Otlp,
            _ => Self::File,
        }
    }
}

/// The store. It is shared by `Arc`; every call is short, and none waits for another task.
#[derive(Debug)]
pub(crate) struct Store {
    hasher: RandomState,
    observers: OnceLock<Vec<Arc<dyn Observer>>>,
    inner: Mutex<Inner>,
}

impl Store {
    /// Returns an empty store. `memory` is that of the whole console, of which the store takes a part.
    #[must_use]
    pub(crate) fn new(memory: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            observers: OnceLock::new(),
            inner: Mutex::new(Inner::new(Budget::of(memory))),
        }
    }

    /// Sets what is called with some records. Later calls have no effect.
    pub(crate) fn observe(&self, observers: Vec<Arc<dyn Observer>>) {
        // A second call is an error of the caller, without a consequence for what is stored.
        let _ = self.observers.set(observers);
    }

    /// Returns the id of a service, which is made at the first call.
    pub(crate) fn service(&self, name: &str) -> ServiceId {
        self.lock().service(name)
    }

    /// Returns the name of a service.
    pub(crate) fn name(&self, service: ServiceId) -> Option<Arc<str>> {
        Some(Arc::clone(&self.lock().at(service)?.name))
    }

    /// Begins a run: later lines of the service belong to it. Returns its number, from 1.
    ///
    /// The log view has a row for it.
    pub(crate) fn begin_run(&self, service: ServiceId, run: Run) -> u32 {
        let entry = Entry::new(
            milliseconds(run.began),
            Flags::default().with(Flags::MARKER, true),
        );
        let line = render::marker(run.pid);
        let mut inner = self.lock();
        let Some(of_service) = inner.services.get_mut(usize::from(service.0)) else {
            return 0;
        };
        let number = of_service.runs.begin(run);
        inner.push(service, entry, line.as_bytes(), run.began);
        number
    }

    /// Ends the current run of a service. Lines that are read later still belong to it.
    pub(crate) fn end_run(&self, service: ServiceId, ended: SystemTime, exit: Exit) {
        if let Some(service) = self.lock().services.get_mut(usize::from(service.0)) {
            service.runs.end(ended, exit);
        }
    }

    /// Adds one line, without its end. Returns its sequence number.
    pub(crate) fn push(
        &self,
        service: ServiceId,
        stream: Stream,
        received: SystemTime,
        line: &[u8],
    ) -> u64 {
        let line = Line::read(line);
        let record = Record::parse(&line.text);
        let entry = line.entry(
            record.as_ref(),
            stream,
            milliseconds(received),
            &self.hasher,
        );
        let kept = match &record {
            Some(_) => Cow::Borrowed(&*line.text),
            None => text::clean(&line.text),
        };
        let (n, run) = {
            let mut inner = self.lock();
            inner.drops.count(Drop::Cut, line.is_cut.into());
            inner.drops.count(Drop::Unreadable, line.is_replaced.into());
            inner.push(service, entry, kept.as_bytes(), received)
        };
        if let (Some(record), Some(observers)) = (&record, self.observers.get()) {
            let seen = Seen {
                service,
                run,
                time: entry.time,
                is_output: stream != Stream::Otlp,
            };
            observer::call(observers, record, &line.text, seen);
        }
        n
    }

    /// Counts something that is not in the store.
    pub(crate) fn count(&self, drop: Drop, n: u64) {
        self.lock().drops.count(drop, n);
    }

    /// Returns the newest sequence number, 0 if there is none.
    pub(crate) fn latest(&self) -> u64 {
        self.lock().latest
    }

    /// Returns the counts, and the runs of every service.
    pub(crate) fn state(&self) -> StoreState {
        self.lock().state()
    }

    /// Returns the memory for series of numbers, in bytes.
    pub(crate) fn series_budget(&self) -> usize {
        self.lock().budget.series
    }

    /// Returns the counts.
    #[cfg(test)]
    pub(crate) fn numbers(&self) -> StoreNumbers {
        self.lock().numbers()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a time as milliseconds since the epoch.
pub(crate) fn milliseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

/// Returns milliseconds since the epoch as seconds, as JSON has times.
pub(crate) fn seconds(milliseconds: i64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "times up to the year 9999 are exact"
    )]
    let milliseconds = milliseconds as f64;
    milliseconds / 1000.0
}

#[cfg(test)]
mod tests;
