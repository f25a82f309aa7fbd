//! The port of a service that is started.
//!
//! The port is bound with `SO_REUSEADDR` and never listened on, so Linux assigns it to no other
//! process, and the service can still bind it.
//! Servers set `SO_REUSEADDR` themselves, because they could not restart otherwise.
//! Other systems do not permit the second bind: there the port is released.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use socket2::{Domain, Socket, Type};

/// A port of the loopback address for a service.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    number: u16,
    _socket: Option<Socket>,
}

impl ReservedPort {
    /// Reserves a free port.
    ///
    /// # Errors
    ///
    /// The error of the system if no port is free.
    pub(crate) fn free() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = socket.local_addr()?.as_socket();
        Ok(Self {
            number: address.map_or(0, |address| address.port()),
            _socket: cfg!(target_os = "linux").then_some(socket),
        })
    }

    /// Uses a given port, without a reservation.
    pub(crate) fn fixed(number: u16) -> Self {
        Self {
            number,
            _socket: None,
        }
    }

    /// Returns the number of the port.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn service_can_listen_on_a_reserved_port() {
        let port = ReservedPort::free().unwrap();
        assert!(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).is_ok());
    }
}
