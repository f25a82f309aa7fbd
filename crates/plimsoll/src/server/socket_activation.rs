//! Sockets that the service manager has opened and hands over (sd_listen_fds(3)).
//!
//! Such a socket belongs to the manager and is there before the service and after it: it is listened
//! on already, whoever connects waits in its queue until the service is ready, and at the end the
//! queue is left to the next process. Nobody is refused while one process follows another.
//!
//! What is handed over is looked at closely, for a socket of another kind would be found out only
//! when nobody can connect.
//!
//! # Invariants
//!
//! * Descriptors are taken once in the life of a process, by [`take`], before it opens any.
//! * A descriptor that is not used is not closed either: whose it is cannot be known.

use std::{
    io,
    os::fd::{IntoRawFd as _, OwnedFd},
};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use socket2::{Domain, SockAddr, SockRef, Type};

use super::Bound;

/// The first descriptor that is handed over; the others follow it.
const FIRST: usize = 3;

/// The name of a socket that is not for the main listener.
const ADMIN: &str = "admin";

/// What was handed over: at most one socket for each listener.
#[derive(Debug, Default)]
pub(crate) struct ActivatedListener {
    pub(crate) main: Option<Bound>,
}

/// A descriptor that was handed over.
struct ActivatedSocket {
    number: usize,
    name: String,
    fd: OwnedFd,
}

/// Takes the sockets that have these names in `LISTEN_FDNAMES`, or none.
///
/// # Errors
///
/// What each of them is, for a person, if they are not what a service can use.
pub(crate) fn take(names: &[String]) -> Result<ActivatedListener, String> {
    if names.is_empty() {
        return Ok(ActivatedListener::default());
    }
    let passed: Vec<_> = sd_listen_fds::get()
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
    if passed.len() != names.len() {
        // The variables were given to the service as a value, and are not those of the process.
        let count = passed.len();
        leave(passed);
        return Err(format!("{count} were handed over to this process"));
    }
    assign(passed)
}

/// Gives each listener its socket.
fn assign(mut passed: Vec<ActivatedSocket>) -> Result<ActivatedListener, String> {
    let is_usable =
        |one: &ActivatedSocket| one.name != ADMIN && FdKind::at(&one.fd).is_listening_stream();
    if passed.len() == 1
        && let Some(one) = passed.pop_if(|one| is_usable(one))
    {
        let main = adopt(one.fd).map_err(|error| format!("fd {}: {error}", one.number))?;
        return Ok(ActivatedListener { main: Some(main) });
    }
    let what: Vec<_> = passed.iter().map(describe).collect();
    leave(passed);
    Err(what.join("; "))
}

fn adopt(fd: OwnedFd) -> io::Result<Bound> {
    // What the service starts itself must not hold the socket.
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Bound::adopt(fd.into())
}

fn leave(passed: Vec<ActivatedSocket>) {
    for one in passed {
        let _: i32 = one.fd.into_raw_fd();
    }
}

fn describe(one: &ActivatedSocket) -> String {
    let ActivatedSocket { number, name, fd } = one;
    let called = if name.is_empty() {
        String::new()
    } else {
        format!(" ({name:?})")
    };
    let found = FdKind::at(fd).describe();
    let reserved = if name == ADMIN {
        ", and this name is for the admin listener, which opens its own"
    } else {
        ""
    };
    format!("fd {number}{called} is {found}{reserved}")
}

/// What a descriptor is.
enum FdKind {
    Closed,
    NoSocket,
    Socket {
        domain: Domain,
        kind: Type,
        is_listened_on: bool,
        is_connected: bool,
        addr: SockAddr,
    },
}

impl FdKind {
    fn at(fd: &OwnedFd) -> Self {
        if fcntl_getfd(fd).is_err() {
            return Self::Closed;
        }
        let socket = SockRef::from(fd);
        let (Ok(kind), Ok(addr)) = (socket.r#type(), socket.local_addr()) else {
            return Self::NoSocket;
        };
        Self::Socket {
            domain: addr.domain(),
            kind,
            is_listened_on: is_listened_on(&socket),
            is_connected: socket.peer_addr().is_ok(),
            addr,
        }
    }

    fn is_listening_stream(&self) -> bool {
        matches!(
            self,
            Self::Socket {
                domain: Domain::IPV4 | Domain::IPV6 | Domain::UNIX,
                kind: Type::STREAM,
                is_listened_on: true,
                ..
            }
        )
    }

    fn describe(&self) -> String {
        let (domain, kind, listened, connected, addr) = match self {
            Self::Closed => return "not open".to_owned(),
            Self::NoSocket => return "no socket".to_owned(),
            Self::Socket {
                domain,
                kind,
                is_listened_on,
                is_connected,
                addr,
            } => (*domain, *kind, *is_listened_on, *is_connected, addr),
        };
        let what = match (domain, kind) {
            (Domain::IPV4 | Domain::IPV6, Type::STREAM) => "a TCP socket",
            (Domain::IPV4 | Domain::IPV6, Type::DGRAM) => "a UDP socket",
            (Domain::UNIX, Type::STREAM) => "a unix stream socket",
            (Domain::UNIX, Type::DGRAM) => "a unix datagram socket",
            (Domain::UNIX, Type::SEQPACKET) => "a unix sequential-packet socket",
            _ => "a socket of another kind",
        };
        let at = addr
            .as_socket()
            .map(|addr| format!(" at {addr}"))
            .or_else(|| Some(format!(" at {}", addr.as_pathname()?.display())))
            .unwrap_or_default();
        let state = match (connected, listened) {
            (true, _) => ", connected already",
            (false, true) => ", listened on",
            (false, false) => ", not listened on",
        };
        format!("{what}{at}{state}")
    }
}

#[cfg(target_os = "linux")]
fn is_listened_on(socket: &SockRef<'_>) -> bool {
    socket.is_listener().unwrap_or(false)
}

/// No other system hands sockets over like this.
#[cfg(not(target_os = "linux"))]
fn is_listened_on(_: &SockRef<'_>) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        net::{TcpListener, TcpStream, UdpSocket},
        os::unix::net::{UnixDatagram, UnixListener},
    };

    use super::*;

    /// Hands these over, as descriptors 3, 4 and so on.
    fn hand_over(sockets: Vec<(&str, OwnedFd)>) -> Result<ActivatedListener, String> {
        let passed = sockets.into_iter().zip(FIRST..);
        assign(
            passed
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
        let inherited = hand_over(vec![("web.socket", socket.into())]).unwrap();
        assert_eq!(inherited.main.unwrap().display_addr(), addr.to_string());
        let path = std::env::temp_dir().join(format!("plimsoll-adopt-{}", std::process::id()));
        let socket = UnixListener::bind(&path).unwrap();
        let inherited = hand_over(vec![("", socket.into())]).unwrap();
        let main = inherited.main.unwrap();
        assert_eq!(main.display_addr(), format!("unix:{}", path.display()));
        drop(main);
        assert!(path.exists(), "the file is the manager's");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn anything_else_is_named_with_what_it_is() {
        #[track_caller]
        fn check(sockets: Vec<(&str, OwnedFd)>, expect: &str) {
            let told = hand_over(sockets).unwrap_err();
            // The ports are the system's choice.
            let told: Vec<_> = told
                .split_inclusive("127.0.0.1")
                .map(|part| match part.strip_prefix(':') {
                    Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
                    None => part,
                })
                .collect();
            assert_eq!(told.concat(), expect);
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
