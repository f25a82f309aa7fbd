//! Activated sockets: opened by the service manager and passed to the process (sd_listen_fds(3)).
//!
//! The service manager keeps such a socket open. It listens before the process starts, so clients wait
//! in its queue until the service is ready. At the end the queue is left to the next process. So no
//! connection is refused during a restart.
//!
//! Each descriptor is checked at the start, because a socket of another kind would otherwise fail only
//! when clients connect.
//!
//! # Invariants
//!
//! * Descriptors are taken once in the life of a process, by [`take`], before it opens any.
//! * A descriptor that is not used is not closed, because its owner is unknown.

use std::{
    io,
    os::fd::{IntoRawFd as _, OwnedFd},
};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use socket2::{SockRef, Type};

use super::Bound;

/// The first descriptor that is passed. The others follow it.
const FIRST: usize = 3;

/// The name that is reserved for the admin listener.
const ADMIN: &str = "admin";

/// The activated socket of the main listener, if there is one.
#[derive(Debug, Default)]
pub(crate) struct ActivatedListener {
    pub(crate) main: Option<Bound>,
}

/// A descriptor that was passed to the process.
struct ActivatedSocket {
    number: usize,
    name: String,
    fd: OwnedFd,
}

/// Takes all sockets that were passed to the process. `names` has one name for each, in their order.
///
/// # Errors
///
/// If they are anything else than one listening stream socket. The text describes each descriptor.
pub(crate) fn take(names: &[String]) -> Result<ActivatedListener, String> {
    if names.is_empty() {
        return Ok(ActivatedListener::default());
    }
    let sockets: Vec<_> = sd_listen_fds::get()
        .map_err(|error| error.to_string())?
        .into_iter()
        .zip(FIRST..)
        .zip(names)
        .map(|(((_, fd), number), name)| ActivatedSocket {
            number,
            name: name.clone(),
            fd: fd.into_std(),
        })
        .collect();
    if sockets.len() != names.len() {
        // The variables in the configuration are not those of the process.
        let count = sockets.len();
        leave_open(sockets);
        return Err(format!("{count} were passed to this process"));
    }
    assign(sockets)
}

/// Assigns the sockets to the listeners.
fn assign(mut sockets: Vec<ActivatedSocket>) -> Result<ActivatedListener, String> {
    let is_usable = |socket: &ActivatedSocket| socket.name != ADMIN && is_listening(&socket.fd);
    if sockets.len() == 1
        && let Some(socket) = sockets.pop_if(|socket| is_usable(socket))
    {
        let main = adopt(socket.fd).map_err(|error| format!("fd {}: {error}", socket.number))?;
        return Ok(ActivatedListener { main: Some(main) });
    }
    let descriptions: Vec<_> = sockets.iter().map(ActivatedSocket::describe).collect();
    leave_open(sockets);
    Err(descriptions.join("; "))
}

fn adopt(fd: OwnedFd) -> io::Result<Bound> {
    // Child processes must not inherit the socket.
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Bound::adopt(fd.into())
}

fn leave_open(sockets: Vec<ActivatedSocket>) {
    for socket in sockets {
        let _: i32 = socket.fd.into_raw_fd();
    }
}

/// Returns true for a listening stream socket, TCP or unix.
fn is_listening(fd: &OwnedFd) -> bool {
    let socket = SockRef::from(fd);
    socket.r#type().is_ok_and(|kind| kind == Type::STREAM)
        && socket
            .local_addr()
            .is_ok_and(|addr| addr.is_ipv4() || addr.is_ipv6() || addr.is_unix())
        && accepts_connections(&socket)
}

#[cfg(target_os = "linux")]
fn accepts_connections(socket: &SockRef<'_>) -> bool {
    socket.is_listener().unwrap_or(false)
}

/// No other system has socket activation of this kind.
#[cfg(not(target_os = "linux"))]
fn accepts_connections(_: &SockRef<'_>) -> bool {
    true
}

impl ActivatedSocket {
    /// Describes the descriptor for an error text.
    fn describe(&self) -> String {
        let Self { number, name, fd } = self;
        let name_part = match name.as_str() {
            "" => String::new(),
            name => format!(" ({name:?})"),
        };
        let reserved = if name == ADMIN {
            ", and this name is for the admin listener, which opens its own"
        } else {
            ""
        };
        format!("fd {number}{name_part} is {}{reserved}", describe(fd))
    }
}

/// Describes the type, the address and the state of a descriptor.
fn describe(fd: &OwnedFd) -> String {
    if fcntl_getfd(fd).is_err() {
        return "not open".to_owned();
    }
    let socket = SockRef::from(fd);
    let (Ok(kind), Ok(addr)) = (socket.r#type(), socket.local_addr()) else {
        return "no socket".to_owned();
    };
    let ip = addr.as_socket();
    let kind = match (kind, ip.is_some(), addr.is_unix()) {
        (Type::STREAM, true, _) => "a TCP socket",
        (Type::DGRAM, true, _) => "a UDP socket",
        (Type::STREAM, _, true) => "a unix stream socket",
        (Type::DGRAM, _, true) => "a unix datagram socket",
        (Type::SEQPACKET, _, true) => "a unix sequential-packet socket",
        _ => "a socket of another kind",
    };
    let path = addr.as_pathname().map(|path| path.display().to_string());
    let place = ip.map(|ip| ip.to_string()).or(path);
    let place = place.map_or_else(String::new, |place| format!(" at {place}"));
    let state = if socket.peer_addr().is_ok() {
        "connected already"
    } else if accepts_connections(&socket) {
        "listened on"
    } else {
        "not listened on"
    };
    format!("{kind}{place}, {state}")
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        net::{TcpListener, TcpStream, UdpSocket},
        os::unix::net::{UnixDatagram, UnixListener},
    };

    use super::*;

    /// Assigns these sockets, as descriptors 3, 4 and so on.
    fn assign_all(sockets: Vec<(&str, OwnedFd)>) -> Result<ActivatedListener, String> {
        let numbered = sockets.into_iter().zip(FIRST..);
        assign(
            numbered
                .map(|((name, fd), number)| ActivatedSocket {
                    number,
                    name: name.to_owned(),
                    fd,
                })
                .collect(),
        )
    }

    fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[test]
    fn one_listening_stream_socket_is_the_main_listener() {
        let socket = listener();
        let addr = socket.local_addr().unwrap();
        let activated = assign_all(vec![("web.socket", socket.into())]).unwrap();
        assert_eq!(activated.main.unwrap().display_addr(), addr.to_string());
        let path = std::env::temp_dir().join(format!("plimsoll-adopt-{}", std::process::id()));
        let socket = UnixListener::bind(&path).unwrap();
        let activated = assign_all(vec![("", socket.into())]).unwrap();
        let main = activated.main.unwrap();
        assert_eq!(main.display_addr(), format!("unix:{}", path.display()));
        drop(main);
        assert!(path.exists(), "the service manager owns the file");
        std::fs::remove_file(path).unwrap();
    }

    /// LIFE-8
    #[test]
    fn error_describes_each_unusable_socket() {
        #[track_caller]
        fn check(sockets: Vec<(&str, OwnedFd)>, expect: &str) {
            let error = assign_all(sockets).unwrap_err();
            // Without the ports, which the kernel chooses.
            let parts: Vec<_> = error
                .split_inclusive("127.0.0.1")
                .map(|part| match part.strip_prefix(':') {
                    Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
                    None => part,
                })
                .collect();
            assert_eq!(parts.concat(), expect);
        }
        let tcp = || OwnedFd::from(listener());
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        check(
            vec![("dns", udp.into())],
            r#"fd 3 ("dns") is a UDP socket at 127.0.0.1, not listened on"#,
        );
        let datagrams = UnixDatagram::unbound().unwrap();
        check(
            vec![("", datagrams.into())],
            "fd 3 is a unix datagram socket, not listened on",
        );
        let file = File::open("/dev/null").unwrap();
        check(vec![("", file.into())], "fd 3 is no socket");
        let accepting = listener();
        let accepted = TcpStream::connect(accepting.local_addr().unwrap()).unwrap();
        check(
            vec![("connection", accepted.into())],
            r#"fd 3 ("connection") is a TCP socket at 127.0.0.1, connected already"#,
        );
        check(
            vec![("a", tcp()), ("admin", tcp())],
            "fd 3 (\"a\") is a TCP socket at 127.0.0.1, listened on; \
             fd 4 (\"admin\") is a TCP socket at 127.0.0.1, listened on, \
             and this name is for the admin listener, which opens its own",
        );
        check(
            vec![("admin", tcp())],
            "fd 3 (\"admin\") is a TCP socket at 127.0.0.1, listened on, \
             and this name is for the admin listener, which opens its own",
        );
    }
}
