//! Runs of the command beside the service that get a socket of this process.

use std::{os::fd::OwnedFd, path::PathBuf, time::Duration};

use super::{
    Subject,
    beside::{NO_ADMIN, RUN_LIMIT},
};
use crate::{
    target::Activated,
    verify::{command::Variables, evidence::Signalled},
    wire::Exchange,
};

/// The variables of these runs. A shell adds `LISTEN_PID`.
const ONE_SOCKET: Variables = &[("LISTEN_FDS", "1")];

impl Subject<'_> {
    /// Starts the command with a socket. Waits until the request over it has an outcome, or the service
    /// answers on its port or ends.
    ///
    /// Returns `None` if the command cannot be run.
    pub(in crate::verify) async fn activate(
        &mut self,
        name: &'static str,
        socket: impl Into<OwnedFd>,
        request: impl Future<Output = Exchange>,
    ) -> Option<Activated> {
        let process = self.process.as_ref()?;
        let variables = [&NO_ADMIN, ONE_SOCKET].concat();
        let run = process.start_activated(socket, &variables, RUN_LIMIT);
        let mut run = run.ok()?;
        let (start, exchange) = run.wait_for(request).await;
        self.note_run(name, &[], ONE_SOCKET, start, run.output());
        self.add(exchange);
        Some(run)
    }

    /// Sends SIGTERM to such a run, and waits for its end.
    pub(in crate::verify) async fn terminate_run(
        &mut self,
        name: &'static str,
        run: &mut Activated,
        limit: Duration,
    ) {
        let at = self.wire.elapsed();
        let end = run.terminate(limit).await;
        self.evidence.signals.push(Signalled { name, at, end });
    }

    /// Returns a path in the folder of the start.
    pub(in crate::verify) fn path(&self, name: &str) -> Option<PathBuf> {
        let process = self.process.as_ref()?;
        Some(PathBuf::from(process.folder().path()).join(name))
    }
}
