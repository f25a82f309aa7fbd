//! Notifications to the service manager: readiness, watchdog pings and the shutdown (sd_notify(3)).
//!
//! | message | sent |
//! |---|---|
//! | `READY=1` | when connections are accepted |
//! | `WATCHDOG=1` | after `READY=1`, twice in `WATCHDOG_USEC`, while a worker has heartbeats |
//! | `STOPPING=1` | when the shutdown begins |
//!
//! # Watchdog pings
//!
//! If the pings stop, the manager kills the process with all its requests in flight. One stalled
//! worker does not stop them: the other workers still serve, and `worker_stuck` is logged. The pings
//! stop under the condition that makes `/health` answer 503: no worker has had a heartbeat for as long
//! as a handler may block it. Set-up is not watched: it may block its worker, and the manager has a
//! start timeout of its own.
//!
//! # Invariants
//!
//! * If the manager is missing or does not read, the only effect is one log record.
//! * Only `READY=1` waits for space in the manager's queue, for a second at most. Without it the start
//!   would time out.

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

/// How long `READY=1` may wait for space in the manager's queue.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The shortest time between two pings. No practical `WATCHDOG_USEC` is below twice this time.
const MIN_PING_INTERVAL: Duration = Duration::from_millis(10);

/// The notification socket of the service manager, if there is one.
#[derive(Debug)]
pub(crate) struct SdNotify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    log: Log,
    is_ready: AtomicBool,
    has_logged_error: AtomicBool,
}

impl SdNotify {
    /// Opens the socket of the manager. `socket` is the value of `NOTIFY_SOCKET`.
    ///
    /// If that fails, the error is logged and nothing is sent.
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
            has_logged_error: AtomicBool::new(false),
        };
        if let Some(error) = problem {
            notify.log_send_error(&error);
        }
        Arc::new(notify)
    }

    /// Reports that connections are accepted.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
        self.set_nonblocking();
        self.is_ready.store(true, Ordering::Release);
    }

    /// Reports that the shutdown begins.
    pub(crate) fn stopping(&self) {
        self.set_nonblocking();
        self.send("STOPPING=1");
    }

    /// Makes further sends fail instead of waiting: the shutdown and the watchdog must not block.
    fn set_nonblocking(&self) {
        if let Some((socket, _)) = &self.manager {
            // This does not fail for a socket. If it did, a send would still time out.
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

    /// Logs the first error that the manager's socket returns.
    fn log_send_error(&self, error: &io::Error) {
        if !self.has_logged_error.swap(true, Ordering::Relaxed) {
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

/// Sends the watchdog pings that the manager expects.
#[derive(Debug)]
pub(crate) struct WatchdogNotifier {
    notify: Arc<SdNotify>,
    interval: Duration,
    stall_limit: Duration,
    due: Instant,
}

impl WatchdogNotifier {
    /// Pings twice in each `timeout` of the manager, unless all workers have stalled for `stall_limit`.
    pub(crate) fn new(notify: Arc<SdNotify>, timeout: Duration, stall_limit: Duration) -> Self {
        Self {
            notify,
            interval: (timeout / 2).max(MIN_PING_INTERVAL),
            stall_limit,
            due: Instant::now(),
        }
    }

    /// Sends a ping if one is due and a worker runs. Returns the time until the next one is due.
    pub(super) fn ping_if_due(&mut self, heartbeats: &Heartbeats) -> Duration {
        let now = Instant::now();
        if now >= self.due {
            self.due = now + self.interval;
            let is_watched = self.notify.is_ready.load(Ordering::Acquire);
            if is_watched && !heartbeats.all_stalled(self.stall_limit) {
                self.notify.send("WATCHDOG=1");
            }
        }
        self.due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests;
