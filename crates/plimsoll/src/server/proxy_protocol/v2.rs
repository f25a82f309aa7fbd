//! Version 2 of the PROXY protocol: a binary block.
//!
//! ```text
//!  0          12        13       14       16                        16 + length
//! ┌───────────┬─────────┬────────┬────────┬───────────┬─────────────┐
//! │ signature │ version │ family │ length │ addresses │ extensions  │
//! │           │ command │ transp.│        │ and ports │ (TLV)       │
//! └───────────┴─────────┴────────┴────────┴───────────┴─────────────┘
//! ```
//!
//! An extension is a type (one byte), the length of its value (two bytes) and the value. The
//! extensions must fill the block exactly. A longer one would continue in the bytes of the next
//! layer.
//!
//! # Skipped blocks
//!
//! The block of `LOCAL` is skipped, with any family and transport, as the specification requires. The
//! block of the family UNSPEC is skipped as well. Its addresses have no known size, so the start of
//! its extensions is unknown. A checksum in either is not verified.
//!
//! # Datagrams
//!
//! The connection is a stream, so a header for datagrams means a misconfigured sender. It is rejected.

use std::{
    iter,
    net::{IpAddr, SocketAddr},
};

use super::{MalformedHeader, Parsed, ProxySource};

/// The start of every header. No other protocol and no line of text starts with it.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of the fixed part of a header.
pub(super) const FIXED: usize = 16;

/// The maximum length of the block after it. The format allows 64 KiB.
///
/// Addresses have at most 216 bytes, and usual extensions some hundred. Forwarded client certificates
/// have kilobytes. The peer is trusted, but each of its connections occupies this memory before its
/// request is known.
pub(super) const MAX_BLOCK: usize = 4 * 1024;

/// The size of two addresses of unix sockets, which are skipped.
const UNIX_ADDRESSES: usize = 216;

/// The type of the extension with the CRC-32C of the whole header.
const CHECKSUM: u8 = 0x03;

/// Parses bytes that begin with [`SIGNATURE`], or with a part of it.
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

/// Returns true if a family, with its transport, has addresses of a known size.
fn has_addresses(family: u8) -> Result<bool, MalformedHeader> {
    match (family >> 4, family & 0x0f) {
        (0..=3, 2) => Err(MalformedHeader::Datagrams),
        // UNSPEC has no addresses, with any transport.
        (0, 0 | 1) => Ok(false),
        (1..=3, 1) => Ok(true),
        _ => Err(MalformedHeader::Family(family)),
    }
}

/// Parses the block after the fixed part of a header.
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

/// Parses two addresses of `N` bytes each, and two ports.
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

/// Checks the extensions at the end of `header`, and verifies its checksum if it has one.
fn check_extensions(header: &[u8], extensions: &[u8]) -> Result<(), MalformedHeader> {
    let mut rest = extensions;
    let mut is_verified = false;
    while !rest.is_empty() {
        let [kind, high, low] = take(&mut rest).ok_or(MalformedHeader::Extension)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = rest.split_off(..length).ok_or(MalformedHeader::Extension)?;
        if kind == CHECKSUM {
            let expected = value.try_into().map_err(|_| MalformedHeader::Extension)?;
            // A second checksum has no purpose, and each one costs a pass over the header.
            if is_verified {
                return Err(MalformedHeader::Extension);
            }
            let before = header.len() - rest.len() - value.len();
            // The checksum is computed with zeros in its own place.
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

/// Computes CRC-32C (RFC 4960, appendix B), bit by bit. It is computed once for each connection, over
/// about 100 bytes.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    /// The polynomial 0x1EDC6F41, lowest bit first.
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    !bytes.fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg())
        })
    })
}

/// Removes and returns the first `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests;
