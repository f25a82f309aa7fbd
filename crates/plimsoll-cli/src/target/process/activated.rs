//! A run of the command beside the service that gets a socket, as from a service manager
//! (sd_listen_fds(3)).
//!
//! The socket must be descriptor 3, and `LISTEN_PID` the id of the process, which exists after the fork
//! only. A shell does both, and is then replaced by the command.
//! The port of the run stays reserved, so a connection to it is refused unless the service listens there.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use rustix::process::Signal;
use tokio::{
    process::Command,
    time::{Instant, timeout_at},
};

use super::{BesideError, Ended, Output, Process, Start};
use crate::{target::ReservedPort, wire::Exchange};

/// Makes standard input descriptor 3, and runs the words after the script.
const SCRIPT: &str = r#"exec 3<&0 </dev/null; export LISTEN_PID=$$; exec "$@""#;

/// The time for a request over the socket after the service has answered on its port.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// A process with a socket of its service manager.
#[derive(Debug)]
pub(crate) struct Activated {
    process: Process,
    port: ReservedPort,
    /// The time of this start on the clock of the service.
    offset: Duration,
}

/// Returns the command that runs a program with standard input as descriptor 3.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh", program]);
    command
}

impl Process {
    /// Starts the command with a socket, and returns at once.
    ///
    /// # Errors
    ///
    /// [`BesideError`] if there is no shell, no free port, or no free descriptor.
    pub(crate) fn start_activated(
        &self,
        socket: impl Into<OwnedFd>,
        variables: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Activated, BesideError> {
        let port = ReservedPort::free()?;
        let socket = Some(Arc::new(socket.into()));
        let process = self.beside(&[], variables, Some(port.number()), socket, limit)?;
        let offset = process.epoch.duration_since(self.epoch);
        Ok(Activated {
            process,
            port,
            offset,
        })
    }
}

impl Activated {
    /// Waits until a request over the socket has an outcome, or the service answers on its port or ends.
    ///
    /// After an answer on the port the request has a second, because the service may serve both.
    pub(crate) async fn wait_for(
        &mut self,
        request: impl Future<Output = Exchange>,
    ) -> (Start, Option<Exchange>) {
        let began = self.process.started;
        tokio::pin!(request);
        tokio::select! {
            exchange = &mut request => (Start::Ready(began.elapsed()), Some(exchange)),
            start = self.process.wait_for_start() => {
                if !matches!(start, Start::Ready(_)) {
                    return (start, None);
                }
                let exchange = timeout_at(Instant::now() + AFTERWARDS, request).await;
                (start, exchange.ok())
            }
        }
    }

    /// Sends SIGTERM, and waits for the end of the process. Its time is that of the service's clock.
    pub(crate) async fn terminate(&mut self, limit: Duration) -> Option<Ended> {
        self.process.signal(Signal::TERM);
        let end = self.process.wait_for_end(limit).await?;
        Some(Ended {
            at: end.at + self.offset,
            ..end
        })
    }

    /// Returns the port in the variable `PORT` of the process.
    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// Returns the lines that the process has written.
    pub(crate) fn output(&self) -> &Output {
        self.process.output()
    }
}
