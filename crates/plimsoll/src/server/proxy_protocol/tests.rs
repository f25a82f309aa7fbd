//! Tests of the detection of versions and of reading, with helpers for both versions.

use std::{
    collections::VecDeque,
    error::Error as _,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::ReadBuf;

use super::*;

/// Checks a result. `expect` is `more`, `LENGTH: local`, `LENGTH: SOURCE > DESTINATION`, or an error.
#[track_caller]
pub(super) fn check(bytes: &[u8], expect: &str) {
    let found = match parse(bytes) {
        Ok(Parsed::NeedMore) => "more".to_owned(),
        Ok(Parsed::Done { source, length }) => format!("{length}: {}", shown(source)),
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(found, expect, "{:?}", bytes.escape_ascii().to_string());
    crate::fuzzing::proxy_protocol::check_cuts(bytes);
}

fn shown(source: ProxySource) -> String {
    match source {
        ProxySource::Local => "local".to_owned(),
        ProxySource::Proxied {
            source,
            destination,
        } => format!("{source} > {destination}"),
    }
}

#[test]
fn other_start_is_rejected_at_its_first_wrong_byte() {
    for other in [
        "G",
        "GET / HTTP/1.1\r\n\r\n",
        "PO",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PROPFIND / HTTP/1.1\r\n",
        "PROXYx",
        "PROXY\tTCP4",
        "PROXY\r\n",
        "proxy ",
        " PROXY ",
        "\x16\x03\x01",
        "\n",
        "\r\nPROXY UNKNOWN\r\n",
        "\r\n\r\nGET / HTTP/1.1",
        "\r\n\r\n\0\r\nQUIX",
    ] {
        check(other.as_bytes(), "Signature");
    }
}

// === headers ===

/// The addresses and ports of a client and of the service.
pub(super) const INET: &[u8] = &[203, 0, 113, 7, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb];
pub(super) const INET_SHOWN: &str = "203.0.113.7:56324 > 10.0.0.1:443";

/// Builds a header of version 2 with the length of `block`.
pub(super) fn block_header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[command, family], &length, block].concat()
}

pub(super) fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind, high, low], value].concat()
}

/// Computes CRC-32C by its definition: a division of polynomials, highest bit first.
pub(super) fn reference_crc32c(bytes: &[u8]) -> u32 {
    let mut remainder = u32::MAX;
    for &byte in bytes {
        remainder ^= u32::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            let carry = remainder >> 31 == 1;
            remainder <<= 1;
            if carry {
                remainder ^= 0x1edc_6f41;
            }
        }
    }
    !remainder.reverse_bits()
}

/// Builds a header with a checksum. Other software has computed [`SUM`] for it.
///
/// The block is `INET`, ALPN `h2`, the checksum, and an authority after it.
pub(super) fn summed(checksum: u32) -> Vec<u8> {
    let block = [
        INET,
        &extension(0x01, b"h2"),
        &extension(0x03, &checksum.to_be_bytes()),
        &extension(0x02, b"example.com"),
    ];
    block_header(0x21, 0x11, &block.concat())
}

/// The valid checksum of [`summed`].
pub(super) const SUM: u32 = 0x3912_6987;

// === reads ===

/// A stream that returns one piece for each read, and then ends or fails.
pub(super) struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    end: Option<io::ErrorKind>,
    read: usize,
}

impl Pieces {
    pub(super) fn new<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces = pieces.into_iter().map(|piece| piece.as_ref().to_vec());
        Self {
            pieces: pieces.collect(),
            end: None,
            read: 0,
        }
    }

    /// Returns the bytes that were not read.
    pub(super) fn unread(self) -> Vec<u8> {
        self.pieces.into_iter().flatten().collect()
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match (self.pieces.pop_front(), self.end) {
            (Some(mut piece), _) => {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                self.read += piece.len();
                if !rest.is_empty() {
                    self.pieces.push_front(rest);
                }
                Poll::Ready(Ok(()))
            }
            (None, Some(kind)) => Poll::Ready(Err(kind.into())),
            (None, None) => Poll::Ready(Ok(())),
        }
    }
}

#[tokio::test]
async fn bytes_after_the_header_are_returned() {
    let line = b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n".as_slice();
    let hello = b"\x16\x03\x01\x02\x00".as_slice();
    for header in [line, &block_header(0x21, 0x11, INET)] {
        let mut stream = Pieces::new([&[header, hello].concat(), b"later".as_slice()]);
        let (source, after) = read(&mut stream).await.unwrap();
        assert_eq!(shown(source), INET_SHOWN);
        assert_eq!(after, hello);
        assert_eq!(stream.unread(), b"later");
    }
}

#[tokio::test]
async fn header_may_arrive_in_single_bytes() {
    for header in [summed(SUM), b"PROXY UNKNOWN ::1\r\n".to_vec()] {
        let mut stream = Pieces::new(header.iter().map(|byte| [*byte]));
        let (_, after) = read(&mut stream).await.unwrap();
        assert!(after.is_empty());
    }
}

#[tokio::test]
async fn error_at_end_depends_on_bytes_before_it() {
    #[track_caller]
    fn check(result: Result<(ProxySource, Bytes), ProxyError>, expect: &str) {
        assert_eq!(format!("{:?}", result.unwrap_err()), expect);
    }
    check(read(&mut Pieces::new([""; 0])).await, "Nothing");
    check(read(&mut Pieces::new(["PROXY UNKN"])).await, "Partial");
    let header = block_header(0x21, 0x11, INET);
    check(read(&mut Pieces::new([&header[..27]])).await, "Partial");
    let http = read(&mut Pieces::new(["GET / HTTP/1.1\r\n"])).await;
    check(http, "Malformed(Signature)");
    let mut broken = Pieces::new(["PROXY"]);
    broken.end = Some(io::ErrorKind::ConnectionReset);
    check(read(&mut broken).await, "Io(Kind(ConnectionReset))");
}

#[tokio::test]
async fn error_text_does_not_repeat_its_source() {
    let error = read(&mut Pieces::new(["GET"])).await.unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert_eq!(cause, "it begins like neither version of the protocol");
    assert!(!error.to_string().contains(&cause));
}

#[tokio::test]
async fn read_stops_at_the_longest_header() {
    let longest = block_header(0x20, 0x00, &[0; 4096]);
    let mut stream = Pieces::new([[longest, vec![b'x'; 100_000]].concat()]);
    let (source, after) = read(&mut stream).await.unwrap();
    assert_eq!((source, stream.read), (ProxySource::Local, MAX_HEADER));
    assert!(after.is_empty());

    let mut flood = Pieces::new([[b"PROXY ".as_slice(), &[b'x'; 100_000]].concat()]);
    let error = read(&mut flood).await.unwrap_err();
    assert!(matches!(
        error,
        ProxyError::Malformed(MalformedHeader::LineTooLong)
    ));
    assert!(flood.read <= MAX_HEADER);
}
