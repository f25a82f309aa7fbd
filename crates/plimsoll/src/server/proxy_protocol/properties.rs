//! Properties of any bytes, and of any well-formed header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    tests::{Pieces, block_header, extension, reference_crc32c},
    *,
};
use crate::fuzzing::proxy_protocol::check_cuts;

fn any_pair() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = || any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
    let v6 = || any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)));
    let ips = prop_oneof![(v4(), v4()), (v6(), v6())];
    (ips, any::<[u16; 2]>()).prop_map(|((source, destination), [from, to])| {
        let source = SocketAddr::new(source, from);
        (source, SocketAddr::new(destination, to))
    })
}

fn line((source, destination): (SocketAddr, SocketAddr)) -> Vec<u8> {
    let family = if source.is_ipv4() { 4 } else { 6 };
    let (from, to) = (source.ip(), destination.ip());
    let (from_port, to_port) = (source.port(), destination.port());
    format!("PROXY TCP{family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

/// Builds a block with extensions, and with a checksum before them if `is_summed`.
fn block(
    (source, destination): (SocketAddr, SocketAddr),
    extensions: &[(u8, Vec<u8>)],
    is_summed: bool,
) -> Vec<u8> {
    let (family, mut block) = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (0x11, [from.octets(), to.octets()].concat()),
        (from, to) => {
            let octets = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            (0x21, [octets(from), octets(to)].concat())
        }
    };
    block.extend(source.port().to_be_bytes());
    block.extend(destination.port().to_be_bytes());
    let at = block.len();
    if is_summed {
        block.extend(extension(0x03, &[0; 4]));
    }
    for (kind, value) in extensions {
        block.extend(extension(*kind, value));
    }
    if is_summed {
        let sum = reference_crc32c(&block_header(0x21, family, &block)).to_be_bytes();
        block[at + 3..at + 7].copy_from_slice(&sum);
    }
    block_header(0x21, family, &block)
}

/// A header of either version, and its addresses.
fn any_header() -> impl Strategy<Value = (Vec<u8>, (SocketAddr, SocketAddr))> {
    let kind = any::<u8>().prop_filter("the checksum", |&kind| kind != 0x03);
    let extensions = vec((kind, vec(any::<u8>(), 0..40)), 0..4);
    let lines = any_pair().prop_map(|pair| (line(pair), pair));
    let blocks = (any_pair(), extensions, any::<bool>())
        .prop_map(|(pair, extensions, is_summed)| (block(pair, &extensions, is_summed), pair));
    prop_oneof![lines, blocks]
}

/// Bytes that resemble headers: pieces of both versions, a length that is often correct, any bytes.
fn header_like_bytes() -> impl Strategy<Value = Vec<u8>> {
    let words = "PROXY |TCP4 |TCP6 |UNKNOWN|1.2.3.4 |::1 |0|1 |443|\r\n|\r|\n| |+";
    let words: Vec<&str> = words.split('|').collect();
    let word = || select(words.clone()).prop_map(|word| word.as_bytes().to_vec());
    let text = vec(word(), 0..12).prop_map(|words| [b"PROXY ".to_vec(), words.concat()].concat());
    let fixed = (
        select(vec![0x20, 0x21, 0x21, 0x21, 0x22, 0x11]),
        select(vec![0x00, 0x11, 0x11, 0x12, 0x21, 0x31, 0x44]),
        vec(prop_oneof![Just(0), Just(3), any::<u8>()], 0..260),
        prop_oneof![3 => Just(0), 1 => -20..20_i32],
    );
    let binary = fixed.prop_map(|(command, family, block, off)| {
        let mut header = block_header(command, family, &block);
        let length = i32::try_from(block.len()).unwrap() + off;
        let length = u16::try_from(length.max(0)).unwrap();
        header[14..16].copy_from_slice(&length.to_be_bytes());
        header
    });
    prop_oneof![text, binary, vec(any::<u8>(), 0..64)]
}

/// Splits `bytes` at the places that `cuts` selects.
fn cut<'a>(bytes: &'a [u8], cuts: &[bool]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    for end in 1..bytes.len() {
        if cuts[end % cuts.len()] {
            pieces.push(&bytes[begin..end]);
            begin = end;
        }
    }
    pieces.push(&bytes[begin..]);
    pieces
}

/// Returns the result of a read, and all bytes after the header.
fn read_all(pieces: Vec<&[u8]>) -> (String, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let mut stream = Pieces::new(pieces);
    match runtime.unwrap().block_on(read(&mut stream)) {
        Ok((source, after)) => {
            let rest = [after.to_vec(), stream.unread()].concat();
            (format!("{source:?}"), rest)
        }
        Err(error) => (format!("{error:?}"), Vec::new()),
    }
}

proptest! {
    #[test]
    fn result_does_not_depend_on_read_boundaries(bytes in header_like_bytes()) {
        check_cuts(&bytes);
    }

    #[test]
    fn header_round_trips(
        (header, (source, destination)) in any_header(),
        after in vec(any::<u8>(), 0..40),
    ) {
        let length = header.len();
        let bytes = [header, after].concat();
        let source = ProxySource::Proxied { source, destination };
        prop_assert_eq!(parse(&bytes), Ok(Parsed::Done { source, length }));
        check_cuts(&bytes);
    }

    #[test]
    fn pieces_read_like_the_whole(
        header in prop_oneof![any_header().prop_map(|(header, _)| header), header_like_bytes()],
        after in vec(any::<u8>(), 0..600),
        cuts in vec(any::<bool>(), 1..20),
    ) {
        let bytes = [header, after].concat();
        prop_assume!(!bytes.is_empty());
        let whole = read_all(vec![&bytes]);
        prop_assert_eq!(&read_all(cut(&bytes, &cuts)), &whole);
        if let Ok(Parsed::Done { length, .. }) = parse(&bytes) {
            prop_assert_eq!(whole.1, &bytes[length..]);
        }
    }

    #[test]
    fn changed_header_fails_its_checksum(
        pair in any_pair(),
        extensions in vec((0xe0..0xf0_u8, vec(any::<u8>(), 0..40)), 0..4),
        place in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let mut header = block(pair, &extensions, true);
        let place = 16 + place.index(header.len() - 16);
        header[place] ^= change;
        if let Ok(Parsed::Done { source, .. }) = parse(&header) {
            // Only if the change turned the checksum into an extension of another type.
            prop_assert_eq!(header[place] ^ change, 0x03, "{:?}", source);
        }
    }
}
