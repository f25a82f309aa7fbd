//! The way of records to stdout: bounded buffers, and one thread that owns the descriptor.
//!
//! Producers append to the buffer of their thread and go on. The writer takes what all buffers
//! hold and writes it in one piece. The first record after a silence is written at once; after
//! that the writer rests a millisecond between two rounds, so that at a high rate hundreds of
//! records share one system call.
//!
//! # When the reader is slow
//!
//! The writer blocks, the buffers fill, and records are dropped: access records and those below
//! WARNING once a buffer is three quarters full, the others once it is full. Every drop is counted
//! where it happens; when the writer gets on again it announces how many there were.
//!
//! # When stdout fails
//!
//! After `EPIPE`, `ENOSPC` and the like the records of that round count as dropped. What is left of
//! a line that was written in part is kept and written first next time, so that a disk that has
//! room again never shows two halves of different lines as one.
//!
//! # Invariants
//!
//! A record is counted as produced under the same lock as it is buffered or dropped, and as written
//! or dropped by the writer alone: `produced = written + dropped + on the way`.

mod writer;

use std::{fmt, fs::File, io, os::fd::AsFd as _, time::Duration};

use tokio::sync::oneshot;

use self::writer::Writer;
use super::thread::thread_index;
use crate::{
    config::{Level, LogFormat},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
        thread::{Builder, Thread},
    },
};

/// What all buffers hold at most: some twelve thousand records, half a second at full speed.
const CAPACITY: usize = 4 * 1024 * 1024;

/// What a buffer holds at the least, however many threads share the capacity.
const MIN_SHARD: usize = 256 * 1024;

/// The levels that are counted apart: DEBUG, INFO, WARNING, ERROR, CRITICAL.
pub(crate) const LEVELS: [Level; 5] = [
    Level::Debug,
    Level::Info,
    Level::Warning,
    Level::Error,
    Level::Critical,
];

/// Which records go first when there is no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Access records, and other records below WARNING.
    Low,
    /// Other records of WARNING and above.
    High,
}

/// Where the writer writes to.
pub struct Output(Box<dyn io::Write + Send>);

impl Output {
    /// The standard output of the process.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be duplicated, for want of descriptors.
    pub fn stdout() -> io::Result<Self> {
        // `std::io::stdout` writes line by line and holds a lock while it blocks.
        Ok(Self::to(File::from(
            io::stdout().as_fd().try_clone_to_owned()?,
        )))
    }

    /// Any writer, such as a buffer in a test. It may block: only the log's own thread waits.
    #[must_use]
    pub fn to(writer: impl io::Write + Send + 'static) -> Self {
        Self(Box::new(writer))
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

/// How many records there have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Totals {
    /// Produced, by level: DEBUG, INFO, WARNING, ERROR, CRITICAL.
    pub produced: [u64; 5],
    /// Handed to the operating system as whole lines.
    pub written: u64,
    /// Lost, for want of room or because stdout failed.
    pub dropped: u64,
}

/// The producers' side. Clones share the buffers and the writer.
#[derive(Clone)]
pub(super) struct Pipe {
    shared: Arc<PipeState>,
    /// Ends the writer when the last producer is gone.
    alive: Arc<PipeOwner>,
}

impl Pipe {
    /// The same pipe, for a holder that is no producer: the writer does not wait for it.
    pub(super) fn downgrade(&self) -> WeakPipe {
        WeakPipe(Arc::downgrade(&self.alive))
    }
}

/// A pipe whose writer ends without it.
#[derive(Clone)]
pub(super) struct WeakPipe(Weak<PipeOwner>);

impl WeakPipe {
    /// The pipe, if a producer is left.
    pub(super) fn upgrade(&self) -> Option<Pipe> {
        let alive = self.0.upgrade()?;
        Some(Pipe {
            shared: Arc::clone(&alive.0),
            alive,
        })
    }
}

impl fmt::Debug for WeakPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakPipe")
    }
}

/// Some producer is still there.
struct PipeOwner(Arc<PipeState>);

impl Drop for PipeOwner {
    fn drop(&mut self) {
        self.0.closing.store(true, Ordering::Release);
        self.0.wake();
    }
}

/// What producers and writer share.
struct PipeState {
    shards: Box<[Shard]>,
    shard_capacity: usize,
    /// The writer rests until somebody wakes it.
    asleep: AtomicBool,
    closing: AtomicBool,
    written: AtomicU64,
    /// Dropped by the writer, after they had found room in a buffer.
    lost: AtomicU64,
    /// The announcements of the writer itself, which are records too.
    announcements: AtomicU64,
    writer: Mutex<WriterState>,
    ended: Condvar,
}

/// Buffers of different threads lie on cache lines of their own.
#[repr(align(128))]
struct Shard(Mutex<Buffer>);

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    produced: [u64; 5],
    dropped: u64,
    closed: bool,
}

#[derive(Default)]
struct WriterState {
    thread: Option<Thread>,
    last: Option<LastRecord>,
    ended: bool,
    /// Dropped when the writer has ended.
    ends: Option<oneshot::Sender<()>>,
}

/// Makes the last record from the totals before it.
pub(super) type LastRecord = Box<dyn FnOnce(Totals) -> (Level, Vec<u8>) + Send>;

impl Pipe {
    /// Starts the writer thread.
    pub(super) fn start(output: Output, format: LogFormat, threads: usize) -> io::Result<Self> {
        let shards = threads.max(1);
        let shared = Arc::new(PipeState {
            shards: (0..shards).map(|_| Shard(Mutex::default())).collect(),
            shard_capacity: (CAPACITY / shards).max(MIN_SHARD),
            asleep: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            announcements: AtomicU64::new(0),
            writer: Mutex::default(),
            ended: Condvar::new(),
        });
        let writer = Writer::new(Arc::clone(&shared), output.0, format);
        let thread = Builder::new()
            .name("log-writer".to_owned())
            .spawn(|| writer.run())?;
        lock(&shared.writer).thread = Some(thread.thread().clone());
        Ok(Self {
            alive: Arc::new(PipeOwner(Arc::clone(&shared))),
            shared,
        })
    }

    /// Takes one whole line, with its newline, or drops it and counts that.
    pub(super) fn push(&self, priority: Priority, level: Level, line: &[u8]) {
        let shared = &*self.shared;
        let shard = &shared.shards[thread_index() % shared.shards.len()];
        let limit = match priority {
            Priority::Low => shared.shard_capacity / 4 * 3,
            Priority::High => shared.shard_capacity,
        };
        {
            let mut buffer = lock(&shard.0);
            buffer.produced[level_slot(level)] += 1;
            if buffer.closed || buffer.bytes.len() + line.len() > limit {
                buffer.dropped += 1;
                return;
            }
            buffer.bytes.extend_from_slice(line);
        }
        // The writer says that it is asleep before it looks into the buffers for the last time, and
        // the lock orders that look and this push: either it sees the line, or we see it asleep.
        if shared.asleep.load(Ordering::Relaxed) && shared.asleep.swap(false, Ordering::Relaxed) {
            shared.wake();
        }
    }

    /// Writes what is buffered, then the record that `last` makes, and ends the writer.
    ///
    /// Waits for that until `limit` has passed, and says whether it was done. Whatever is produced
    /// afterwards is counted as dropped. Blocks the calling thread.
    pub(super) fn finish(&self, limit: Duration, last: LastRecord) -> bool {
        drop(self.begin_finish(last));
        let state = lock(&self.shared.writer);
        let (state, _) = self
            .shared
            .ended
            .wait_timeout_while(state, limit, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.ended
    }

    /// Begins what [`Pipe::finish`] does, and blocks nothing. The receiver completes, with an error
    /// or not, when the writer has ended.
    pub(super) fn begin_finish(&self, last: LastRecord) -> oneshot::Receiver<()> {
        let (ends, ended) = oneshot::channel();
        let mut state = lock(&self.shared.writer);
        if !state.ended {
            state.last = Some(last);
            state.ends = Some(ends);
            self.shared.closing.store(true, Ordering::Release);
        }
        drop(state);
        self.shared.wake();
        ended
    }

    pub(super) fn totals(&self) -> Totals {
        self.shared.totals()
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe")
            .field("totals", &self.totals())
            .finish_non_exhaustive()
    }
}

impl PipeState {
    fn wake(&self) {
        if let Some(thread) = &lock(&self.writer).thread {
            thread.unpark();
        }
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals {
            written: self.written.load(Ordering::Acquire),
            dropped: self.lost.load(Ordering::Acquire),
            ..Totals::default()
        };
        totals.produced[level_slot(Level::Warning)] = self.announcements.load(Ordering::Acquire);
        for shard in &self.shards {
            let buffer = lock(&shard.0);
            totals.dropped += buffer.dropped;
            for (sum, produced) in totals.produced.iter_mut().zip(buffer.produced) {
                *sum += produced;
            }
        }
        totals
    }
}

const fn level_slot(level: Level) -> usize {
    match level {
        Level::Trace | Level::Debug => 0,
        Level::Info => 1,
        Level::Warning => 2,
        Level::Error => 3,
        Level::Critical => 4,
    }
}

/// Locks, whatever happened to a thread that held the lock: every change under it is complete.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(shuttle)]
mod model;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
