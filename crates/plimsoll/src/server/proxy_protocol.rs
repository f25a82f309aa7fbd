//! The PROXY protocol, versions 1 and 2: a load balancer tells, before all else, whom it speaks for.
//!
//! ```text
//! PROXY TCP4 203.0.113.7 10.0.0.1 56324 443⏎ GET / HTTP/1.1⏎ …
//! └────────────── header ─────────────────┘ └── or TLS: the next layer's ──
//! ```
//!
//! | Header says                                        | Peer from then on                 |
//! |----------------------------------------------------|-----------------------------------|
//! | v1 `TCP4`, `TCP6`; v2 `PROXY` with INET, INET6     | the source it names               |
//! | v1 `UNKNOWN`; v2 `LOCAL`; `PROXY` with UNIX, UNSPEC | the socket's own, as if unproxied |
//! | anything else, or nothing                          | none: the connection is closed    |
//!
//! # Why it is never guessed
//!
//! A receiver that takes the header *if it is there* lets every client that reaches it directly
//! write one, and name any address. So a listener either requires it or does not know it; who may
//! send it is decided by the caller, by the address of the socket, before [`read`] is called.
//!
//! # Why so strict
//!
//! What is read here becomes the peer, and with that the key of limits and of trust. Whatever two
//! readers could understand in two ways (`+80`, `010.0.0.1`, a bare line feed, two spaces) is
//! refused, and senders are few and write it exactly.
//!
//! # Invariants
//!
//! * What [`parse`] says of some bytes, other than "more", it says whatever follows them: how the
//!   header was cut into packets has no effect.
//! * It never asks for more than [`MAX_HEADER`] bytes, and [`read`] never holds more.
//! * Bytes behind the header are given back, every one of them.
//!
//! # Not here
//!
//! The deadline is the caller's; the specification asks for three seconds at least, which is one
//! retransmission. Whom the source may speak for in turn is decided where every peer is, in
//! `edge::address`. Of the extensions, only the checksum is looked into.

mod v1;
mod v2;

use std::{io, net::SocketAddr};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest header that is taken: the fixed part of version 2, and all that it may announce.
pub(crate) const MAX_HEADER: usize = v2::FIXED + v2::MAX_BLOCK;

/// What the first read makes room for: any header of version 1, and those of version 2 that load
/// balancers send unless they add certificates, with some of the request that comes behind.
const FIRST_READ: usize = 256;

/// Whom a connection speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxySource {
    /// For its own peer: a health check of the balancer, or a client that it cannot name.
    Local,
    /// For somebody else.
    Proxied {
        /// The client, or the last proxy before the one that is connected here.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
}

/// How far a header has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// It may become one.
    NeedMore,
    /// It is complete.
    Done {
        /// What it says.
        source: ProxySource,
        /// How many bytes it has; the next one belongs to the next layer.
        length: usize,
    },
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedHeader {
    #[error("it begins like neither version of the protocol")]
    Signature,
    #[error("the line has no end within {} bytes", v1::MAX_LINE)]
    LineTooLong,
    #[error("the line has a CR or a LF that is not part of CRLF")]
    LineEnd,
    #[error("the line is not made of a protocol, two addresses and two ports")]
    Line,
    #[error("the line has an address that is none of its family")]
    Address,
    #[error("the line has a port that is none")]
    Port,
    #[error("version {0} is unknown")]
    Version(u8),
    #[error("command {0} is unknown")]
    Command(u8),
    #[error("address family and transport {0:#04x} are unknown")]
    Family(u8),
    #[error("it is about datagrams")]
    Datagrams,
    #[error("it announces {0} bytes, more than {max}", max = v2::MAX_BLOCK)]
    BlockTooLong(u16),
    #[error("it is too short for its addresses")]
    BlockTooShort,
    #[error("its extensions are not well-formed")]
    Extension,
    #[error("its checksum is wrong")]
    Checksum,
}

/// Why a connection has no header that could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// It was opened and closed, as balancers do to see whether a port is open.
    #[error("the peer sent nothing")]
    Nothing,
    /// It was closed in the middle of the header.
    #[error("the peer sent a part of a PROXY protocol header")]
    Partial,
    /// It sent something else, or a header that breaks the rules.
    #[error("the peer sent no valid PROXY protocol header")]
    Malformed(#[from] MalformedHeader),
    /// The socket failed.
    #[error("the PROXY protocol header could not be read")]
    Io(#[source] io::Error),
}

/// Reads the header, and whatever has come behind it, which the next layer must see first.
///
/// # Errors
///
/// [`ProxyError`], after which the connection is of no use: close it without an answer.
///
/// # Cancel safety
///
/// None: what was read is lost. A caller whose deadline passes closes the connection.
pub(crate) async fn read<S>(stream: &mut S) -> Result<(ProxySource, Bytes), ProxyError>
where
    S: AsyncRead + Unpin,
{
    let mut buffer = BytesMut::with_capacity(FIRST_READ);
    loop {
        // There is room: a header that has come this far is never in need of more.
        let room = MAX_HEADER - buffer.len();
        let mut target = (&mut buffer).limit(room);
        let received = stream.read_buf(&mut target).await.map_err(ProxyError::Io)?;
        if received == 0 {
            return Err(if buffer.is_empty() {
                ProxyError::Nothing
            } else {
                ProxyError::Partial
            });
        }
        // Beginning anew costs little: an unfinished header is not looked into.
        if let Parsed::Done { source, length } = parse(&buffer)? {
            buffer.advance(length);
            return Ok((source, buffer.freeze()));
        }
    }
}

/// Looks for a header at the beginning of `bytes`, which are all that has come so far.
///
/// # Errors
///
/// [`Malformed`] as soon as nothing that follows could make it one.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, MalformedHeader> {
    let begins_like = |signature: &[u8]| {
        let seen = bytes.len().min(signature.len());
        bytes[..seen] == signature[..seen]
    };
    if begins_like(v2::SIGNATURE) {
        v2::parse(bytes)
    } else if begins_like(v1::SIGNATURE) {
        v1::parse(bytes)
    } else {
        Err(MalformedHeader::Signature)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
