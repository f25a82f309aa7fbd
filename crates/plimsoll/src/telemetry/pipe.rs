//! Transports records to stdout: bounded buffers, and one writer thread that owns the descriptor.
//!
//! Producers append to the buffer of their thread and never wait. The writer collects all buffers and
//! writes them with one call. A record after an idle period is written at once. Then the writer waits
//! 4 ms between two writes, so that at a high rate hundreds of records share one system call.
//!
//! # Slow reader
//!
//! The writer blocks, the buffers fill, and records are dropped. Access records and records below
//! WARNING are dropped from three quarters of a buffer on, others when it is full. Every drop is counted
//! where it happens. When the writer continues, it logs the number of dropped records.
//!
//! # Write errors
//!
//! After an error such as `EPIPE` or `ENOSPC`, the records of that write count as dropped. The rest of a
//! partially written line is kept and written first next time. So a disk with free space again never
//! contains a line of two halves.
//!
//! # Invariants
//!
//! A record is counted as produced under the lock under which it is buffered or dropped. Only the writer
//! counts it as written, or as dropped after that: `produced = written + dropped + buffered`.

mod writer;

use std::{fmt, fs::File, io, os::fd::AsFd as _, time::Duration};

use tokio::sync::oneshot;

use self::writer::Writer;
use super::thread::thread_index;
use crate::{
    config::{Level, LogFormat},
    sync::{
        Arc, Condvar, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
        lock,
        thread::{Builder, Thread},
    },
};

/// The capacity of all buffers in bytes: about 12,000 records, half a second at full load.
const CAPACITY: usize = 4 * 1024 * 1024;

/// The minimum capacity of a buffer in bytes, independent of the number of threads.
const MIN_SHARD: usize = 256 * 1024;

/// The size of a pipe as standard output, in bytes. The default of 64 KiB holds 200 records. All pipes
/// of a user share a limit of 64 MiB.
const PIPE_SIZE: usize = 256 * 1024;

/// The levels that are counted separately. TRACE is counted as DEBUG.
pub(crate) const LEVELS: [Level; 5] = [
    Level::Debug,
    Level::Info,
    Level::Warning,
    Level::Error,
    Level::Critical,
];

/// The priority of a record when the buffers fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Access records, and other records below WARNING.
    Low,
    /// Other records of WARNING and above.
    High,
}

/// The destination of a log.
pub struct Output(Box<dyn io::Write + Send>);

impl Output {
    /// Returns the standard output of the process.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be duplicated, because the limit of open files is reached.
    pub fn stdout() -> io::Result<Self> {
        // `std::io::stdout` writes each line separately, and holds a lock while it blocks.
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        // A reader that is late for some milliseconds then delays no write. An error means that it is no
        // pipe, or that the limit of the user is reached (pipe(7)).
        if rustix::pipe::fcntl_getpipe_size(&stdout).is_ok_and(|size| size < PIPE_SIZE) {
            let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE_SIZE);
        }
        Ok(Self::to(File::from(stdout)))
    }

    /// Returns an output for any writer, such as a buffer in a test. If it blocks, only the thread of
    /// the log waits.
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

/// The numbers of records of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Totals {
    /// Produced, by level: DEBUG, INFO, WARNING, ERROR, CRITICAL.
    pub produced: [u64; 5],
    /// Written to the operating system as whole lines.
    pub written: u64,
    /// Dropped because a buffer was full, a write failed, or the log was closed.
    pub dropped: u64,
}

/// A producer of records. Clones share the buffers and the writer.
#[derive(Clone)]
pub(super) struct Pipe {
    shared: Arc<PipeState>,
    /// Closes the pipe when the last producer is dropped.
    owner: Arc<PipeOwner>,
}

impl Pipe {
    /// Returns a reference that does not keep the pipe open.
    pub(super) fn downgrade(&self) -> WeakPipe {
        WeakPipe(Arc::downgrade(&self.owner))
    }
}

/// A reference to a pipe that does not keep it open.
#[derive(Clone)]
pub(super) struct WeakPipe(Weak<PipeOwner>);

impl WeakPipe {
    /// Returns the pipe, if a producer still exists.
    pub(super) fn upgrade(&self) -> Option<Pipe> {
        let owner = self.0.upgrade()?;
        Some(Pipe {
            shared: Arc::clone(&owner.0),
            owner,
        })
    }
}

impl fmt::Debug for WeakPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakPipe")
    }
}

/// Shared by all producers. Its drop closes the pipe.
struct PipeOwner(Arc<PipeState>);

impl Drop for PipeOwner {
    fn drop(&mut self) {
        self.0.closing.store(true, Ordering::Release);
        self.0.wake();
    }
}

/// The state that producers and writer share.
struct PipeState {
    shards: Box<[Shard]>,
    shard_capacity: usize,
    /// The writer is parked, and a producer has to wake it.
    asleep: AtomicBool,
    closing: AtomicBool,
    written: AtomicU64,
    /// The number of buffered records that the writer has dropped.
    dropped_by_writer: AtomicU64,
    /// The number of `log_records_dropped` records, which the writer itself produces.
    announcements: AtomicU64,
    writer: Mutex<WriterState>,
    ended: Condvar,
}

/// A buffer, aligned so that different buffers share no cache line.
#[repr(align(128))]
struct Shard(Mutex<Buffer>);

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// The number of lines in `bytes`.
    lines: u64,
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
    ended_sender: Option<oneshot::Sender<()>>,
}

/// Creates the last record from the totals before it.
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
            dropped_by_writer: AtomicU64::new(0),
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
            owner: Arc::new(PipeOwner(Arc::clone(&shared))),
            shared,
        })
    }

    /// Buffers one whole line, which ends in a newline, or drops and counts it.
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
            buffer.lines += 1;
        }
        // The writer sets `asleep` before it checks the buffers for the last time, and the lock of the
        // shard orders that check and this push. So either the writer sees the line, or this load sees
        // `asleep`.
        if shared.asleep.load(Ordering::Relaxed) && shared.asleep.swap(false, Ordering::Relaxed) {
            shared.wake();
        }
    }

    /// Closes the pipe: writes the buffered records, then the record that `last` creates.
    ///
    /// Blocks the calling thread for at most `limit`. Returns true if the writer has ended by then.
    /// Records that are produced afterwards are dropped and counted.
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

    /// Closes the pipe like [`Pipe::finish`], without blocking. The receiver completes with an error
    /// when the writer has ended.
    pub(super) fn begin_finish(&self, last: LastRecord) -> oneshot::Receiver<()> {
        let (ended_sender, ended) = oneshot::channel();
        let mut state = lock(&self.shared.writer);
        if !state.ended {
            state.last = Some(last);
            state.ended_sender = Some(ended_sender);
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
            dropped: self.dropped_by_writer.load(Ordering::Acquire),
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

#[cfg(test)]
#[cfg(shuttle)]
mod model;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
