//! Reference readers for addresses, networks, schemes, hosts and elements. All read from the left.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::request::Scheme;

/// Whether an item of `list`, a valid `TRUSTED_PROXIES`, contains `ip`.
pub(super) fn trusts(list: &str, ip: IpAddr) -> bool {
    list.split(',').map(str::trim).any(|item| {
        let (network, length) = item.split_once('/').unwrap_or((item, ""));
        let Ok(network) = network.parse::<IpAddr>() else {
            return false;
        };
        let of_network = bits(network);
        let full = if network.is_ipv4() { 32 } else { 128 };
        let length = length.parse().unwrap_or(full) + (128 - full);
        // A prefix shorter than that of IPv4-mapped addresses matches IPv6 only.
        let is_mapped = |ip: IpAddr| ip.to_canonical().is_ipv4();
        let is_of_ipv4 = is_mapped(network) && length >= 96;
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        is_mapped(ip) == is_of_ipv4 && bits(ip) & mask == of_network & mask
    })
}

/// The bits of an address, with IPv4 as an IPv4-mapped address.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Parses one address. Every colon is tried as the begin of a port.
pub(super) fn ip_of(text: &[u8], may_hide_port: bool) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let is_port = |port: &str| {
        let is_number = (1..=5).contains(&port.len())
            && port.chars().all(|char| char.is_ascii_digit())
            && port.parse::<u32>().is_ok_and(|port| port <= 65535);
        let is_hidden = |name: &str| {
            let plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
            !name.is_empty() && name.chars().all(plain)
        };
        is_number || (may_hide_port && port.strip_prefix('_').is_some_and(is_hidden))
    };
    let bracketed = |text: &str| -> Option<IpAddr> {
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        Some(inside.parse::<Ipv6Addr>().ok()?.into())
    };
    let without = text.parse().ok().or_else(|| bracketed(text));
    let with = text.match_indices(':').find_map(|(at, _)| {
        let (host, port) = (&text[..at], &text[at + 1..]);
        let v4 = || Some(host.parse::<Ipv4Addr>().ok()?.into());
        bracketed(host).or_else(v4).filter(|_| is_port(port))
    });
    without.or(with).map(|ip: IpAddr| ip.to_canonical())
}

pub(super) fn origin_scheme(text: &[u8]) -> Option<Scheme> {
    match &*text.to_ascii_lowercase() {
        b"http" => Some(Scheme::Http),
        b"https" => Some(Scheme::Https),
        _ => None,
    }
}

/// Validates a host with or without a port, and returns it unchanged.
pub(super) fn origin_host(text: &[u8]) -> Option<String> {
    let text = str::from_utf8(text).ok()?;
    let is_port = |port: &str| {
        let is_number = port.chars().all(|char| char.is_ascii_digit());
        port.is_empty()
            || (is_number && port.len() <= 5 && port.parse::<u32>().is_ok_and(|it| it < 65536))
    };
    let is_name = |name: &str| {
        let plain = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
        (1..=253).contains(&name.len()) && name.chars().all(plain)
    };
    let is_host = |host: &str| {
        let inside = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        match inside {
            Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
            None => is_name(host),
        }
    };
    let has_port = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| is_host(host) && is_port(port));
    (is_host(text) || has_port).then(|| text.to_owned())
}

/// An element of `Forwarded`. It is empty if a parameter occurs twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    node: Option<Vec<u8>>,
    pub(super) proto: Option<Vec<u8>>,
    pub(super) host: Option<Vec<u8>>,
}

impl Element {
    pub(super) fn ip(&self) -> Option<IpAddr> {
        ip_of(self.node.as_deref()?, true)
    }
}

/// A byte of a line with its role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// A byte outside quotes.
    Bare(u8),
    /// A byte inside quotes, without its backslash.
    Quoted(u8),
    Open,
    Close,
}

/// Parses the elements of a line by the grammar of RFC 7239, section 4, with optional spaces around
/// `;`. Returns `None` if the line violates the grammar.
pub(super) fn elements(line: &[u8]) -> Option<Vec<Element>> {
    let marks = marks(line)?;
    let parts = marks.split(|&mark| mark == Mark::Bare(b','));
    parts
        .map(trimmed)
        .filter(|element| !element.is_empty())
        .map(element)
        .collect()
}

fn marks(line: &[u8]) -> Option<Vec<Mark>> {
    let mut marks = Vec::new();
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'"' {
            marks.push(Mark::Bare(byte));
            continue;
        }
        marks.push(Mark::Open);
        loop {
            match bytes.next()? {
                b'"' => break,
                b'\\' => marks.push(Mark::Quoted(bytes.next()?)),
                byte => marks.push(Mark::Quoted(byte)),
            }
        }
        marks.push(Mark::Close);
    }
    Some(marks)
}

fn trimmed(mut marks: &[Mark]) -> &[Mark] {
    let is_space = |mark: &Mark| matches!(mark, Mark::Bare(b' ' | b'\t'));
    while let [first, rest @ ..] = marks
        && is_space(first)
    {
        marks = rest;
    }
    while let [rest @ .., last] = marks
        && is_space(last)
    {
        marks = rest;
    }
    marks
}

/// Parses an element. Returns `None` if it violates the grammar.
fn element(marks: &[Mark]) -> Option<Element> {
    let mut element = Element::default();
    let mut is_doubled = false;
    for pair in marks.split(|&mark| mark == Mark::Bare(b';')).map(trimmed) {
        if pair.is_empty() {
            continue;
        }
        let equals = pair.iter().position(|&mark| mark == Mark::Bare(b'='))?;
        let name = token(&pair[..equals])?.to_ascii_lowercase();
        let value = match &pair[equals + 1..] {
            [Mark::Open, inside @ .., Mark::Close] => quoted(inside)?,
            bare => token(bare)?,
        };
        let place = match &*name {
            b"for" => &mut element.node,
            b"proto" => &mut element.proto,
            b"host" => &mut element.host,
            _ => continue,
        };
        is_doubled |= place.replace(value).is_some();
    }
    Some(if is_doubled {
        Element::default()
    } else {
        element
    })
}

fn token(marks: &[Mark]) -> Option<Vec<u8>> {
    let byte = |mark: &Mark| match mark {
        Mark::Bare(byte) if byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte) => {
            Some(*byte)
        }
        _ => None,
    };
    let bytes: Option<Vec<u8>> = marks.iter().map(byte).collect();
    bytes.filter(|bytes| !bytes.is_empty())
}

fn quoted(marks: &[Mark]) -> Option<Vec<u8>> {
    let byte = |mark: &Mark| match mark {
        Mark::Quoted(byte) => Some(*byte),
        _ => None,
    };
    marks.iter().map(byte).collect()
}
