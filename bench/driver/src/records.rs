//! Reads what a server writes to stdout, as a log shipper would: at once, and all of it.

use std::{
    io::Read,
    process::ChildStdout,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use memchr::{memchr_iter, memmem::Finder};

use crate::delays::Delays;

/// The default capacity of a pipe, in bytes.
const PIPE: usize = 64 * 1024;

/// Counts of what has been read so far.
#[derive(Debug, Default)]
pub struct Records {
    lines: AtomicU64,
    access: AtomicU64,
    bytes: AtomicU64,
    pub delays: Delays,
}

impl Records {
    /// Reads until the other side is closed, on a thread that inherits this one's core.
    pub fn read(stdout: ChildStdout, access: Option<&'static str>) -> Arc<Self> {
        let records = Arc::new(Self::default());
        let counts = Arc::clone(&records);
        thread::spawn(move || counts.count(stdout, access.map(|it| Finder::new(it.as_bytes()))));
        records
    }

    pub fn access(&self) -> u64 {
        self.access.load(Ordering::Acquire)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub fn other(&self) -> u64 {
        self.lines
            .load(Ordering::Acquire)
            .saturating_sub(self.access())
    }

    fn count(&self, mut stdout: ChildStdout, access: Option<Finder<'_>>) {
        let mut buffer = vec![0; 2 * PIPE];
        let mut kept = 0;
        loop {
            if kept == buffer.len() {
                // A line that long is none of an access log: forget it, but not its end.
                kept = 0;
            }
            let read = match stdout.read(&mut buffer[kept..]) {
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            let filled = kept + read;
            let (mut start, mut lines, mut matches) = (0, 0, 0);
            for end in memchr_iter(b'\n', &buffer[..filled]) {
                lines += 1;
                let is_access = |it: &Finder<'_>| it.find(&buffer[start..end]).is_some();
                matches += u64::from(access.as_ref().is_some_and(is_access));
                start = end + 1;
            }
            self.delays
                .arrived(buffer[..start].split(|it| *it == b'\n'));
            buffer.copy_within(start..filled, 0);
            kept = filled - start;
            self.bytes.fetch_add(read as u64, Ordering::Release);
            self.access.fetch_add(matches, Ordering::Release);
            self.lines.fetch_add(lines, Ordering::Release);
        }
    }
}
