//! Listen address of a child process, and the reservation of its port.
//!
//! A free port can be taken by another process before the child binds it.
//! So the parent binds the port with `SO_REUSEADDR`, never listens on it, and keeps it for the
//! life of the `Process`.
//! The child sets `SO_REUSEADDR` too, so Linux lets it bind and listen on the port.
//! Linux does not assign the port to a process that requests any free one.
//! Connections are refused until the child listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use socket2::{Domain, Socket, Type};

/// Listen address of a service, as its environment gives it.
#[derive(Debug)]
pub(super) enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A port that is reserved for a service, as long as the value lives.
///
/// The port is bound but not listened on. The service sets `SO_REUSEADDR`, so it can still listen on it.
#[derive(Debug)]
pub struct ReservedPort(Socket);

// === impl ListenAddress ===

impl ListenAddress {
    /// Returns the address to connect to for these values of `HOST` and `PORT`.
    ///
    /// An invalid port becomes port 0, to which no connection is possible.
    pub(super) fn from_settings(host: &str, port: &str) -> Self {
        if let Some(path) = host.strip_prefix("unix:") {
            return Self::Unix(path.into());
        }
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        // A listener on every IPv6 address accepts IPv4 connections too, and the reserved port is
        // an IPv4 one.
        let ip = ip
            .filter(|ip| !ip.is_unspecified())
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self::Tcp(SocketAddr::new(ip, port.parse().unwrap_or(0)))
    }
}

// === impl ReservedPort ===

impl ReservedPort {
    /// Reserves a free port of the loopback address.
    ///
    /// # Panics
    ///
    /// If no port is free.
    #[must_use]
    #[track_caller]
    pub fn bind() -> Self {
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

    /// Returns the number of the port.
    ///
    /// # Panics
    ///
    /// If the system does not know the address of the socket.
    #[must_use]
    pub fn number(&self) -> u16 {
        let addr = self.0.local_addr().ok().and_then(|addr| addr.as_socket());
        addr.expect("a bound socket has an address").port()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn reserved_port_is_not_assigned_again() {
        let reserved = ReservedPort::bind();
        for _ in 0..200 {
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            assert_ne!(other.local_addr().unwrap().port(), reserved.number());
        }
    }

    #[test]
    fn address_follows_host_and_port() {
        #[track_caller]
        fn check(host: &str, port: &str, expected: &str) {
            match ListenAddress::from_settings(host, port) {
                ListenAddress::Tcp(addr) => assert_eq!(addr.to_string(), expected),
                ListenAddress::Unix(path) => assert_eq!(path.display().to_string(), expected),
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
