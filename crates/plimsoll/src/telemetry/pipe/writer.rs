//! The one thread that writes to stdout.

use std::{io, time::Duration};

use tokio::time::Instant;

use super::{Level, PipeState, level_slot, lock};
use crate::{
    config::LogFormat,
    sync::{Arc, atomic::Ordering, thread},
    telemetry::record::Record,
};

/// The rest between two rounds: what a record waits at most before it is written.
const REST: Duration = Duration::from_millis(1);

/// The least time between two announcements of dropped records.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// Gathers what producers have buffered, and writes it.
pub(super) struct Writer {
    shared: Arc<PipeState>,
    output: Box<dyn io::Write + Send>,
    format: LogFormat,
    batch: Vec<u8>,
    /// A buffer to leave in the place of a full one.
    spare: Vec<u8>,
    /// The rest of a line whose beginning is already out.
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
                thread::park_timeout(REST);
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
            // All shards are closed: the count of the last record goes into the first of them.
            if let Some(shard) = self.shared.shards.first() {
                lock(&shard.0).produced[level_slot(level)] += 1;
            }
            self.batch.extend_from_slice(&line);
            self.write_batch();
        }
        self.lose(u64::from(!self.torn.is_empty()));
        let mut state = lock(&self.shared.writer);
        state.ended = true;
        state.ends = None;
        drop(state);
        self.shared.ended.notify_all();
    }

    /// Takes what the buffers hold; for the last time, if the pipe is closing.
    fn gather(&mut self, closing: bool) {
        for shard in &self.shared.shards {
            let mut buffer = lock(&shard.0);
            buffer.closed = closing;
            if buffer.bytes.is_empty() {
                continue;
            }
            if self.batch.is_empty() {
                // The common case, a single busy buffer, is taken without a copy.
                std::mem::swap(&mut self.batch, &mut self.spare);
                std::mem::swap(&mut self.batch, &mut buffer.bytes);
            } else {
                self.batch.extend_from_slice(&buffer.bytes);
                buffer.bytes.clear();
            }
        }
    }

    /// Rests until a producer has pushed something.
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

    /// Writes the batch, or counts as dropped what of it cannot be written.
    fn write_batch(&mut self) {
        let torn = std::mem::take(&mut self.torn);
        if !torn.is_empty() {
            let written = self.write(&torn);
            self.count_written(&torn[..written]);
            if written < torn.len() {
                self.torn = torn[written..].to_vec();
                self.lose(lines(&self.batch));
                self.reuse_batch();
                return;
            }
        }
        let batch = std::mem::take(&mut self.batch);
        let written = self.write(&batch);
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
        self.lose(lines(rest));
        self.batch = batch;
        self.reuse_batch();
    }

    fn reuse_batch(&mut self) {
        self.batch.clear();
        std::mem::swap(&mut self.batch, &mut self.spare);
    }

    /// Writes as much as the output takes, and says how much that was.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.output.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Whoever shares the descriptor has made it non-blocking: wait as a blocking one
                // would.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::park_timeout(REST);
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

    fn lose(&self, records: u64) {
        self.shared.lost.fetch_add(records, Ordering::Release);
    }

    /// Says in the log how many records were dropped since the last time, now that there is room.
    fn announce(&mut self, closing: bool) {
        let dropped = self.shared.totals().dropped;
        let recently = self
            .announced_at
            .is_some_and(|at| at.elapsed() < ANNOUNCE_EVERY);
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
            // Stdout fails still; an announcement that was never made is no record.
            return;
        }
        self.shared.announcements.fetch_add(1, Ordering::Release);
        self.count_written(&line[..written]);
        self.torn = line[written..].to_vec();
        self.announced = dropped;
        self.announced_at = Some(Instant::now());
    }
}

/// How many records end in `bytes`.
fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
