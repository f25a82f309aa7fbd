//! The PROXY protocol, versions 1 and 2: a header in which a load balancer names its client.
//!
//! ```text
//! PROXY TCP4 203.0.113.7 10.0.0.1 56324 443⏎ GET / HTTP/1.1⏎ …
//! └────────────── header ─────────────────┘ └── or TLS: for the next layer ──
//! ```
//!
//! | header                                              | peer of the connection             |
//! |-----------------------------------------------------|------------------------------------|
//! | v1 `TCP4`, `TCP6`; v2 `PROXY` with INET, INET6      | the source in the header           |
//! | v1 `UNKNOWN`; v2 `LOCAL`; `PROXY` with UNIX, UNSPEC | the peer of the socket             |
//! | anything else, or nothing                           | none: the connection is closed     |
//!
//! # Required header
//!
//! If a receiver accepted an optional header, every client that connects directly could send one, and
//! claim any address. So a listener either requires the header or does not accept it. The caller
//! checks the address of the socket before it calls [`read`].
//!
//! # Strict grammar
//!
//! The source becomes the peer, which limits and trust depend on. Input that two parsers could read
//! differently (`+80`, `010.0.0.1`, a bare line feed, two spaces) is rejected. Senders are few and
//! write the header exactly.
//!
//! # Invariants
//!
//! * A result of [`parse`] other than [`Parsed::NeedMore`] does not depend on the bytes that follow. So
//!   packet boundaries have no effect.
//! * [`parse`] never needs more than [`MAX_HEADER`] bytes, and [`read`] never buffers more.
//! * All bytes after the header are returned.
//!
//! # Related files
//!
//! `serve/open.rs` sets the timeout. The specification recommends at least three seconds, which is one
//! retransmission. `edge/client_ip.rs` decides whether the source is itself a trusted proxy. Of the
//! extensions, only the checksum is read.

mod v1;
mod v2;

use std::{io, net::SocketAddr};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest header that is accepted: the fixed part of version 2, and the longest block.
pub(crate) const MAX_HEADER: usize = v2::FIXED + v2::MAX_BLOCK;

/// The initial capacity of the buffer, in bytes. Any header of version 1 fits, and a usual one of
/// version 2 without certificates, each with the start of a request.
const FIRST_READ: usize = 256;

/// The source of a connection, from its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxySource {
    /// The peer itself: a health check of the balancer, or a client whose address it does not know.
    Local,
    /// A client of the peer.
    Proxied {
        /// The client, or the last proxy before the peer.
        source: SocketAddr,
        /// The address that the client has connected to.
        destination: SocketAddr,
    },
}

/// The result of parsing the bytes that have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The header is incomplete, and valid so far.
    NeedMore,
    /// The header is complete.
    Done {
        /// The source in the header.
        source: ProxySource,
        /// The length of the header in bytes. The next layer gets the bytes after it.
        length: usize,
    },
}

/// The error of a malformed header.
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

/// The error of a connection without a valid header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// The peer closed without sending a byte, as in a load balancer's port check.
    #[error("the peer sent nothing")]
    Nothing,
    /// The peer closed before the end of the header.
    #[error("the peer sent a part of a PROXY protocol header")]
    Partial,
    /// The peer sent a malformed header, or none.
    #[error("the peer sent no valid PROXY protocol header")]
    Malformed(#[from] MalformedHeader),
    /// The socket failed.
    #[error("the PROXY protocol header could not be read")]
    Io(#[source] io::Error),
}

/// Reads the header. Returns its source, and the bytes after it that were read, for the next layer.
///
/// # Errors
///
/// [`ProxyError`]. The connection cannot be used then, and is to be closed without a response.
///
/// # Cancel safety
///
/// None: bytes that were read are lost. If the timeout expires, the caller closes the connection.
pub(crate) async fn read<S>(stream: &mut S) -> Result<(ProxySource, Bytes), ProxyError>
where
    S: AsyncRead + Unpin,
{
    let mut buffer = BytesMut::with_capacity(FIRST_READ);
    loop {
        // Never 0: with `MAX_HEADER` bytes, `parse` does not return `NeedMore`.
        let remaining = MAX_HEADER - buffer.len();
        let mut target = (&mut buffer).limit(remaining);
        let received = stream.read_buf(&mut target).await.map_err(ProxyError::Io)?;
        if received == 0 {
            return Err(if buffer.is_empty() {
                ProxyError::Nothing
            } else {
                ProxyError::Partial
            });
        }
        // Parsing from the start each time is cheap, because an incomplete header is not parsed
        // further.
        if let Parsed::Done { source, length } = parse(&buffer)? {
            buffer.advance(length);
            return Ok((source, buffer.freeze()));
        }
    }
}

/// Parses a header at the start of `bytes`, which are all bytes that have arrived.
///
/// # Errors
///
/// [`MalformedHeader`] as soon as no further bytes could make it a valid header.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, MalformedHeader> {
    let may_start_with = |signature: &[u8]| {
        let length = bytes.len().min(signature.len());
        bytes[..length] == signature[..length]
    };
    if may_start_with(v2::SIGNATURE) {
        v2::parse(bytes)
    } else if may_start_with(v1::SIGNATURE) {
        v1::parse(bytes)
    } else {
        Err(MalformedHeader::Signature)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
