//! Reads a stream of a service: one thread for each, which waits for nothing but the stream.
//!
//! The service must not wait for the console, so the pipe is large and its reader does little:
//! lines go to the store, a copy of the block is offered to the terminal.

use std::{
    io::{self, ErrorKind, PipeReader, PipeWriter, Read},
    net::SocketAddr,
    sync::Arc,
    thread,
    time::SystemTime,
};

use tokio::{runtime, sync::mpsc::Sender};

use super::{
    echo::Echo,
    listening,
    service::Service,
    state::{Report, Reports},
};
use crate::{
    ingest::{lines::Lines, scrape::Charts},
    store::{Store, Stream},
};

/// The size of a pipe. Systems with a lower limit keep theirs.
#[cfg(target_os = "linux")]
const PIPE: usize = 1024 * 1024;

/// The bytes that are read at once.
const BUFFER: usize = 128 * 1024;

/// The destination of lines.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    pub(super) store: Arc<Store>,
    pub(super) echo: Echo,
    pub(super) charts: Charts,
    /// Runs the scrapes that begin with a record.
    pub(super) runtime: runtime::Handle,
}

impl Sink {
    /// Scrapes a child from now on, at the address that it has reported (CON-6).
    ///
    /// A log that is only read may be of another computer, and addresses beyond this one are not asked.
    fn scrape(&self, service: &Service, report: &Report) {
        let Report::Ready {
            address, process, ..
        } = report
        else {
            return;
        };
        let Some(group) = service.group() else {
            return;
        };
        let address = address.as_ref().filter(|address| is_local(address));
        let _runtime = self.runtime.enter();
        // A process has an admin listener perhaps, which is found by its id where there is /proc.
        let process = process.filter(|process| listening::is_of_group(*process, group));
        let target = process.map(|process| process.to_string());
        if let Some(target) = target.as_ref().or(address) {
            let ready = address.map(String::as_str);
            // An address that is none leaves the charts without metrics, and they show that.
            let _ = self.charts.observe(service.name(), target, ready);
        }
    }
}

/// Whether an address is one of this computer, as a listener reports it.
fn is_local(address: &str) -> bool {
    let address: Option<SocketAddr> = address.parse().ok();
    address.is_some_and(|address| address.ip().is_loopback() || address.ip().is_unspecified())
}

/// Returns a pipe that holds as much as the system allows.
pub(super) fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    // A limit of the user can forbid it, and then the size stays.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE);
    Ok((reader, writer))
}

/// Starts the thread of a stream. `end` is dropped when the stream has ended.
pub(super) fn start(
    source: impl Read + Send + 'static,
    stream: Stream,
    service: &Arc<Service>,
    sink: Sink,
    end: Sender<()>,
) -> io::Result<()> {
    let service = Arc::clone(service);
    let work = move || {
        read(source, stream, &service, &sink);
        drop(end);
    };
    thread::Builder::new()
        .name("lines".to_owned())
        .spawn(work)?;
    Ok(())
}

/// Reads a stream to its end.
fn read(mut source: impl Read, stream: Stream, service: &Service, sink: &Sink) {
    let reports = Reports::new();
    let mut buffer = vec![0; BUFFER];
    let mut lines = Lines::default();
    let mut block = Vec::new();
    loop {
        let count = match source.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // An error of a pipe is its end.
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let received = SystemTime::now();
        block.clear();
        lines.feed(&buffer[..count], |line| {
            take(line, received, stream, service, sink, &reports);
            block.extend_from_slice(line);
            block.push(b'\n');
        });
        if !block.is_empty() {
            service.keep_last(&block);
            sink.echo.offer(service.label(), stream, &block);
        }
    }
    lines.finish(|line| {
        take(line, SystemTime::now(), stream, service, sink, &reports);
        service.keep_last(line);
        sink.echo.offer(service.label(), stream, line);
    });
}

/// Adds a line to the store, and to the state of its service.
fn take(
    line: &[u8],
    received: SystemTime,
    stream: Stream,
    service: &Service,
    sink: &Sink,
    reports: &Reports,
) {
    sink.store.push(service.id(), stream, received, line);
    if let Some(report) = reports.read(line) {
        sink.scrape(service, &report);
        service.report(report);
    }
}

/// Returns the lines of a block, without line feeds.
pub(super) fn lines(block: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let block = block.strip_suffix(b"\n").unwrap_or(block);
    block.split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules of the console: CON-6.
    #[test]
    fn addresses_of_other_computers_are_not_local() {
        for address in ["127.0.0.1:80", "0.0.0.0:80", "[::]:80", "[::1]:80"] {
            assert!(is_local(address), "{address}");
        }
        for address in [
            "169.254.169.254:80",
            "localhost:80",
            "a.example:80",
            "http://127.0.0.1",
            "",
        ] {
            assert!(!is_local(address), "{address}");
        }
    }

    #[test]
    fn blocks_have_lines() {
        let found = |block: &[u8]| lines(block).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(
            found(b"a\n\nb\n"),
            [b"a".to_vec(), b"".to_vec(), b"b".to_vec()]
        );
        assert_eq!(found(b"a"), [b"a".to_vec()]);
        assert_eq!(found(b"\n"), [b"".to_vec()]);
    }
}
