//! [`Log`], the handle that writes records.

mod debug_records;

use std::{cell::RefCell, io, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{
    events::EventLayer,
    levels::Levels,
    pipe::{LEVELS, LastRecord, Output, Pipe, Priority, Totals, WeakPipe},
    recent::{ErrorGroups, RecentErrors},
    record::{Record, RecordHead},
};
use crate::{
    config::{Level, LogFormat, LogLevels},
    request::{DebugBudget, RequestId},
};

/// A log with an output, a format and levels. One process can have several logs.
///
/// Clones write to the same output. Records of one thread keep their order.
#[derive(Debug, Clone)]
pub struct Log {
    pipe: Pipe,
    format: LogFormat,
    levels: Arc<Levels>,
    recent: Arc<RecentErrors>,
    /// `None` without `DEBUG_ON_ERROR`.
    debug_budget: Option<Arc<DebugBudget>>,
}

/// A reference to a log that does not keep it alive.
#[derive(Debug, Clone)]
pub(super) struct WeakLog {
    pipe: WeakPipe,
    format: LogFormat,
    levels: Arc<Levels>,
    recent: Arc<RecentErrors>,
    debug_budget: Option<Arc<DebugBudget>>,
}

impl WeakLog {
    /// Returns the log, if a [`Log`] still exists.
    pub(super) fn upgrade(&self) -> Option<Log> {
        Some(Log {
            pipe: self.pipe.upgrade()?,
            format: self.format,
            levels: Arc::clone(&self.levels),
            recent: Arc::clone(&self.recent),
            debug_budget: self.debug_budget.clone(),
        })
    }
}

impl Log {
    /// Returns a reference that does not keep the log alive.
    pub(super) fn downgrade(&self) -> WeakLog {
        WeakLog {
            pipe: self.pipe.downgrade(),
            format: self.format,
            levels: Arc::clone(&self.levels),
            recent: Arc::clone(&self.recent),
            debug_budget: self.debug_budget.clone(),
        }
    }

    /// Starts a log that writes to `output` on its own thread.
    ///
    /// `threads` is the number of threads that write often, and the number of buffers.
    ///
    /// # Errors
    ///
    /// If the writer thread cannot be created.
    pub fn start(
        output: Output,
        format: LogFormat,
        levels: LogLevels,
        threads: usize,
    ) -> io::Result<Self> {
        let pipe = Pipe::start(output, format, threads)?;
        Ok(Self {
            pipe,
            format,
            levels: Arc::new(Levels::new(levels, false)),
            recent: Arc::default(),
            debug_budget: None,
        })
    }

    /// Returns a layer that writes `tracing` events to this log, for your own subscriber.
    ///
    /// [`App::run`](crate::App::run) installs this layer.
    #[must_use]
    pub fn layer(&self) -> EventLayer {
        EventLayer::new(self.clone())
    }

    /// Returns the number of records so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.pipe.totals()
    }

    pub(super) const fn format(&self) -> LogFormat {
        self.format
    }

    pub(crate) const fn levels(&self) -> &Arc<Levels> {
        &self.levels
    }

    /// Returns the last error records, in groups.
    pub(crate) fn recent_errors(&self) -> ErrorGroups {
        self.recent.list()
    }

    /// Whether records of this level and name are logged (`LOG_LEVEL`).
    pub(crate) fn is_enabled(&self, level: Level, name: &str) -> bool {
        level >= self.levels.threshold(name)
    }

    /// Writes a record of the chassis outside a request, if its level is enabled.
    pub(crate) fn infra(&self, level: Level, message: &str, fields: impl FnOnce(&mut Record<'_>)) {
        if self.is_enabled(level, "infra") {
            self.always(level, message, fields);
        }
    }

    /// Writes a record of the chassis outside a request, independent of `LOG_LEVEL` (contract LOG-7).
    pub(crate) fn always(&self, level: Level, message: &str, fields: impl FnOnce(&mut Record<'_>)) {
        self.write(Priority::High, level, "infra", message, "-", fields);
    }

    /// Writes a record. The caller has checked [`Log::is_enabled`].
    pub(crate) fn write(
        &self,
        priority: Priority,
        level: Level,
        name: &str,
        message: &str,
        request_id: &str,
        fields: impl FnOnce(&mut Record<'_>),
    ) {
        with_scratch(|line| {
            let mut record = Record::begin(line, self.format, level, name, message, request_id);
            fields(&mut record);
            record.end();
            if level >= Level::Error {
                self.recent.add(name, message, line);
            }
            self.pipe.push(priority, level, line);
        });
    }

    /// Writes the record of a panic. The caller has checked [`Log::is_enabled`].
    pub(super) fn write_panic(
        &self,
        location: &str,
        request_id: &str,
        fields: impl FnOnce(&mut Record<'_>),
    ) {
        let (level, name) = (Level::Error, "panic");
        with_scratch(|line| {
            let mut record = Record::begin(line, self.format, level, name, name, request_id);
            fields(&mut record);
            record.end();
            // All panics have the same message.
            self.recent.add(name, location, line);
            self.pipe.push(Priority::High, level, line);
        });
    }

    /// Writes a record with prepared leading fields and the time `at`. The caller has checked
    /// [`Log::is_enabled`].
    pub(crate) fn write_with(
        &self,
        priority: Priority,
        head: &RecordHead,
        at: Instant,
        request_id: &RequestId,
        fields: impl FnOnce(&mut Record<'_>),
    ) {
        with_scratch(|line| {
            let mut record = Record::begin_with(line, self.format, head, at, request_id);
            fields(&mut record);
            record.end();
            self.pipe.push(priority, head.level, line);
        });
    }

    /// Closes the log: writes the buffered records, then a last record.
    ///
    /// `fields` gets the totals before the last record. Blocks the calling thread for at most `limit`.
    /// Returns true if everything was written within `limit`.
    pub(crate) fn finish(
        &self,
        limit: Duration,
        level: Level,
        message: &'static str,
        fields: impl FnOnce(&mut Record<'_>, Totals) + Send + 'static,
    ) -> bool {
        let last = self.last_record(level, message, fields);
        self.pipe.finish(limit, last)
    }

    /// Closes the log like [`Log::finish`], without blocking. The receiver completes when the writer
    /// has ended.
    pub(crate) fn begin_finish(
        &self,
        level: Level,
        message: &'static str,
        fields: impl FnOnce(&mut Record<'_>, Totals) + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let last = self.last_record(level, message, fields);
        self.pipe.begin_finish(last)
    }

    fn last_record(
        &self,
        level: Level,
        message: &'static str,
        fields: impl FnOnce(&mut Record<'_>, Totals) + Send + 'static,
    ) -> LastRecord {
        let format = self.format;
        Box::new(move |totals| {
            let mut line = Vec::new();
            let mut record = Record::begin(&mut line, format, level, "infra", message, "-");
            fields(&mut record, totals);
            record.end();
            (level, line)
        })
    }
}

impl Totals {
    /// Returns the names of the levels with their numbers of produced records.
    pub(crate) fn by_level(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LEVELS.iter().map(|level| level.as_str()).zip(self.produced)
    }
}

/// Calls `make` with a buffer of this thread.
///
/// A line is formatted before the pipe is locked, as a `Debug` implementation may run and log another
/// record. That record gets a new buffer.
fn with_scratch(make: impl FnOnce(&mut Vec<u8>)) {
    thread_local! {
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let mut line = SCRATCH.try_with(RefCell::take).unwrap_or_default();
    line.clear();
    make(&mut line);
    // If the thread exits and its locals are destroyed, the buffer is dropped.
    let _ = SCRATCH.try_with(|scratch| scratch.replace(line));
}
