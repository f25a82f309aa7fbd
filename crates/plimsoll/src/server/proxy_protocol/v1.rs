//! Version 1: one line of text.
//!
//! ```text
//! PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n
//! PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n
//! PROXY UNKNOWN\r\n
//! PROXY UNKNOWN whatever follows is ignored\r\n
//! ```
//!
//! There is exactly one space between two words, no sign and no leading zero in a number (an octal
//! one to some readers), no zone in an address, and CRLF at the end and nowhere else. An address is
//! of the family that the line says; for IPv6 that includes `::ffff:192.0.2.1`, which is how the
//! operating system, and so a sender, writes a mapped address.
//!
//! # Why the line is waited for
//!
//! A part of an address is often an address (`10.0.0.1` of `10.0.0.12`), so nothing in the line
//! means anything before its end is there. The wait is bounded by its 107 bytes.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use super::{MalformedHeader, Parsed, ProxySource};

/// What every line begins with.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line, CRLF included: `UNKNOWN` with two IPv6 addresses and ports written in full.
pub(super) const MAX_LINE: usize = 107;

/// Parses what begins like [`SIGNATURE`].
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

/// Reads a line without its CRLF.
fn source(line: &[u8]) -> Result<ProxySource, MalformedHeader> {
    let said = line
        .strip_prefix(SIGNATURE)
        .ok_or(MalformedHeader::Signature)?;
    if said == b"UNKNOWN" || said.starts_with(b"UNKNOWN ") {
        return Ok(ProxySource::Local);
    }
    let said = str::from_utf8(said).map_err(|_| MalformedHeader::Line)?;
    match said.split_once(' ') {
        Some(("TCP4", addresses)) => proxied::<Ipv4Addr>(addresses),
        Some(("TCP6", addresses)) => proxied::<Ipv6Addr>(addresses),
        _ => Err(MalformedHeader::Line),
    }
}

/// Reads addresses of the family `Ip`, and ports.
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

/// Reads an address. The standard library takes neither leading zeros in IPv4 nor zones.
fn ip<Ip: FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, MalformedHeader> {
    text.parse::<Ip>()
        .map(Into::into)
        .map_err(|_| MalformedHeader::Address)
}

fn port(text: &str) -> Result<u16, MalformedHeader> {
    // `u16` would also take a plus sign and leading zeros.
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    match text.parse() {
        Ok(port) if is_plain => Ok(port),
        _ => Err(MalformedHeader::Port),
    }
}

#[cfg(test)]
mod tests;
