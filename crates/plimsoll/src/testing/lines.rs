//! Keeps every line that a child process writes to one of its pipes.
//!
//! A thread of its own empties the pipe, so the child never waits for the test. The exception is
//! asked for: while reading is paused nobody empties the pipe, and the child is in the position of
//! a service whose log shipper has stopped.
//!
//! Whoever waits for a line sleeps on a condition variable and is woken by the reading thread.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::wait::now;

/// The lines of one pipe so far.
#[derive(Debug, Default)]
pub(super) struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Arc<[u8]>>,
    /// What came after the last line feed.
    rest: Vec<u8>,
    paused: bool,
    closed: bool,
}

impl Lines {
    /// Starts to read `pipe` to its end.
    pub(super) fn of(pipe: impl Read + Send + 'static) -> Arc<Self> {
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
                    .wait_while(self.lock(), |state| state.paused)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            match pipe.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => self.append(&chunk[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // A pipe gives no other error; the end of the reading is all a test could see of
                // it.
                Err(_) => break,
            }
        }
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn append(&self, bytes: &[u8]) {
        let mut state = self.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    let mut line = std::mem::take(&mut state.rest);
                    line.extend_from_slice(end);
                    state.lines.push(line.into());
                }
                None => state.rest.extend_from_slice(piece),
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Every whole line so far, from line `from` on.
    pub(super) fn since(&self, from: usize) -> Vec<Arc<[u8]>> {
        self.lock().lines[from..].to_vec()
    }

    /// Waits until `choose` takes a line, the pipe is closed, or `limit` has passed.
    ///
    /// Each line is shown once, and outside the lock, so that a slow `choose` does not stop the
    /// reading.
    pub(super) fn wait_for<T>(
        &self,
        limit: Duration,
        mut choose: impl FnMut(usize, &[u8]) -> Option<T>,
    ) -> Option<T> {
        let deadline = now() + limit;
        let mut seen = 0;
        loop {
            let mut state = self.lock();
            while state.lines.len() == seen {
                let left = deadline.saturating_duration_since(now());
                if state.closed || left.is_zero() {
                    return None;
                }
                state = self.wait(state, left);
            }
            let new = state.lines[seen..].to_vec();
            drop(state);
            for line in new {
                if let Some(chosen) = choose(seen, &line) {
                    return Some(chosen);
                }
                seen += 1;
            }
        }
    }

    /// Waits until the writer's end is closed; says whether it is.
    pub(super) fn wait_until_closed(&self, limit: Duration) -> bool {
        let deadline: Instant = now() + limit;
        let mut state = self.lock();
        while !state.closed {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return false;
            }
            state = self.wait(state, left);
        }
        true
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.lock().paused = paused;
        self.changed.notify_all();
    }

    /// The whole text, whatever bytes it holds.
    pub(super) fn text(&self) -> String {
        let state = self.lock();
        let mut bytes = Vec::new();
        for line in &state.lines {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&state.rest);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'lock>(
        &self,
        state: MutexGuard<'lock, State>,
        limit: Duration,
    ) -> MutexGuard<'lock, State> {
        let (state, _) = self
            .changed
            .wait_timeout(state, limit)
            .unwrap_or_else(PoisonError::into_inner);
        state
    }
}

/// The names of a JSON object's own fields, in the order in which they are written, repeated ones
/// included.
///
/// A parsed [`serde_json::Value`] has lost the order, and the fact that a name came twice.
/// Names are given without their escapes taken off, which no field name of a log record needs.
///
/// # Examples
///
/// ```
/// let line = r#"{"b": 1, "a": {"inner": 2}, "b": "x\"y"}"#;
/// assert_eq!(plimsoll::testing::field_names(line), ["b", "a", "b"]);
/// ```
#[must_use]
pub fn field_names(object: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut bytes = object.bytes().enumerate();
    // The last string at the outermost level: a name if a colon comes next.
    let mut last = None;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let end = loop {
                    match bytes.next() {
                        Some((_, b'\\')) => drop(bytes.next()),
                        Some((end, b'"')) => break end,
                        Some(_) => {}
                        None => return names,
                    }
                };
                last = (depth == 1).then(|| &object[at + 1..end]);
            }
            b':' => names.extend(last.take()),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn texts(lines: &Lines) -> Vec<String> {
        lines
            .since(0)
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    #[test]
    fn lines_are_kept_however_the_pipe_cuts_them() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = Lines::of(reader);
        for piece in ["on", "e\ntw", "o\n\nthr", "ee"] {
            writer.write_all(piece.as_bytes()).unwrap();
        }
        drop(writer);
        assert!(lines.wait_until_closed(SOON));
        assert_eq!(texts(&lines), ["one", "two", ""]);
        assert_eq!(lines.text(), "one\ntwo\n\nthree");
    }

    #[test]
    fn a_line_that_comes_later_is_waited_for() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = Lines::of(reader);
        let waiting = Arc::clone(&lines);
        let waiter = thread::spawn(move || {
            waiting.wait_for(SOON, |index, line| {
                line.ends_with(b"2").then_some((index, line.to_vec()))
            })
        });
        writer.write_all(b"line 1\nline 2\n").unwrap();
        assert_eq!(waiter.join().unwrap(), Some((1, b"line 2".to_vec())));
    }

    #[test]
    fn waiting_ends_when_the_pipe_is_closed() {
        let (reader, writer) = std::io::pipe().unwrap();
        let lines = Lines::of(reader);
        drop(writer);
        assert_eq!(lines.wait_for(SOON, |_, _| Some(())), None);
    }

    #[test]
    fn nothing_is_read_while_paused() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let lines = Lines::of(reader);
        lines.set_paused(true);
        // The thread may be inside its last read: the first line can still come through, the second
        // cannot.
        writer.write_all(b"first\n").unwrap();
        writer.flush().unwrap();
        let first = lines.wait_for(Duration::from_millis(200), |_, _| Some(()));
        writer.write_all(b"second\n").unwrap();
        let early = lines.wait_for(Duration::from_millis(100), |_, line| {
            (line == b"second").then_some(())
        });
        assert_eq!(early, None, "first line seen: {}", first.is_some());
        lines.set_paused(false);
        let late = lines.wait_for(SOON, |_, line| (line == b"second").then_some(()));
        assert_eq!(late, Some(()));
    }

    #[test]
    fn names_are_those_of_the_outermost_object() {
        #[track_caller]
        fn check(object: &str, expected: &[&str]) {
            assert_eq!(field_names(object), expected, "{object}");
        }
        check("{}", &[]);
        check(r#"{"a":1}"#, &["a"]);
        check(r#"{"a":"b","c":"d:e"}"#, &["a", "c"]);
        check(r#"{"a":["x",{"y":1}],"b":{"z":[]}}"#, &["a", "b"]);
        check(r#"{"a":"\\","a":"\",\"b\":1"}"#, &["a", "a"]);
        check(r#"{"a":"unended"#, &["a"]);
        check("no object", &[]);
    }
}
