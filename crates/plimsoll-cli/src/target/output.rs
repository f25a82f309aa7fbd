//! The lines that a service writes to standard output and standard error, with their times.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// A stream of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// A line, without its line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) stream: Stream,
    pub(crate) bytes: Vec<u8>,
}

/// All lines so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    added: Notify,
    /// Whether the streams are not read.
    is_stopped: watch::Sender<bool>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
            added: Notify::default(),
            is_stopped: watch::Sender::new(false),
        }
    }
}

impl Line {
    /// Returns the line as text, with a replacement for bytes that are not UTF-8.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn contains(&self, text: &str) -> bool {
        let mut windows = self.bytes.windows(text.len().max(1));
        windows.any(|window| window == text.as_bytes())
    }
}

impl Output {
    /// Reads a stream to its end. A service that waits for its reader would distort every time.
    pub(super) async fn read(self, stream: Stream, pipe: impl AsyncRead + Unpin) {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        let mut is_stopped = self.shared.is_stopped.subscribe();
        // An error of a pipe is its end.
        while let Ok(1..) = pipe.read_until(b'\n', &mut bytes).await {
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            let bytes = std::mem::take(&mut bytes);
            self.push(Line { stream, bytes });
            // The sender lives as long as this output.
            let _ = is_stopped.wait_for(|is_stopped| !is_stopped).await;
        }
    }

    /// Adds a line.
    pub(crate) fn push(&self, line: Line) {
        self.lock().push(line);
        self.shared.added.notify_waiters();
    }

    /// Stops reading, like a log shipper that hangs. One more line of each stream is read.
    pub(crate) fn stop(&self) {
        self.shared.is_stopped.send_replace(true);
    }

    /// Reads on.
    pub(crate) fn resume(&self) {
        self.shared.is_stopped.send_replace(false);
    }

    /// Returns all lines so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lock().clone()
    }

    /// Returns the last lines, for the report of a failed start.
    pub(crate) fn tail(&self, count: usize) -> Vec<String> {
        let lines = self.lock();
        let first = lines.len().saturating_sub(count);
        lines[first..].iter().map(Line::text).collect()
    }

    /// Waits until a line contains the text. Returns whether one does.
    pub(crate) async fn wait_for(&self, text: &str, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut seen = 0;
        loop {
            let added = self.shared.added.notified();
            tokio::pin!(added);
            // Registered before the check, so that a line in between is not missed.
            added.as_mut().enable();
            {
                let lines = self.lock();
                if lines[seen..].iter().any(|line| line.contains(text)) {
                    return true;
                }
                seen = lines.len();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if timeout(left, added).await.is_err() {
                return false;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        let lines = &self.shared.lines;
        lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_of_both_streams_are_kept() {
        let output = Output::default();
        output.clone().read(Stream::Out, &b"one\n\xfftwo"[..]).await;
        output.clone().read(Stream::Err, &b"three\n"[..]).await;
        assert_eq!(output.tail(3), ["one", "\u{fffd}two", "three"]);
        assert_eq!(output.lines()[2].stream, Stream::Err);
    }

    #[tokio::test]
    async fn stopped_output_is_read_later() {
        let output = Output::default();
        output.stop();
        let reader = tokio::spawn(output.clone().read(Stream::Out, &b"one\ntwo\n"[..]));
        assert!(output.wait_for("one", Duration::from_secs(10)).await);
        assert_eq!(output.tail(2), ["one"]);
        output.resume();
        reader.await.unwrap();
        assert_eq!(output.tail(2), ["one", "two"]);
    }

    #[tokio::test(start_paused = true)]
    async fn wait_ends_with_the_line_or_the_limit() {
        let output = Output::default();
        let second = Duration::from_secs(1);
        assert!(!output.wait_for("one", second).await);
        let waiter = output.wait_for("one", second);
        let writer = output.clone().read(Stream::Out, &b"a one\n"[..]);
        assert!(tokio::join!(waiter, writer).0);
    }
}
