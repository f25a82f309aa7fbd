//! Version 1 of the PROXY protocol: one line of text.
//!
//! ```text
//! PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n
//! PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n
//! PROXY UNKNOWN\r\n
//! PROXY UNKNOWN whatever follows is ignored\r\n
//! ```
//!
//! There is exactly one space between two words, and CRLF at the end and nowhere else. A number has no
//! sign and no leading zero, which some parsers read as octal. An address has no zone, and is of the
//! family in the line. For IPv6 that includes `::ffff:192.0.2.1`, as operating systems write a mapped
//! address.
//!
//! # Incomplete lines
//!
//! A part of an address is often a valid address (`10.0.0.1` of `10.0.0.12`). So the line is parsed
//! only when it is complete. It has at most 107 bytes.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use super::{MalformedHeader, Parsed, ProxySource};

/// The start of every line.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The maximum length of a line with its CRLF: `UNKNOWN` with two full IPv6 addresses and ports.
pub(super) const MAX_LINE: usize = 107;

/// Parses bytes that begin with [`SIGNATURE`], or with a part of it.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, MalformedHeader> {
    let allowed = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(line_feed) = allowed.iter().position(|&byte| byte == b'\n') else {
        return if allowed.len() < MAX_LINE {
            Ok(Parsed::NeedMore)
        } else {
            Err(MalformedHeader::LineTooLong)
        };
    };
    let line = allowed[..line_feed]
        .strip_suffix(b"\r")
        .filter(|line| !line.contains(&b'\r'))
        .ok_or(MalformedHeader::LineEnd)?;
    Ok(Parsed::Done {
        source: source(line)?,
        length: line_feed + 1,
    })
}

/// Parses a line without its CRLF.
fn source(line: &[u8]) -> Result<ProxySource, MalformedHeader> {
    let content = line
        .strip_prefix(SIGNATURE)
        .ok_or(MalformedHeader::Signature)?;
    if content == b"UNKNOWN" || content.starts_with(b"UNKNOWN ") {
        return Ok(ProxySource::Local);
    }
    let content = str::from_utf8(content).map_err(|_| MalformedHeader::Line)?;
    match content.split_once(' ') {
        Some(("TCP4", addresses)) => proxied::<Ipv4Addr>(addresses),
        Some(("TCP6", addresses)) => proxied::<Ipv6Addr>(addresses),
        _ => Err(MalformedHeader::Line),
    }
}

/// Parses addresses of the family `Ip`, and ports.
fn proxied<Ip: FromStr + Into<IpAddr>>(text: &str) -> Result<ProxySource, MalformedHeader> {
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or(MalformedHeader::Line);
    let [source_ip, destination_ip, source_port, destination_port] =
        [word()?, word()?, word()?, word()?];
    if words.next().is_some() {
        return Err(MalformedHeader::Line);
    }
    Ok(ProxySource::Proxied {
        source: SocketAddr::new(ip::<Ip>(source_ip)?, port(source_port)?),
        destination: SocketAddr::new(ip::<Ip>(destination_ip)?, port(destination_port)?),
    })
}

/// Parses an address. The standard library rejects leading zeros in IPv4, and zones.
fn ip<Ip: FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, MalformedHeader> {
    text.parse::<Ip>()
        .map(Into::into)
        .map_err(|_| MalformedHeader::Address)
}

fn port(text: &str) -> Result<u16, MalformedHeader> {
    // `u16::from_str` also accepts a plus sign and leading zeros.
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    match text.parse() {
        Ok(port) if is_plain => Ok(port),
        _ => Err(MalformedHeader::Port),
    }
}

#[cfg(test)]
mod tests;
