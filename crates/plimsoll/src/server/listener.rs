//! The listening socket: bound early, and listening when the service is ready.
//!
//! An activated socket listens before and after the process.

use std::{
    fs::File,
    future::poll_fn,
    io,
    net::{Shutdown, SocketAddr},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use super::socket::{Socket as Accepted, StdSocket};
use crate::{config::ListenAddr, metrics::AcceptError};

/// The number of connections that may wait to be accepted. The kernel caps it at `somaxconn`.
const BACKLOG: i32 = 2048;

/// How long sent data may stay unacknowledged before the kernel closes the connection. A reachable
/// peer that does not read is closed by `WRITE_TIMEOUT` instead.
#[cfg(target_os = "linux")]
const DEAD_PEER: Duration = Duration::from_secs(30);

/// The interval of keepalive probes to an idle peer.
#[cfg(target_os = "linux")]
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The limit of unsent bytes of a response in the kernel (`TCP_NOTSENT_LOWAT`).
///
/// Without a limit, the kernel buffers megabytes for a client that reads nothing, from memory that
/// all connections of the machine share (`tcp_mem`). Ten thousand slow readers take 1.6 GB of it;
/// with 128 KiB they take more than a machine of 24 GB has. Over loopback, a response of 32 MiB is
/// sent with 3.1 GB/s, and with 1.9 GB/s at 32 KiB and at 128 KiB.
#[cfg(target_os = "linux")]
const MAX_UNSENT: u32 = 64 * 1024;

/// An address cannot be bound, or the socket cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}")]
pub(crate) struct BindError {
    addr: String,
    #[source]
    source: io::Error,
}

/// A bound socket. Unless it is activated, it does not listen yet, and connections are refused.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: Socket,
    addr: ListenAddr,
    /// The file of a unix socket that this process has created.
    file: Option<Arc<SocketFile>>,
    is_activated: bool,
}

/// A listener that is registered with a runtime.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Option<Arc<SocketFile>>),
}

/// The file of a unix socket, and its lock. The drop removes the file.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: Option<(u64, u64)>,
    /// The open lock file, which holds the lock.
    _lock: File,
}

impl SocketFile {
    /// Returns the device and the inode of a path.
    fn identity(path: &Path) -> Option<(u64, u64)> {
        std::fs::symlink_metadata(path)
            .ok()
            .map(|file| (file.dev(), file.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The file is not removed if the path no longer refers to this socket.
        if self.identity.is_some() && Self::identity(&self.path) == self.identity {
            // If it has been removed meanwhile, there is nothing to do.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Bound {
    /// Binds a socket to an address.
    pub(crate) fn bind(addr: &ListenAddr) -> Result<Self, BindError> {
        let bound = match addr {
            ListenAddr::Tcp(addr) => bind_tcp(*addr).map(|socket| (socket, None)),
            ListenAddr::Unix(path) => {
                bind_unix(path).map(|(socket, file)| (socket, Some(Arc::new(file))))
            }
        };
        let (socket, file) = bound.map_err(|source| error(addr, source))?;
        Ok(Self {
            socket,
            addr: addr.clone(),
            file,
            is_activated: false,
        })
    }

    /// Adopts a listening socket of the service manager. Its file and its queue outlive this process.
    pub(super) fn adopt(socket: Socket) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let addr = match local.as_socket() {
            Some(addr) => {
                tune_tcp(&socket)?;
                ListenAddr::Tcp(addr)
            }
            None => ListenAddr::Unix(local.as_pathname().map_or_else(
                || match local.as_abstract_namespace() {
                    Some(name) => format!("@{}", String::from_utf8_lossy(name)).into(),
                    None => PathBuf::new(),
                },
                Path::to_owned,
            )),
        };
        Ok(Self {
            socket,
            addr,
            file: None,
            is_activated: true,
        })
    }

    /// Returns the bound TCP address, with the real port if the kernel chose it.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// Returns the bound address as text, TCP or unix.
    pub(crate) fn display_addr(&self) -> String {
        self.local_addr()
            .map_or_else(|| self.addr.to_string(), |addr| addr.to_string())
    }

    /// Makes the socket listen. Returns one handle for each accept loop.
    pub(super) fn listen(self, loops: usize) -> Result<Vec<Listening>, BindError> {
        let Self {
            socket,
            addr,
            file,
            is_activated,
        } = self;
        let listening = || -> io::Result<Vec<Listening>> {
            // With `SO_REUSEADDR`, two processes may bind an address. The second `listen` fails.
            if !is_activated {
                socket.listen(BACKLOG)?;
            }
            socket.set_nonblocking(true)?;
            let handle = |_| {
                Ok(Listening {
                    socket: socket.try_clone()?,
                    addr: addr.clone(),
                    file: file.clone(),
                    is_activated,
                })
            };
            (0..loops).map(handle).collect()
        };
        listening().map_err(|source| error(&addr, source))
    }
}

/// A handle to a listening socket, for one accept loop.
#[derive(Debug)]
pub(super) struct Listening {
    socket: Socket,
    addr: ListenAddr,
    file: Option<Arc<SocketFile>>,
    is_activated: bool,
}

impl Listening {
    /// Returns true if the connections in the queue are left to the next process at the end.
    pub(super) fn is_activated(&self) -> bool {
        self.is_activated
    }

    /// Registers the socket with the current runtime.
    pub(super) fn into_listener(self) -> Result<Listener, BindError> {
        let Self {
            socket, addr, file, ..
        } = self;
        let listener = || -> io::Result<Listener> {
            Ok(if socket.local_addr()?.is_unix() {
                Listener::Unix(UnixListener::from_std(socket.into())?, file)
            } else {
                Listener::Tcp(TcpListener::from_std(socket.into())?)
            })
        };
        listener().map_err(|source| error(&addr, source))
    }
}

impl Listener {
    /// Accepts one connection, with the address of its peer over TCP.
    pub(super) async fn accept(&self) -> io::Result<(Accepted, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Accepted::Left(stream), Some(peer)))
            }
            Self::Unix(listener, _) => {
                // Not `UnixListener::accept`: after another worker has shut the socket down, it stays
                // readable without a connection, and that future never yields. `poll_fn` does.
                let (stream, _) = poll_fn(|cx| listener.poll_accept(cx)).await?;
                Ok((Accepted::Right(stream), None))
            }
        }
    }

    /// Accepts all connections in the queue, and shuts the socket down.
    pub(super) fn drain_queue(self, mut each: impl FnMut(Accepted, Option<SocketAddr>)) {
        // Without the runtime, whose readiness may be older than the queue.
        match self {
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else {
                    return;
                };
                accept_queued(
                    || listener.accept(),
                    |(stream, peer)| {
                        if let Ok(stream) = StdSocket::Tcp(stream).into_tokio() {
                            each(stream, Some(peer));
                        }
                    },
                );
                // Shuts all handles of the socket down, because one may be that of a stalled worker.
                // An error means that another worker has done it.
                let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
            }
            Self::Unix(listener, _file) => {
                let Ok(listener) = listener.into_std() else {
                    return;
                };
                accept_queued(
                    || listener.accept(),
                    |(stream, _)| {
                        if let Ok(stream) = StdSocket::Unix(stream).into_tokio() {
                            each(stream, None);
                        }
                    },
                );
                // As for TCP.
                let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
            }
        }
    }
}

/// Accepts queued connections, at most as many as a queue holds, because new ones may keep arriving.
fn accept_queued<T>(accept: impl Fn() -> io::Result<T>, mut each: impl FnMut(T)) {
    for _ in 0..BACKLOG {
        match accept() {
            Ok(accepted) => each(accepted),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if AcceptError::of(&error) == AcceptError::Connection => {}
            Err(_) => return,
        }
    }
}

fn error(addr: &ListenAddr, source: io::Error) -> BindError {
    BindError {
        addr: addr.to_string(),
        source,
    }
}

fn bind_tcp(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // Connections of a previous process in TIME_WAIT do not prevent the bind.
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        // `::` accepts IPv4 as well, independent of the system's default.
        socket.set_only_v6(false)?;
    }
    tune_tcp(&socket)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Sets the options that accepted connections inherit.
fn tune_tcp(socket: &Socket) -> io::Result<()> {
    // hyper writes a response in one call, so waiting for more data would only delay it.
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(DEAD_PEER))?;
        // Detects an idle client whose network has failed before the end of `IDLE_TIMEOUT`.
        let keepalive = TcpKeepalive::new()
            .with_time(DEAD_PEER)
            .with_interval(KEEPALIVE_INTERVAL);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_notsent_lowat(MAX_UNSENT)?;
    }
    Ok(())
}

fn bind_unix(path: &Path) -> io::Result<(Socket, SocketFile)> {
    // Only the lock distinguishes a socket that does not listen yet from one of a dead process. The
    // lock file is never removed, because another process may have opened it to wait for the lock.
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock_path)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        let error = io::Error::from(error);
        match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::AddrInUse.into(),
            _ => error,
        }
    })?;
    let addr = SockAddr::unix(path)?;
    let new = || Socket::new(Domain::UNIX, Type::STREAM, None);
    // A killed process leaves its file. Only a socket without a listener is removed. Any other
    // file at this path is a configuration error, which `bind` reports; connections to it are refused
    // as well, so its type is checked.
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refuses = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && new()?.connect(&addr).is_err_and(refuses) {
        std::fs::remove_file(path)?;
    }
    let socket = new()?;
    socket.bind(&addr)?;
    let identity = SocketFile::identity(path);
    Ok((
        socket,
        SocketFile {
            path: path.to_owned(),
            identity,
            _lock: lock,
        },
    ))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener as StdListener, TcpStream};

    use super::*;

    fn loopback(port: u16) -> ListenAddr {
        ListenAddr::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[tokio::test]
    async fn bound_address_refuses_connections_until_listen() {
        let bound = Bound::bind(&loopback(0)).unwrap();
        let addr = bound.local_addr().unwrap();
        assert_ne!(addr.port(), 0);
        assert!(TcpStream::connect(addr).is_err());
        let _listener = bound.listen(1).unwrap();
        assert!(TcpStream::connect(addr).is_ok());
    }

    #[tokio::test]
    async fn error_names_address_in_use() {
        let other = StdListener::bind("127.0.0.1:0").unwrap();
        let addr = loopback(other.local_addr().unwrap().port());
        let error = Bound::bind(&addr)
            .and_then(|bound| bound.listen(1))
            .unwrap_err();
        let text = crate::error::chain(&error);
        assert!(
            text.contains(&addr.to_string()) && text.contains("in use"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn unix_socket_file_is_removed_with_its_listener() {
        let path = std::env::temp_dir().join(format!("plimsoll-{}.sock", std::process::id()));
        let addr = ListenAddr::Unix(path.clone());
        // The file of a killed process.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Bound::bind(&addr).unwrap().listen(1).unwrap();
        assert!(
            Bound::bind(&addr).is_err(),
            "a socket in use is not removed"
        );
        assert!(path.exists());
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "no socket").unwrap();
        assert!(
            Bound::bind(&addr).is_err(),
            "a file that is not a socket is not removed"
        );
        std::fs::remove_file(&path).unwrap();
        drop(Bound::bind(&addr).unwrap());
        assert!(!path.exists(), "a failed start leaves no file");
        let bound = Bound::bind(&addr).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another file").unwrap();
        drop(bound);
        assert!(path.exists(), "another file at the path is not removed");
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(path.with_extension("sock.lock")).unwrap();
    }
}
