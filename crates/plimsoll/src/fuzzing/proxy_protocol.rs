//! The PROXY protocol: the parser and the reader, beside a reading that has the bytes at once.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::cuts::cuts;
use crate::server::proxy_protocol::{MAX_HEADER, Parsed, ProxySource, parse, read};

/// The most bytes of which every beginning is parsed by itself.
const CLOSELY: usize = 6 * 1024;

/// Parses `bytes`, then reads them from a stream that hands them out in pieces.
///
/// # Panics
///
/// If the result is not that of the other reading, or depends on the pieces; if more is read than
/// a header may have; if a byte behind the header is lost.
pub(super) fn check(bytes: &[u8]) {
    check_cuts(&bytes[..bytes.len().min(CLOSELY)]);
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

/// Parses `bytes`, and every beginning of them as if the rest had not come yet.
///
/// # Panics
///
/// If the result depends on where they were cut, on what stands behind the header, or on more
/// bytes than a header may have.
pub(crate) fn check_cuts(bytes: &[u8]) {
    let whole = parse(bytes);
    for end in 0..bytes.len() {
        let begun = parse(&bytes[..end]);
        assert!(
            begun == whole || begun == Ok(Parsed::NeedMore),
            "{begun:?} of the first {end} bytes, but {whole:?} of all"
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

/// A stream that gives a piece at a time, and then its end.
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
        let (given, kept) = piece.split_at(piece.len().min(out.remaining()));
        out.put_slice(given);
        self.read += given.len();
        if kept.is_empty() {
            self.pieces.remove(0);
        } else {
            self.pieces[0] = kept;
        }
        Poll::Ready(Ok(()))
    }
}

/// What the header at the beginning of `bytes` says, and how long it is.
fn header(bytes: &[u8]) -> Option<(ProxySource, usize)> {
    line(bytes).or_else(|| block(bytes))
}

/// Version 1, by writing what was read and comparing it with what was sent.
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
    let said = ProxySource::Proxied {
        source,
        destination,
    };
    Some((said, end + 2))
}

/// Version 2, by the places at which its parts must be.
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
    let (said, extensions) = match (fixed[12], fixed[13]) {
        (0x20, _) | (0x21, 0x00 | 0x01) => return local,
        (0x21, 0x11) => (said::<4>(block.get(..12)?), 12),
        (0x21, 0x21) => (said::<16>(block.get(..36)?), 36),
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
        let said = header.get(value..at)?;
        if kind == 3 {
            sums += 1;
            let mut zeroed = header.to_vec();
            zeroed[value..at].fill(0);
            if said != crc32c(&zeroed).to_be_bytes() || sums > 1 {
                return None;
            }
        }
    }
    Some((said, length))
}

/// Two addresses of `N` bytes, then two ports.
fn said<const N: usize>(block: &[u8]) -> ProxySource {
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

/// CRC-32C as a division of polynomials, highest bit first.
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
