//! Addresses: bound early, listened on late. Those that the service manager hands over are listened on
//! already, and stay so.

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

/// How many connections may wait to be accepted; the kernel caps it at `somaxconn`.
const BACKLOG: i32 = 2048;

/// How long the system waits for a peer to acknowledge what was sent, before it takes it for dead. A
/// peer that lives and does not read is `WRITE_TIMEOUT`'s business.
#[cfg(target_os = "linux")]
const DEAD_PEER: Duration = Duration::from_secs(30);

/// The pause between two questions whether a silent peer is there.
#[cfg(target_os = "linux")]
const ASK_EVERY: Duration = Duration::from_secs(10);

/// How much of an answer, in bytes, the system takes before it can send it. Without a limit it takes
/// megabytes for a client that reads nothing, out of memory that all connections of the machine
/// share (`tcp_mem`): ten thousand slow readers take 1.6 GB of it, and with 128 KiB more than a
/// machine of 24 GB has. An answer of 32 MiB is sent as fast as it is with other sizes, or faster
/// (3.1 GB/s over loopback; 1.9 GB/s with 32 and with 128 KiB).
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 * 1024;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}")]
pub(crate) struct BindError {
    addr: String,
    #[source]
    source: io::Error,
}

/// An address that is taken, and refuses connections still, if it is the service's own.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: Socket,
    addr: ListenAddr,
    /// Of a unix socket of its own.
    file: Option<Arc<SocketFile>>,
    is_inherited: bool,
}

/// Something that connections can be accepted from.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Option<Arc<SocketFile>>),
}

/// The file of a unix socket: it is taken away with its owner, and nobody else may have it before.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: Option<(u64, u64)>,
    /// Holds the lock.
    _lock: File,
}

impl SocketFile {
    fn identity(path: &Path) -> Option<(u64, u64)> {
        std::fs::symlink_metadata(path)
            .ok()
            .map(|file| (file.dev(), file.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have put another file in its place, which is none of ours.
        if self.identity.is_some() && Self::identity(&self.path) == self.identity {
            // It may be gone already, which is what was wanted.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Bound {
    /// Takes the address.
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
            is_inherited: false,
        })
    }

    /// Takes a socket over that somebody else has opened and listens on. It goes on to be theirs:
    /// its file and its queue outlive this process.
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
            is_inherited: true,
        })
    }

    /// The address as it was bound: with the real port, if the system chose it.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// The same for a person.
    pub(crate) fn shown(&self) -> String {
        self.local_addr()
            .map_or_else(|| self.addr.to_string(), |addr| addr.to_string())
    }

    /// Lets connections queue from now on, for this many accept loops.
    pub(super) fn listen(self, loops: usize) -> Result<Vec<Listening>, BindError> {
        let Self {
            socket,
            addr,
            file,
            is_inherited,
        } = self;
        let listening = || -> io::Result<Vec<Listening>> {
            // Two processes may bind one address before either listens: then it clashes here.
            if !is_inherited {
                socket.listen(BACKLOG)?;
            }
            socket.set_nonblocking(true)?;
            let share = |_| {
                Ok(Listening {
                    socket: socket.try_clone()?,
                    addr: addr.clone(),
                    file: file.clone(),
                    is_inherited,
                })
            };
            (0..loops).map(share).collect()
        };
        listening().map_err(|source| error(&addr, source))
    }
}

/// A share of a socket that is listened on.
#[derive(Debug)]
pub(super) struct Listening {
    socket: Socket,
    addr: ListenAddr,
    file: Option<Arc<SocketFile>>,
    is_inherited: bool,
}

impl Listening {
    /// Whether whoever waits in the queue at the end is left to the next process.
    pub(super) fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// Accepts connections on the present runtime.
    pub(super) fn accept_here(self) -> Result<Listener, BindError> {
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
    pub(super) async fn accept(&self) -> io::Result<(Accepted, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Accepted::Left(stream), Some(peer)))
            }
            Self::Unix(listener, _) => {
                // Not `accept`: once another worker has shut the socket down, it stays readable and
                // has nobody to accept, over which that future never yields again. This one does.
                let (stream, _) = poll_fn(|cx| listener.poll_accept(cx)).await?;
                Ok((Accepted::Right(stream), None))
            }
        }
    }

    /// Takes whoever waits to be accepted at this moment, and closes.
    pub(super) fn empty(self, mut each: impl FnMut(Accepted, Option<SocketAddr>)) {
        // The runtime's own view may be older than the queue, so the system is asked.
        match self {
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else {
                    return;
                };
                waiting(
                    || listener.accept(),
                    |(stream, peer)| {
                        if let Ok(stream) = StdSocket::Tcp(stream).into_tokio() {
                            each(stream, Some(peer));
                        }
                    },
                );
                // For all shares of the socket: one of them may belong to a worker that is stuck.
                let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
            }
            Self::Unix(listener, _file) => {
                let Ok(listener) = listener.into_std() else {
                    return;
                };
                waiting(
                    || listener.accept(),
                    |(stream, _)| {
                        if let Ok(stream) = StdSocket::Unix(stream).into_tokio() {
                            each(stream, None);
                        }
                    },
                );
                let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
            }
        }
    }
}

/// Accepts what a queue can hold at most, for those who go on connecting would keep us here.
fn waiting<T>(accept: impl Fn() -> io::Result<T>, mut each: impl FnMut(T)) {
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
    // Connections of a process that has just ended do not keep the next one from starting.
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        // `::` takes IPv4 too, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    tune_tcp(&socket)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Sets what accepted connections inherit.
fn tune_tcp(socket: &Socket) -> io::Result<()> {
    // Answers are written in one piece: waiting for more would only delay them.
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(DEAD_PEER))?;
        // Asks those who are silent, with the same patience: a client whose network is gone would
        // otherwise be there until the end of `IDLE_TIMEOUT`.
        let keepalive = TcpKeepalive::new()
            .with_time(DEAD_PEER)
            .with_interval(ASK_EVERY);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_notsent_lowat(UNSENT)?;
    }
    Ok(())
}

fn bind_unix(path: &Path) -> io::Result<(Socket, SocketFile)> {
    // A socket that is bound and not listened on yet looks like one that was left behind: only the
    // lock tells them apart. Its file stays, since whoever waits for it has opened it already.
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
    // A process that was killed leaves its file behind. Only a socket that nobody listens on is
    // taken away: any other file at this place is a mistake that must be seen, and the system
    // refuses connections to it just the same.
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
    async fn a_bound_address_refuses_until_it_is_listened_on() {
        let bound = Bound::bind(&loopback(0)).unwrap();
        let addr = bound.local_addr().unwrap();
        assert_ne!(addr.port(), 0);
        assert!(TcpStream::connect(addr).is_err());
        let _listener = bound.listen(1).unwrap();
        assert!(TcpStream::connect(addr).is_ok());
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error_that_names_it() {
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
    async fn a_unix_socket_outlives_neither_its_listener_nor_a_dead_one() {
        let path = std::env::temp_dir().join(format!("plimsoll-{}.sock", std::process::id()));
        let addr = ListenAddr::Unix(path.clone());
        // A file that a killed process has left behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Bound::bind(&addr).unwrap().listen(1).unwrap();
        assert!(
            Bound::bind(&addr).is_err(),
            "a socket in use is not taken away"
        );
        assert!(path.exists());
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "no socket").unwrap();
        assert!(
            Bound::bind(&addr).is_err(),
            "a file that is no socket is not taken away"
        );
        std::fs::remove_file(&path).unwrap();
        drop(Bound::bind(&addr).unwrap());
        assert!(!path.exists(), "a start that fails leaves nothing behind");
        let bound = Bound::bind(&addr).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "somebody else's").unwrap();
        drop(bound);
        assert!(path.exists(), "another file in its place is left alone");
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(path.with_extension("sock.lock")).unwrap();
    }
}
