//! Collects every line that a child process writes to one of its pipes.
//!
//! A dedicated thread reads the pipe, so the child never blocks on the test.
//! If a test pauses reading, the pipe fills, as with a stopped log shipper.
//!
//! A thread that waits for a line sleeps on a condition variable, which the reading thread
//! notifies.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait::now;

/// The lines read from one pipe so far.
#[derive(Debug, Default)]
pub(crate) struct OutputLines {
    state: Mutex<OutputState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct OutputState {
    lines: Vec<Arc<[u8]>>,
    /// Bytes after the last line feed.
    partial_line: Vec<u8>,
    is_paused: bool,
    is_closed: bool,
}

impl OutputLines {
    /// Starts a thread that reads `pipe` to its end.
    pub(crate) fn read_from(pipe: impl Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let reader = Arc::clone(&lines);
        thread::spawn(move || reader.read_all(pipe));
        lines
    }

    fn read_all(&self, mut pipe: impl Read) {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            drop(
                self.changed
                    .wait_while(self.lock(), |state| state.is_paused)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            match pipe.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => self.append(&chunk[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // A pipe returns no other error. If it did, the test would see a closed pipe.
                Err(_) => break,
            }
        }
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn append(&self, bytes: &[u8]) {
        let mut state = self.lock();
        for chunk in bytes.split_inclusive(|byte| *byte == b'\n') {
            match chunk.strip_suffix(b"\n") {
                Some(end) => {
                    let mut line = std::mem::take(&mut state.partial_line);
                    line.extend_from_slice(end);
                    state.lines.push(line.into());
                }
                None => state.partial_line.extend_from_slice(chunk),
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Returns every complete line so far, starting at line `from`.
    pub(crate) fn since(&self, from: usize) -> Vec<Arc<[u8]>> {
        self.lock().lines[from..].to_vec()
    }

    /// Waits until `select` returns a value, the pipe is closed, or `limit` has passed.
    ///
    /// `select` is called once for each line, without the lock.
    /// So a slow `select` does not block the reading thread.
    pub(crate) fn wait_for<T>(
        &self,
        limit: Duration,
        mut select: impl FnMut(usize, &[u8]) -> Option<T>,
    ) -> Option<T> {
        let deadline = now() + limit;
        let mut seen = 0;
        loop {
            let mut state = self.lock();
            while state.lines.len() == seen {
                let remaining = deadline.saturating_duration_since(now());
                if state.is_closed || remaining.is_zero() {
                    return None;
                }
                state = self.wait(state, remaining);
            }
            let new = state.lines[seen..].to_vec();
            drop(state);
            for line in new {
                if let Some(value) = select(seen, &line) {
                    return Some(value);
                }
                seen += 1;
            }
        }
    }

    /// Waits until the write end of the pipe is closed; returns whether it is.
    pub(crate) fn wait_until_closed(&self, limit: Duration) -> bool {
        let deadline: Instant = now() + limit;
        let mut state = self.lock();
        while !state.is_closed {
            let remaining = deadline.saturating_duration_since(now());
            if remaining.is_zero() {
                return false;
            }
            state = self.wait(state, remaining);
        }
        true
    }

    pub(crate) fn set_paused(&self, is_paused: bool) {
        self.lock().is_paused = is_paused;
        self.changed.notify_all();
    }

    /// Returns the whole output as text; invalid UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        let state = self.lock();
        let mut bytes = Vec::new();
        for line in &state.lines {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&state.partial_line);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'lock>(
        &self,
        state: MutexGuard<'lock, OutputState>,
        limit: Duration,
    ) -> MutexGuard<'lock, OutputState> {
        let (state, _) = self
            .changed
            .wait_timeout(state, limit)
            .unwrap_or_else(PoisonError::into_inner);
        state
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn texts(lines: &OutputLines) -> Vec<String> {
        lines
            .since(0)
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    #[test]
    fn lines_are_reassembled_from_partial_reads() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = OutputLines::read_from(reader);
        for chunk in ["on", "e\ntw", "o\n\nthr", "ee"] {
            writer.write_all(chunk.as_bytes()).unwrap();
        }
        drop(writer);
        assert!(lines.wait_until_closed(LIMIT));
        assert_eq!(texts(&lines), ["one", "two", ""]);
        assert_eq!(lines.text(), "one\ntwo\n\nthree");
    }

    #[test]
    fn wait_returns_a_line_written_later() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = OutputLines::read_from(reader);
        let waiting = Arc::clone(&lines);
        let waiter = thread::spawn(move || {
            waiting.wait_for(LIMIT, |index, line| {
                line.ends_with(b"2").then_some((index, line.to_vec()))
            })
        });
        writer.write_all(b"line 1\nline 2\n").unwrap();
        assert_eq!(waiter.join().unwrap(), Some((1, b"line 2".to_vec())));
    }

    #[test]
    fn wait_ends_when_the_pipe_is_closed() {
        let (reader, writer) = std::io::pipe().unwrap();
        let lines = OutputLines::read_from(reader);
        drop(writer);
        assert_eq!(lines.wait_for(LIMIT, |_, _| Some(())), None);
    }

    #[test]
    fn paused_reader_reads_nothing() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = OutputLines::read_from(reader);
        lines.set_paused(true);
        // The thread may be inside its last read, which can return the first line, not the second.
        writer.write_all(b"first\n").unwrap();
        writer.flush().unwrap();
        let first = lines.wait_for(Duration::from_millis(200), |_, _| Some(()));
        writer.write_all(b"second\n").unwrap();
        let early = lines.wait_for(Duration::from_millis(100), |_, line| {
            (line == b"second").then_some(())
        });
        assert_eq!(early, None, "first line seen: {}", first.is_some());
        lines.set_paused(false);
        let late = lines.wait_for(LIMIT, |_, line| (line == b"second").then_some(()));
        assert_eq!(late, Some(()));
    }
}
