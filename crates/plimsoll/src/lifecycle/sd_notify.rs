//! Tells the service manager how the process is: that it is ready, that it ends, that it lives
//! (sd_notify(3)).
//!
//! | message | when |
//! |---|---|
//! | `READY=1` | connections are accepted |
//! | `WATCHDOG=1` | from then on, twice in `WATCHDOG_USEC`, while a worker beats |
//! | `STOPPING=1` | the end begins |
//!
//! # When the process counts as alive
//!
//! A manager that hears nothing kills the process, with all the requests that still go well. One
//! worker that is stuck is not worth that: the others go on, and a record tells of it. Only when
//! `/health` would be 503 too, since no worker has shown a heartbeat for as long as a handler may
//! block one, is a restart the better end. Set-up is not watched: it may block its worker, and the
//! manager has a limit of its own for starts.
//!
//! # Invariants
//!
//! * A manager that is not there, or does not read, costs one record and nothing else. Only
//!   `READY=1`, without which it would give the start up, waits for a place in its queue, and not
//!   for long.

use std::{
    io,
    os::unix::net::{SocketAddr, UnixDatagram},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::Heartbeats;
use crate::{config::Level, telemetry::Log};

/// How long `READY=1` may wait for a place in the manager's queue.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The least time between two signs of life: half of an interval that no manager is set to.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// The way to the manager, if there is one.
#[derive(Debug)]
pub(crate) struct SdNotify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    log: Log,
    is_ready: AtomicBool,
    has_complained: AtomicBool,
}

impl SdNotify {
    /// Tells whoever listens at `socket`, which is the text of `NOTIFY_SOCKET`.
    pub(crate) fn new(socket: Option<&str>, log: Log) -> Arc<Self> {
        let opened = socket.map(open).transpose();
        let (manager, problem) = match opened {
            Ok(manager) => (manager, None),
            Err(error) => (None, Some(error)),
        };
        let notify = Self {
            manager,
            log,
            is_ready: AtomicBool::new(false),
            has_complained: AtomicBool::new(false),
        };
        if let Some(error) = problem {
            notify.log_send_error(&error);
        }
        Arc::new(notify)
    }

    /// Connections are accepted.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
        self.wait_no_more();
        self.is_ready.store(true, Ordering::Release);
    }

    /// The end begins.
    pub(crate) fn stopping(&self) {
        self.wait_no_more();
        self.send("STOPPING=1");
    }

    /// Neither the end nor the watchdog's thread has time to wait.
    fn wait_no_more(&self) {
        if let Some((socket, _)) = &self.manager {
            // It cannot fail for a socket; a send would then take as long as before.
            let _ = socket.set_nonblocking(true);
        }
    }

    fn send(&self, message: &str) {
        let Some((socket, addr)) = &self.manager else {
            return;
        };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), addr) {
            self.log_send_error(&error);
        }
    }

    /// Says once that the manager does not hear.
    fn log_send_error(&self, error: &io::Error) {
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            self.log.infra(Level::Warning, "notify_failed", |record| {
                record.str("error", &error.to_string());
            });
        }
    }
}

fn open(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let addr = address(name)?;
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok((socket, addr))
}

fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(name)
        }
        None if name.starts_with('/') => SocketAddr::from_pathname(name),
        _ => {
            let text = format!("NOTIFY_SOCKET={name:?} is no path and no abstract socket");
            Err(io::Error::new(io::ErrorKind::Unsupported, text))
        }
    }
}

/// The signs of life that the manager waits for.
#[derive(Debug)]
pub(crate) struct WatchdogNotifier {
    notify: Arc<SdNotify>,
    every: Duration,
    stall_limit: Duration,
    due: Instant,
}

impl WatchdogNotifier {
    /// For a manager that waits for as long as `patience`, of a process that counts as dead when all
    /// its workers have been silent for `stall_limit`.
    pub(crate) fn new(notify: Arc<SdNotify>, patience: Duration, stall_limit: Duration) -> Self {
        Self {
            notify,
            every: (patience / 2).max(LEAST_PAUSE),
            stall_limit,
            due: Instant::now(),
        }
    }

    /// Gives the next one if it is time and there is life, and says when to come again.
    pub(super) fn ping_if_due(&mut self, pulse: &Heartbeats) -> Duration {
        let now = Instant::now();
        if now >= self.due {
            self.due = now + self.every;
            let is_watched = self.notify.is_ready.load(Ordering::Acquire);
            if is_watched && !pulse.all_stalled(self.stall_limit) {
                self.notify.send("WATCHDOG=1");
            }
        }
        self.due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests;
