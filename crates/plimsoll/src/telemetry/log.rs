//! The handle through which every part of the chassis says something.

use std::{cell::RefCell, io, sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    events::EventLayer,
    pipe::{LEVELS, LastRecord, Output, Pipe, Priority, Totals, WeakPipe},
    record::{Record, RecordHead},
};
use crate::config::{Level, LogFormat, LogLevels};

/// Where records go: a value, so that several services can live in one process.
///
/// Clones write to the same output. Records of one thread keep their order.
#[derive(Debug, Clone)]
pub struct Log {
    pipe: Pipe,
    format: LogFormat,
    levels: Arc<LogLevels>,
}

/// A log that ends when no [`Log`] is left.
#[derive(Debug, Clone)]
pub(super) struct WeakLog {
    pipe: WeakPipe,
    format: LogFormat,
    levels: Arc<LogLevels>,
}

impl WeakLog {
    /// The log, if it has not ended.
    pub(super) fn upgrade(&self) -> Option<Log> {
        Some(Log {
            pipe: self.pipe.upgrade()?,
            format: self.format,
            levels: Arc::clone(&self.levels),
        })
    }
}

impl Log {
    /// The same log, for a holder that outlives it.
    pub(super) fn downgrade(&self) -> WeakLog {
        WeakLog {
            pipe: self.pipe.downgrade(),
            format: self.format,
            levels: Arc::clone(&self.levels),
        }
    }

    /// Starts a log that writes to `output` from a thread of its own.
    ///
    /// `threads` is the number of threads that will write much: each gets a buffer.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread.
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
            levels: Arc::new(levels),
        })
    }

    /// A layer that writes `tracing` events to this log, for a subscriber of your own.
    ///
    /// [`App::run`](crate::App::run) installs one by itself.
    #[must_use]
    pub fn layer(&self) -> EventLayer {
        EventLayer::new(self.clone())
    }

    /// How many records there have been so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.pipe.totals()
    }

    pub(super) const fn format(&self) -> LogFormat {
        self.format
    }

    pub(crate) fn levels(&self) -> &LogLevels {
        &self.levels
    }

    /// Whether a record of this level and name is wanted (`LOG_LEVEL`).
    pub(crate) fn is_enabled(&self, level: Level, name: &str) -> bool {
        level >= self.levels.threshold(name)
    }

    /// Writes a record of the chassis itself, outside any request.
    pub(crate) fn infra(&self, level: Level, message: &str, fields: impl FnOnce(&mut Record<'_>)) {
        if self.is_enabled(level, "infra") {
            self.always(level, message, fields);
        }
    }

    /// Writes a record of the chassis itself, whatever `LOG_LEVEL` says (contract LOG-7).
    pub(crate) fn always(&self, level: Level, message: &str, fields: impl FnOnce(&mut Record<'_>)) {
        self.write(Priority::High, level, "infra", message, "-", fields);
    }

    /// Writes a record. The caller has asked [`Log::is_enabled`].
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
            self.pipe.push(priority, level, line);
        });
    }

    /// Writes a record whose leading fields are ready. The caller has asked [`Log::is_enabled`].
    pub(crate) fn write_with(
        &self,
        priority: Priority,
        head: &RecordHead,
        request_id: &str,
        fields: impl FnOnce(&mut Record<'_>),
    ) {
        with_scratch(|line| {
            let mut record = Record::begin_with(line, self.format, head, request_id);
            fields(&mut record);
            record.end();
            self.pipe.push(priority, head.level, line);
        });
    }

    /// Writes what is buffered, then a last record with the fields that `fields` makes of the
    /// totals before it. Returns whether all of that was done before `limit` had passed.
    ///
    /// Blocks the calling thread, for `limit` at most.
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

    /// Has the writer do what [`Log::finish`] does, and blocks nothing. The receiver completes when
    /// the writer has ended.
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
    /// Produced records with the names of their levels.
    pub(crate) fn by_level(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LEVELS.iter().map(|level| level.as_str()).zip(self.produced)
    }
}

/// Lends a buffer of this thread.
///
/// A line is made before the pipe is locked, since a user's `Debug` may run meanwhile, and may log
/// itself: then it finds the buffer taken and gets a new one.
fn with_scratch(make: impl FnOnce(&mut Vec<u8>)) {
    thread_local! {
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let mut line = SCRATCH.try_with(RefCell::take).unwrap_or_default();
    line.clear();
    make(&mut line);
    // The thread may be on its way out, with its locals gone: then the buffer goes too.
    let _ = SCRATCH.try_with(|scratch| scratch.replace(line));
}
