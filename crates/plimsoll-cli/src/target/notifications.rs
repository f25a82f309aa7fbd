//! The socket of a service manager, to which a service sends its state (sd_notify(3)).

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, UnixDatagram},
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

/// The largest notification that is read.
const MAX_SIZE: usize = 4096;

/// The time for a connection to a service that is ready.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A notification, such as `READY=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) text: String,
    /// Whether the service refused a connection when the notification arrived.
    pub(crate) refuses: bool,
    /// The time since the first start, after that connection.
    pub(crate) at: Duration,
}

/// The notifications so far. They are read until this value is dropped.
#[derive(Debug)]
pub(crate) struct Notifications {
    all: watch::Receiver<Vec<Notification>>,
    task: JoinHandle<()>,
}

impl Notifications {
    /// Creates the socket. The service listens on the address.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub(super) fn bind(
        path: &str,
        address: Option<SocketAddr>,
        epoch: Instant,
    ) -> io::Result<Self> {
        let socket = UnixDatagram::bind(path)?;
        let (sender, all) = watch::channel(Vec::new());
        let task = tokio::spawn(read(socket, address, epoch, sender));
        Ok(Self { all, task })
    }

    /// Returns all notifications so far.
    pub(super) fn all(&self) -> Vec<Notification> {
        self.all.borrow().clone()
    }

    /// Waits until there is a notification.
    pub(super) async fn first(&self) {
        let mut all = self.all.clone();
        // The sender lives as long as the socket can be read.
        let _ = all.wait_for(|all| !all.is_empty()).await;
    }
}

impl Notification {
    /// Whether a line of the notification is this one.
    pub(crate) fn has(&self, line: &str) -> bool {
        self.text.lines().any(|other| other == line)
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(
    socket: UnixDatagram,
    address: Option<SocketAddr>,
    epoch: Instant,
    all: watch::Sender<Vec<Notification>>,
) {
    let mut bytes = [0; MAX_SIZE];
    while let Ok(length) = socket.recv(&mut bytes).await {
        let refuses = match address {
            Some(address) => is_refused(address).await,
            None => false,
        };
        let notification = Notification {
            text: String::from_utf8_lossy(&bytes[..length]).into_owned(),
            refuses,
            at: epoch.elapsed(),
        };
        all.send_modify(|all| all.push(notification));
    }
}

async fn is_refused(address: SocketAddr) -> bool {
    let connection = timeout(CONNECT_LIMIT, TcpStream::connect(address)).await;
    // A connection that takes longer is not refused.
    let error = connection.ok().and_then(Result::err);
    error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Folder;

    #[tokio::test]
    async fn first_notification_ends_the_wait() {
        let folder = Folder::create().unwrap();
        let path = format!("{}/notify", folder.path());
        let notifications = Notifications::bind(&path, None, Instant::now()).unwrap();
        let short = Duration::from_millis(1);
        assert!(timeout(short, notifications.first()).await.is_err());
        let service = UnixDatagram::unbound().unwrap();
        service.send_to(b"A=1\nREADY=1", &path).await.unwrap();
        let long = Duration::from_secs(10);
        assert!(timeout(long, notifications.first()).await.is_ok());
        let all = notifications.all();
        assert!(all.len() == 1 && all[0].has("READY=1"));
    }
}
