//! Where a child process listens, and how its port is kept for it.
//!
//! A port that was free a moment ago may be somebody else's by the time the child binds it. So the
//! port is reserved: the parent binds it with `SO_REUSEADDR`, never listens, and keeps it for the
//! life of the `Process`. Linux lets the child, which sets `SO_REUSEADDR` too, bind and listen on
//! it meanwhile, and gives it to nobody who asks for any free port. Until the child listens,
//! connecting is refused.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use socket2::{Domain, Socket, Type};

/// Where the service listens, as its environment says.
#[derive(Debug)]
pub(super) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A port that is bound but not listened on; see the header.
#[derive(Debug)]
pub(super) struct Reserved(Socket);

// === impl Target ===

impl Target {
    /// What a test connects to when the service was told these; a mistaken value is reached by
    /// nobody.
    pub(super) fn of(host: &str, port: &str) -> Self {
        if let Some(path) = host.strip_prefix("unix:") {
            return Self::Unix(path.into());
        }
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        // A socket on every IPv6 address takes IPv4 connections too, and the reserved port is an
        // IPv4 one.
        let ip = ip
            .filter(|ip| !ip.is_unspecified())
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self::Tcp(SocketAddr::new(ip, port.parse().unwrap_or(0)))
    }
}

// === impl Reserved ===

impl Reserved {
    /// Reserves a free port.
    #[track_caller]
    pub(super) fn port() -> Self {
        let bind = || -> std::io::Result<Socket> {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            Ok(socket)
        };
        match bind() {
            Ok(socket) => Self(socket),
            Err(error) => panic!("cannot reserve a port: {error}"),
        }
    }

    pub(super) fn number(&self) -> u16 {
        let addr = self.0.local_addr().ok().and_then(|addr| addr.as_socket());
        addr.expect("a bound socket has an address").port()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_reserved_port_is_given_to_nobody_else() {
        let reserved = Reserved::port();
        for _ in 0..200 {
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            assert_ne!(other.local_addr().unwrap().port(), reserved.number());
        }
    }

    #[test]
    fn targets_follow_host_and_port() {
        #[track_caller]
        fn check(host: &str, port: &str, expected: &str) {
            match Target::of(host, port) {
                Target::Tcp(addr) => assert_eq!(addr.to_string(), expected),
                Target::Unix(path) => assert_eq!(path.display().to_string(), expected),
            }
        }
        check("127.0.0.1", "80", "127.0.0.1:80");
        check("0.0.0.0", "80", "127.0.0.1:80");
        check("::", "80", "127.0.0.1:80");
        check("[::1]", "80", "[::1]:80");
        check("unix:/run/x", "80", "/run/x");
        check("127.0.0.1", "99999", "127.0.0.1:0");
    }
}
