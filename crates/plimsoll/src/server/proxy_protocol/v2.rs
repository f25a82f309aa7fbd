//! Version 2: a block of bytes.
//!
//! ```text
//!  0          12        13       14       16                        16 + length
//! ┌───────────┬─────────┬────────┬────────┬───────────┬─────────────┐
//! │ signature │ version │ family │ length │ addresses │ extensions  │
//! │           │ command │ transp.│        │ and ports │ (TLV)       │
//! └───────────┴─────────┴────────┴────────┴───────────┴─────────────┘
//! ```
//!
//! An extension is a type (one byte), the length of its value (two) and the value. They must fill
//! the block exactly: one that claims more than is left would have its rest in the next layer.
//!
//! # What is skipped unread
//!
//! The block of `LOCAL`, whatever its family and transport, as the specification demands; and that
//! of the family UNSPEC, whose addresses have no known size, so that nobody knows where its
//! extensions begin. A checksum in either is not looked for.
//!
//! # Why datagrams are refused
//!
//! What comes here is a stream. A sender that says otherwise is set up for something else.

use std::{
    iter,
    net::{IpAddr, SocketAddr},
};

use super::{MalformedHeader, Parsed, ProxySource};

/// What every header begins with: no other protocol's first bytes, nor a line of text.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of the part that is always there.
pub(super) const FIXED: usize = 16;

/// The most that may follow it, of the 64 KiB that the format could announce.
///
/// Addresses take 216 bytes at most, and the extensions in use some hundred; it is client
/// certificates, forwarded whole, that make kilobytes. The peer is trusted, but the memory is held
/// before anything is known about the request, for every connection that it opens.
pub(super) const MAX_BLOCK: usize = 4 * 1024;

/// The size of two addresses of unix sockets, which nothing here has a use for.
const UNIX_ADDRESSES: usize = 216;

/// The type of the extension with the CRC-32C of the whole header.
const CHECKSUM: u8 = 0x03;

/// Parses what begins like [`SIGNATURE`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, MalformedHeader> {
    let Some(&[.., command, family, high, low]) = bytes.first_chunk::<FIXED>() else {
        return Ok(Parsed::NeedMore);
    };
    if command >> 4 != 2 {
        return Err(MalformedHeader::Version(command >> 4));
    }
    let has_addresses = match command & 0x0f {
        0 => false,
        1 => has_addresses(family)?,
        unknown => return Err(MalformedHeader::Command(unknown)),
    };
    let announced = u16::from_be_bytes([high, low]);
    if usize::from(announced) > MAX_BLOCK {
        return Err(MalformedHeader::BlockTooLong(announced));
    }
    let length = FIXED + usize::from(announced);
    let Some(header) = bytes.get(..length) else {
        return Ok(Parsed::NeedMore);
    };
    let source = if has_addresses {
        source(family, header)?
    } else {
        ProxySource::Local
    };
    Ok(Parsed::Done { source, length })
}

/// Whether a family, with its transport, has addresses of a known size.
fn has_addresses(family: u8) -> Result<bool, MalformedHeader> {
    match (family >> 4, family & 0x0f) {
        (0..=3, 2) => Err(MalformedHeader::Datagrams),
        // Whatever is unspecified about UNSPEC: it names nobody.
        (0, 0 | 1) => Ok(false),
        (1..=3, 1) => Ok(true),
        _ => Err(MalformedHeader::Family(family)),
    }
}

/// Reads all that is behind the fixed part of a header.
fn source(family: u8, header: &[u8]) -> Result<ProxySource, MalformedHeader> {
    let mut rest = &header[FIXED..];
    let source = match family >> 4 {
        1 => proxied::<4>(&mut rest),
        2 => proxied::<16>(&mut rest),
        _ => take::<UNIX_ADDRESSES>(&mut rest).map(|_| ProxySource::Local),
    };
    let source = source.ok_or(MalformedHeader::BlockTooShort)?;
    check_extensions(header, rest)?;
    Ok(source)
}

/// Reads two addresses of `N` bytes each, and two ports.
fn proxied<const N: usize>(rest: &mut &[u8]) -> Option<ProxySource>
where
    IpAddr: From<[u8; N]>,
{
    let [source, destination] = [take::<N>(rest)?, take::<N>(rest)?].map(IpAddr::from);
    let [source_port, destination_port] = [take(rest)?, take(rest)?].map(u16::from_be_bytes);
    Some(ProxySource::Proxied {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// Goes through the extensions that `header` ends with, and verifies its checksum if it has one.
fn check_extensions(header: &[u8], extensions: &[u8]) -> Result<(), MalformedHeader> {
    let mut rest = extensions;
    let mut is_verified = false;
    while !rest.is_empty() {
        let [kind, high, low] = take(&mut rest).ok_or(MalformedHeader::Extension)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = rest.split_off(..length).ok_or(MalformedHeader::Extension)?;
        if kind == CHECKSUM {
            let expected = value.try_into().map_err(|_| MalformedHeader::Extension)?;
            // A second one could be right only by design, and each would cost a pass.
            if is_verified {
                return Err(MalformedHeader::Extension);
            }
            let before = header.len() - rest.len() - value.len();
            // The sum was made when its own place was still zero.
            let summed = header[..before]
                .iter()
                .copied()
                .chain(iter::repeat_n(0, value.len()))
                .chain(rest.iter().copied());
            if crc32c(summed) != u32::from_be_bytes(expected) {
                return Err(MalformedHeader::Checksum);
            }
            is_verified = true;
        }
    }
    Ok(())
}

/// CRC-32C (RFC 4960, appendix B), bit by bit: it is made once a connection, over some 100 bytes.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    /// The polynomial 0x1EDC6F41, lowest bit first.
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    !bytes.fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg())
        })
    })
}

/// Takes the first `N` bytes off.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

#[cfg(test)]
mod tests;
