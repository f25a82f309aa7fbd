//! TCP and unix sockets, registered with a runtime or not.

use std::{io, net, os};

use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

/// An accepted socket, TCP or unix.
pub(super) type Socket = Either<TcpStream, UnixStream>;

/// A socket that is registered with no runtime.
#[derive(Debug)]
pub(super) enum StdSocket {
    Tcp(net::TcpStream),
    Unix(os::unix::net::UnixStream),
}

impl StdSocket {
    /// Deregisters a socket from its runtime.
    pub(super) fn from_tokio(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Left(socket) => Self::Tcp(socket.into_std()?),
            Socket::Right(socket) => Self::Unix(socket.into_std()?),
        })
    }

    /// Registers the socket with the current runtime.
    pub(super) fn into_tokio(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Socket::Left(TcpStream::from_std(socket)?)
            }
            Self::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Socket::Right(UnixStream::from_std(socket)?)
            }
        })
    }
}
