//! The writer thread, the only one that writes to stdout.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{Level, PipeState, level_slot};
use crate::{
    config::LogFormat,
    sync::{Arc, atomic::Ordering, lock, thread},
    telemetry::record::Record,
};

/// The pause between two writes, and so the maximum delay of a record under load.
///
/// A longer pause means fewer writes and fewer wake-ups of this thread.
const WRITE_INTERVAL: Duration = Duration::from_millis(4);

/// The minimum time between two `log_records_dropped` records.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);

/// Collects and writes the buffered records.
pub(super) struct Writer {
    shared: Arc<PipeState>,
    output: Box<dyn io::Write + Send>,
    format: LogFormat,
    batch: Vec<u8>,
    /// The number of lines in `batch`.
    batch_lines: u64,
    /// An empty buffer that replaces a collected one.
    spare: Vec<u8>,
    /// The rest of a line that has been written in part.
    torn: Vec<u8>,
    announced: u64,
    announced_at: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<PipeState>,
        output: Box<dyn io::Write + Send>,
        format: LogFormat,
    ) -> Self {
        Self {
            shared,
            output,
            format,
            batch: Vec::new(),
            batch_lines: 0,
            spare: Vec::new(),
            torn: Vec::new(),
            announced: 0,
            announced_at: None,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let closing = self.shared.closing.load(Ordering::Acquire);
            self.gather(closing);
            if !self.batch.is_empty() {
                self.write_batch();
                self.announce(closing);
                thread::park_timeout(WRITE_INTERVAL);
            } else if closing {
                break;
            } else {
                self.sleep();
            }
        }
        self.announce(true);
        let last = lock(&self.shared.writer).last.take();
        if let Some(last) = last {
            let (level, line) = last(self.shared.totals());
            // All shards are closed. The last record is counted in the first one.
            if let Some(shard) = self.shared.shards.first() {
                lock(&shard.0).produced[level_slot(level)] += 1;
            }
            self.batch.extend_from_slice(&line);
            self.batch_lines += 1;
            self.write_batch();
        }
        self.count_dropped(u64::from(!self.torn.is_empty()));
        let mut state = lock(&self.shared.writer);
        state.ended = true;
        state.ended_sender = None;
        drop(state);
        self.shared.ended.notify_all();
    }

    /// Moves the content of all buffers into the batch. If `closing`, closes the buffers.
    fn gather(&mut self, closing: bool) {
        for shard in &self.shared.shards {
            let mut buffer = lock(&shard.0);
            buffer.closed = closing;
            if buffer.bytes.is_empty() {
                continue;
            }
            self.batch_lines += std::mem::take(&mut buffer.lines);
            if self.batch.is_empty() {
                // The common case, a single non-empty buffer, needs no copy.
                std::mem::swap(&mut self.batch, &mut self.spare);
                std::mem::swap(&mut self.batch, &mut buffer.bytes);
            } else {
                self.batch.extend_from_slice(&buffer.bytes);
                buffer.bytes.clear();
            }
        }
    }

    /// Parks until a producer has pushed a record or the pipe is closed.
    fn sleep(&self) {
        self.shared.asleep.store(true, Ordering::Relaxed);
        let empty = self
            .shared
            .shards
            .iter()
            .all(|shard| lock(&shard.0).bytes.is_empty());
        if empty && !self.shared.closing.load(Ordering::Acquire) {
            thread::park();
        }
        self.shared.asleep.store(false, Ordering::Relaxed);
    }

    /// Writes the batch. Records that cannot be written are counted as dropped.
    fn write_batch(&mut self) {
        let torn = std::mem::take(&mut self.torn);
        if !torn.is_empty() {
            let written = self.write(&torn);
            self.count_written(&torn[..written]);
            if written < torn.len() {
                self.torn = torn[written..].to_vec();
                self.count_dropped(self.batch_lines);
                self.reuse_batch();
                return;
            }
        }
        let batch = std::mem::take(&mut self.batch);
        let written = self.write(&batch);
        if written == batch.len() {
            // The common case needs no search for newlines.
            let count = self.batch_lines;
            self.shared.written.fetch_add(count, Ordering::Release);
            self.batch = batch;
            self.reuse_batch();
            return;
        }
        self.count_written(&batch[..written]);
        let rest = &batch[written..];
        let mid_line = written > 0 && batch[written - 1] != b'\n';
        let rest = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) if mid_line => {
                self.torn = rest[..=end].to_vec();
                &rest[end + 1..]
            }
            _ => rest,
        };
        self.count_dropped(lines(rest));
        self.batch = batch;
        self.reuse_batch();
    }

    fn reuse_batch(&mut self) {
        self.batch.clear();
        self.batch_lines = 0;
        std::mem::swap(&mut self.batch, &mut self.spare);
    }

    /// Writes until the end of `bytes` or an error, and returns the number of written bytes.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.output.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Another process that shares the descriptor has made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::park_timeout(WRITE_INTERVAL);
                }
                Err(_) => break,
            }
        }
        written
    }

    fn count_written(&self, bytes: &[u8]) {
        self.shared
            .written
            .fetch_add(lines(bytes), Ordering::Release);
    }

    fn count_dropped(&self, records: u64) {
        self.shared
            .dropped_by_writer
            .fetch_add(records, Ordering::Release);
    }

    /// Logs the number of records dropped since the last such record.
    fn announce(&mut self, closing: bool) {
        let dropped = self.shared.totals().dropped;
        let recently = self
            .announced_at
            .is_some_and(|at| at.elapsed() < ANNOUNCE_INTERVAL);
        if dropped == self.announced || (recently && !closing) || !self.torn.is_empty() {
            return;
        }
        let mut line = Vec::new();
        let mut record = Record::begin(
            &mut line,
            self.format,
            Level::Warning,
            "infra",
            "log_records_dropped",
            "-",
        );
        record.number("dropped", dropped - self.announced);
        record.end();
        let written = self.write(&line);
        if written == 0 {
            // Stdout still fails. An announcement that was not written is not counted.
            return;
        }
        self.shared.announcements.fetch_add(1, Ordering::Release);
        self.count_written(&line[..written]);
        self.torn = line[written..].to_vec();
        self.announced = dropped;
        self.announced_at = Some(Instant::now());
    }
}

/// Counts the lines that end in `bytes`.
fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
