//! Writes the lines of services to the terminal.
//!
//! A terminal can stop reading, so readers only offer their lines: if the queue is full, lines are dropped.
//! More lines a second than a person can follow are dropped, too.
//! The store counts both, and has all lines.
//! Control characters are removed, so no service can send escape sequences to the terminal.

mod text;

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::time::Instant;

use self::text::Painter;
use super::reader::lines;
use crate::store::{Drop as Dropped, Store, Stream};

/// Blocks of lines that wait.
const QUEUE: usize = 1_024;

/// The bytes of all lines that wait.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// Lines that are written in a [`WINDOW`].
const LINES: u64 = 2_000;

const WINDOW: Duration = Duration::from_secs(1);

/// The time for the last lines when the console ends.
const LAST: Duration = Duration::from_millis(500);

/// Whole lines of one stream.
#[derive(Debug)]
struct Block {
    /// `None` for lines of the console itself.
    service: Option<Arc<str>>,
    stream: Stream,
    bytes: Vec<u8>,
}

/// A queue of lines for the terminal. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Echo {
    queue: SyncSender<Block>,
    /// The bytes of services in the queue.
    waiting: Arc<AtomicUsize>,
    /// Whether only lines of the console are written.
    is_quiet: bool,
    store: Arc<Store>,
}

/// The end of the thread that writes.
#[derive(Debug)]
pub(super) struct EchoEnd(Receiver<()>);

/// How lines are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Whether each line begins with the name of its service, padded to this width.
    pub(super) names: Option<usize>,
    /// Whether lines of services are left out.
    pub(super) is_quiet: bool,
}

impl Echo {
    /// Returns a queue whose lines are written to standard output and standard error.
    pub(super) fn start(store: Arc<Store>, form: Form) -> io::Result<(Self, EchoEnd)> {
        let (queue, blocks) = sync_channel(QUEUE);
        let (ended, end) = sync_channel(1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (counter, taken) = (Arc::clone(&store), Arc::clone(&waiting));
        let work = move || {
            write_all(&blocks, form, &counter, &taken);
            // The console may have ended without waiting for it.
            let _ = ended.send(());
        };
        thread::Builder::new().name("echo".to_owned()).spawn(work)?;
        let echo = Self {
            queue,
            waiting,
            is_quiet: form.is_quiet,
            store,
        };
        Ok((echo, EchoEnd(end)))
    }

    /// Offers whole lines of a service. Never waits.
    pub(super) fn offer(&self, service: &Arc<str>, stream: Stream, bytes: &[u8]) {
        if self.is_quiet {
            return;
        }
        let waiting = self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        if waiting + bytes.len() <= QUEUE_BYTES {
            let block = Block {
                service: Some(Arc::clone(service)),
                stream,
                bytes: bytes.to_vec(),
            };
            if self.queue.try_send(block).is_ok() {
                return;
            }
        }
        self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        count(&self.store, lines(bytes).count());
    }

    /// Offers a line of the console. Never waits.
    pub(super) fn note(&self, text: &str) {
        let block = Block {
            service: None,
            stream: Stream::Stderr,
            bytes: format!("plimsoll: {text}\n").into_bytes(),
        };
        // A full queue means that the terminal has stopped; the page shows the same.
        let _ = self.queue.try_send(block);
    }
}

impl EchoEnd {
    /// Waits until the last lines are written, for a short time: a terminal can have stopped reading.
    pub(super) fn wait(self) {
        // A thread that still writes ends with the process.
        let _ = self.0.recv_timeout(LAST);
    }
}

fn count(store: &Store, lines: usize) {
    store.count(Dropped::Echo, lines as u64);
}

/// Writes blocks until all queues are gone, or the terminal is closed.
fn write_all(blocks: &Receiver<Block>, form: Form, store: &Store, waiting: &AtomicUsize) {
    let mut stdout = anstream::stdout();
    let mut stderr = anstream::stderr();
    let mut painter = Painter::new(form);
    let mut limit = Limit::new();
    let mut text = String::new();
    for block in blocks {
        text.clear();
        let mut dropped = 0;
        for line in lines(&block.bytes) {
            if limit.admits(Instant::now()) {
                painter.paint(&mut text, block.service.as_ref(), line);
            } else {
                dropped += 1;
            }
        }
        count(store, dropped);
        if block.service.is_some() {
            waiting.fetch_sub(block.bytes.len(), Ordering::Relaxed);
        }
        let out: &mut dyn Write = match block.stream {
            Stream::Stderr => &mut stderr,
            _ => &mut stdout,
        };
        if out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return;
        }
    }
}

/// Limits lines for each window of time.
#[derive(Debug)]
struct Limit {
    began: Instant,
    lines: u64,
}

impl Limit {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            lines: 0,
        }
    }

    fn admits(&mut self, now: Instant) -> bool {
        if now.duration_since(self.began) >= WINDOW {
            self.began = now;
            self.lines = 0;
        }
        self.lines += 1;
        self.lines <= LINES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_window_are_limited() {
        let mut limit = Limit::new();
        let began = limit.began;
        let admitted = |limit: &mut Limit, at| (0..5_000).filter(|_| limit.admits(at)).count();
        assert_eq!(admitted(&mut limit, began), 2_000);
        assert_eq!(admitted(&mut limit, began + WINDOW / 2), 0);
        assert_eq!(admitted(&mut limit, began + WINDOW), 2_000);
    }
}
