//! Sockets of either kind, in a runtime and out of one.

use std::{io, net, os};

use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

/// What was accepted: over TCP, or over a unix socket.
pub(super) type Socket = Either<TcpStream, UnixStream>;

/// A socket that belongs to no runtime.
#[derive(Debug)]
pub(super) enum StdSocket {
    Tcp(net::TcpStream),
    Unix(os::unix::net::UnixStream),
}

impl StdSocket {
    /// Takes a socket from the runtime that it belongs to.
    pub(super) fn from_tokio(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Left(socket) => Self::Tcp(socket.into_std()?),
            Socket::Right(socket) => Self::Unix(socket.into_std()?),
        })
    }

    /// Gives it to the present runtime.
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
