//! Compares the PROXY protocol parser and reader with a reader of the whole input.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::cuts::cuts;
use crate::server::proxy_protocol::{MAX_HEADER, Parsed, ProxySource, parse, read};

/// The number of bytes of which every prefix is parsed.
const CHECK_EACH: usize = 6 * 1024;

/// Parses `bytes`, then reads them from a stream that returns them in pieces.
///
/// # Panics
///
/// * If the result is not that of the reference reader, or depends on the pieces.
/// * If more bytes are read than a header may have.
/// * If a byte after the header is lost.
pub(super) fn check(bytes: &[u8]) {
    check_cuts(&bytes[..bytes.len().min(CHECK_EACH)]);
    let parsed = parse(bytes);
    let expected = header(bytes);
    match parsed {
        Ok(Parsed::Done { source, length }) => assert_eq!(expected, Some((source, length))),
        _ => assert_eq!(expected, None, "refused as {parsed:?}"),
    }
    for pieces in cuts(bytes) {
        let mut stream = Pieces::of(pieces);
        let result = {
            let mut reading = pin!(read(&mut stream));
            match reading
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(result) => result,
                Poll::Pending => panic!("waits for a stream that is ready"),
            }
        };
        match result {
            Ok((source, behind)) => {
                assert_eq!(Some((source, stream.read - behind.len())), expected);
                let rest = [&behind[..], &stream.pieces.concat()].concat();
                let length = expected.map_or(0, |(_, length)| length);
                assert_eq!(rest, bytes[length..], "what is behind the header");
            }
            Err(error) => assert_eq!(expected, None, "{error:?}"),
        }
    }
}

/// Parses `bytes` and every prefix of them.
///
/// # Panics
///
/// If the result depends on the cut, on the bytes after the header, or on more bytes than a header may
/// have.
pub(crate) fn check_cuts(bytes: &[u8]) {
    let whole = parse(bytes);
    for end in 0..bytes.len() {
        let prefix = parse(&bytes[..end]);
        assert!(
            prefix == whole || prefix == Ok(Parsed::NeedMore),
            "{prefix:?} of the first {end} bytes, but {whole:?} of all"
        );
    }
    match whole {
        Ok(Parsed::NeedMore) => assert!(bytes.len() < MAX_HEADER, "more than may be needed"),
        Ok(Parsed::Done { length, .. }) => {
            assert!(length <= bytes.len().min(MAX_HEADER), "longer than it is");
            assert_eq!(parse(&bytes[..length]), whole, "by what is behind it");
            let unfinished = parse(&bytes[..length - 1]);
            assert_eq!(unfinished, Ok(Parsed::NeedMore), "done before its end");
        }
        Err(_) => {}
    }
}

/// A stream that returns one piece per read, and then its end.
struct Pieces<'a> {
    pieces: Vec<&'a [u8]>,
    read: usize,
}

impl<'a> Pieces<'a> {
    fn of(mut pieces: Vec<&'a [u8]>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        Self { pieces, read: 0 }
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(self.read + out.remaining() <= MAX_HEADER, "asks for more");
        let Some(&piece) = self.pieces.first() else {
            return Poll::Ready(Ok(()));
        };
        let (head, rest) = piece.split_at(piece.len().min(out.remaining()));
        out.put_slice(head);
        self.read += head.len();
        if rest.is_empty() {
            self.pieces.remove(0);
        } else {
            self.pieces[0] = rest;
        }
        Poll::Ready(Ok(()))
    }
}

/// The source and the length of the header at the begin of `bytes`.
fn header(bytes: &[u8]) -> Option<(ProxySource, usize)> {
    line(bytes).or_else(|| block(bytes))
}

/// Reads version 1. The parsed values are formatted again and compared with the input.
fn line(bytes: &[u8]) -> Option<(ProxySource, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let text = &bytes[..end];
    if end + 2 > 107 || text.iter().any(|byte| b"\r\n".contains(byte)) {
        return None;
    }
    if text == b"PROXY UNKNOWN" || text.starts_with(b"PROXY UNKNOWN ") {
        return Some((ProxySource::Local, end + 2));
    }
    let text = str::from_utf8(text).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    let &["PROXY", family, from, to, from_port, to_port] = words.as_slice() else {
        return None;
    };
    let number = |text: &str| {
        let number: u16 = text.parse().ok()?;
        (number.to_string() == text).then_some(number)
    };
    let (from_port, to_port) = (number(from_port)?, number(to_port)?);
    let (source, destination) = match family {
        "TCP4" => {
            let [from, to] = [from.parse::<Ipv4Addr>().ok()?, to.parse().ok()?];
            let written = format!("PROXY TCP4 {from} {to} {from_port} {to_port}");
            assert_eq!(written, text, "an address of IPv4 has one spelling");
            ((from, from_port).into(), (to, to_port).into())
        }
        "TCP6" => {
            let [from, to] = [from.parse::<Ipv6Addr>().ok()?, to.parse().ok()?];
            ((from, from_port).into(), (to, to_port).into())
        }
        _ => return None,
    };
    let proxied = ProxySource::Proxied {
        source,
        destination,
    };
    Some((proxied, end + 2))
}

/// Reads version 2 by the fixed positions of its parts.
fn block(bytes: &[u8]) -> Option<(ProxySource, usize)> {
    let (fixed, rest) = bytes.split_at_checked(16)?;
    let announced = usize::from(fixed[14]) * 256 + usize::from(fixed[15]);
    if &fixed[..12] != b"\r\n\r\n\0\r\nQUIT\n" || announced > 4096 {
        return None;
    }
    let block = rest.get(..announced)?;
    let length = 16 + announced;
    let header = &bytes[..length];
    let local = Some((ProxySource::Local, length));
    let (source, extensions) = match (fixed[12], fixed[13]) {
        (0x20, _) | (0x21, 0x00 | 0x01) => return local,
        (0x21, 0x11) => (addresses::<4>(block.get(..12)?), 12),
        (0x21, 0x21) => (addresses::<16>(block.get(..36)?), 36),
        (0x21, 0x31) => (ProxySource::Local, 216),
        _ => return None,
    };
    let mut sums = 0;
    let mut at = 16 + extensions;
    while at != length {
        let &[kind, high, low] = header.get(at..at + 3)? else {
            return None;
        };
        let value = at + 3;
        at = value + usize::from(high) * 256 + usize::from(low);
        let value_bytes = header.get(value..at)?;
        if kind == 3 {
            sums += 1;
            let mut zeroed = header.to_vec();
            zeroed[value..at].fill(0);
            if value_bytes != crc32c(&zeroed).to_be_bytes() || sums > 1 {
                return None;
            }
        }
    }
    Some((source, length))
}

/// Reads two addresses of `N` bytes, then two ports.
fn addresses<const N: usize>(block: &[u8]) -> ProxySource {
    let end = |ip: usize, port: usize| -> SocketAddr {
        let bytes = &block[ip..ip + N];
        let port = u16::from(block[port]) * 256 + u16::from(block[port + 1]);
        match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
            (Ok(v4), _) => (v4, port).into(),
            (_, Ok(v6)) => (v6, port).into(),
            _ => unreachable!("an address of {N} bytes"),
        }
    };
    ProxySource::Proxied {
        source: end(0, 2 * N),
        destination: end(N, 2 * N + 2),
    }
}

/// Computes CRC-32C as a polynomial division, highest bit first.
fn crc32c(bytes: &[u8]) -> u32 {
    let remainder = bytes.iter().fold(u32::MAX, |sum, byte| {
        let sum = sum ^ (u32::from(byte.reverse_bits()) << 24);
        (0..8).fold(sum, |sum, _| {
            let shifted = sum << 1;
            if sum >> 31 == 1 {
                shifted ^ 0x1edc_6f41
            } else {
                shifted
            }
        })
    });
    !remainder.reverse_bits()
}
