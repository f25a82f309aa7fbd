//! The log of the page's own service: its lines go to the store.

use std::{io, sync::Arc, time::SystemTime};

use memchr::memmem;
use tokio::sync::oneshot;

use crate::{
    children::name,
    ingest::lines::Lines,
    store::{ServiceId, Store, Stream},
};

/// The record of a service that accepts connections.
const READY: &[u8] = b"\"infra_app_ready\"";

/// A writer of lines into the store.
#[derive(Debug)]
pub(super) struct Log {
    store: Arc<Store>,
    service: ServiceId,
    lines: Lines,
    /// Completed with the record that the service accepts connections.
    ready: Option<oneshot::Sender<()>>,
}

impl Log {
    pub(super) fn new(store: Arc<Store>, ready: oneshot::Sender<()>) -> Self {
        Self {
            service: store.service(name::CONSOLE),
            store,
            lines: Lines::default(),
            ready: Some(ready),
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = SystemTime::now();
        let Self {
            store,
            service,
            lines,
            ready,
        } = self;
        lines.feed(bytes, |line| {
            store.push(*service, Stream::Stdout, now, line);
            if ready.is_some() && memmem::find(line, READY).is_some() {
                // Nothing waits for it if the start has failed.
                let _ = ready.take().map(|ready| ready.send(()));
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn lines_are_whole_and_readiness_is_reported() {
        let store = Arc::new(Store::new(1 << 20));
        let (ready, mut is_ready) = oneshot::channel();
        let mut log = Log::new(Arc::clone(&store), ready);
        log.write_all(b"{\"message\":\"infra_").unwrap();
        assert_eq!((store.latest(), is_ready.try_recv().is_ok()), (0, false));
        log.write_all(b"app_ready\"}\n{}\n{").unwrap();
        assert_eq!((store.latest(), is_ready.try_recv().is_ok()), (2, true));
        log.write_all(b"}\n").unwrap();
        assert_eq!(store.latest(), 3);
    }
}
