//! The table of requests in flight, for the operators' view (contract ADM-16).
//!
//! It exists only with operator controls. A request takes an entry of one cache line, and stores into
//! it without a lock or a read-modify-write operation. A view reads all entries meanwhile.
//!
//! Each thread keeps some free entries. It takes them from a shared list and returns them in batches,
//! under a lock. Most requests end on the thread on which they began, so the lock is rarely taken.
//!
//! A request that finds no entry is served without one.

use std::cell::RefCell;

use super::{began::BeganAt, context::current_worker, note::Note};
use crate::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed},
    lock, thread_local,
};

/// The number of entries of a table.
const ENTRIES: u16 = 4096;

/// The most entries that a thread takes or returns at a time.
const MAX_BATCH: usize = 32;

/// The bytes of a request id that an entry holds, in words.
const WORDS: usize = 5;

/// Stands for the worker of a request on a thread that is no worker.
const NO_WORKER: u16 = u16::MAX;

/// The requests in flight of one service.
#[derive(Debug)]
pub(crate) struct InFlightTable {
    entries: Box<[Entry]>,
    /// The number of entries that a thread takes or returns at a time.
    batch: usize,
    /// The free entries that no thread keeps.
    free: Mutex<Vec<EntryId>>,
}

/// The index of an entry. Its owner is the one thread that may write the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryId(u16);

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RequestPhase {
    /// Its stream has not been polled yet (HTTP/2).
    Queued,
    /// Its handler runs.
    Handler,
    /// Its response is being sent.
    Response,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Entry {
    note: Note<WORDS>,
    began: AtomicU64,
    route: AtomicU32,
    worker: AtomicU16,
    phase: AtomicU8,
}

/// A request in flight, as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InFlightRequest {
    /// The first 40 bytes of its id.
    pub(crate) id: String,
    pub(crate) began: BeganAt,
    /// The index of its route, 0 if it is not known yet.
    pub(crate) route: u32,
    /// The worker on which it began; `None` on a runtime of the program.
    pub(crate) worker: Option<u16>,
    pub(crate) phase: RequestPhase,
}

impl RequestPhase {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Handler => "handler",
            Self::Response => "response",
        }
    }

    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Queued,
            1 => Self::Handler,
            _ => Self::Response,
        }
    }
}

/// The free entries that one thread keeps.
#[derive(Default)]
struct ThreadEntries {
    table: Weak<InFlightTable>,
    free: Vec<EntryId>,
}

thread_local! {
    static KEPT: RefCell<ThreadEntries> = RefCell::default();
}

impl InFlightTable {
    /// Creates the table of a service with this number of workers.
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        Self::with_entries(ENTRIES, workers)
    }

    fn with_entries(count: u16, workers: usize) -> Arc<Self> {
        // A thread keeps two batches at most, so all workers keep half of the entries at most.
        let batch = usize::from(count) / (4 * workers.max(1));
        Arc::new(Self {
            entries: (0..count).map(|_| Entry::default()).collect(),
            batch: batch.clamp(1, MAX_BATCH),
            // The lowest are taken first.
            free: Mutex::new((0..count).rev().map(EntryId).collect()),
        })
    }

    /// Lists a request. Returns `None` if no entry is free.
    pub(crate) fn begin(
        self: &Arc<Self>,
        id: &[u8],
        began: BeganAt,
        route: u32,
        phase: RequestPhase,
    ) -> Option<EntryId> {
        let taken = KEPT.try_with(|kept| kept.borrow_mut().take(self));
        // The locals of an exiting thread are gone.
        let taken = taken.ok().flatten()?;
        let entry = &self.entries[usize::from(taken.0)];
        entry.note.set(id, || {
            entry.began.store(began.nanos(), Relaxed);
            entry.route.store(route, Relaxed);
            let worker = current_worker().unwrap_or(NO_WORKER);
            entry.worker.store(worker, Relaxed);
            entry.phase.store(phase as u8, Relaxed);
        });
        Some(taken)
    }

    pub(crate) fn set_route(&self, id: EntryId, route: u32) {
        self.entries[usize::from(id.0)].route.store(route, Relaxed);
    }

    pub(crate) fn set_phase(&self, id: EntryId, phase: RequestPhase) {
        let entry = &self.entries[usize::from(id.0)];
        if phase == RequestPhase::Handler {
            // A queued stream may be started by another worker.
            let worker = current_worker().unwrap_or(NO_WORKER);
            entry.worker.store(worker, Relaxed);
        }
        entry.phase.store(phase as u8, Relaxed);
    }

    /// Removes a request.
    pub(crate) fn end(self: &Arc<Self>, id: EntryId) {
        self.entries[usize::from(id.0)].note.clear();
        if KEPT
            .try_with(|kept| kept.borrow_mut().put(self, id))
            .is_err()
        {
            lock(&self.free).push(id);
        }
    }

    /// Returns the requests in flight, in no order. A request that ends or begins meanwhile may be
    /// missing.
    pub(crate) fn requests(&self) -> impl Iterator<Item = InFlightRequest> {
        self.entries.iter().filter_map(Entry::read)
    }
}

impl Entry {
    fn read(&self) -> Option<InFlightRequest> {
        let (id, mut request) = self.note.read(|| {
            let worker = self.worker.load(Relaxed);
            InFlightRequest {
                id: String::new(),
                began: BeganAt::of_nanos(self.began.load(Relaxed)),
                route: self.route.load(Relaxed),
                worker: (worker != NO_WORKER).then_some(worker),
                phase: RequestPhase::of(self.phase.load(Relaxed)),
            }
        })?;
        request.id = id;
        Some(request)
    }
}

impl ThreadEntries {
    fn take(&mut self, table: &Arc<InFlightTable>) -> Option<EntryId> {
        self.use_table(table);
        if self.free.is_empty() {
            let mut shared = lock(&table.free);
            let rest = shared.len().saturating_sub(table.batch);
            // The lowest entries are at the end, where `pop` takes them first.
            self.free.extend(shared.drain(rest..));
        }
        self.free.pop()
    }

    fn put(&mut self, table: &Arc<InFlightTable>, id: EntryId) {
        self.use_table(table);
        if self.free.len() == 2 * table.batch {
            lock(&table.free).extend(self.free.drain(..table.batch));
        }
        self.free.push(id);
    }

    /// Makes these the entries of `table`. One thread may serve several services.
    fn use_table(&mut self, table: &Arc<InFlightTable>) {
        if self.table.as_ptr() != Arc::as_ptr(table) {
            self.give_back();
            self.table = Arc::downgrade(table);
        }
    }

    fn give_back(&mut self) {
        if let Some(table) = self.table.upgrade() {
            lock(&table.free).append(&mut self.free);
        }
        self.free.clear();
    }
}

impl Drop for ThreadEntries {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
#[cfg(shuttle)]
mod model;

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
