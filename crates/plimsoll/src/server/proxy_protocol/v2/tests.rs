//! Tests of version 2: blocks case by case.

use super::{
    super::tests::{
        INET, INET_SHOWN, SUM, block_header, check, extension, reference_crc32c, summed,
    },
    *,
};

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const INET6: &[u8] = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xdc\x04\x01\xbb";
const UNIX: &[u8] = &[b'x'; 216];

#[test]
fn block_has_addresses_of_both_families() {
    check(
        &block_header(PROXY, 0x11, INET),
        &format!("28: {INET_SHOWN}"),
    );
    check(
        &block_header(PROXY, 0x21, INET6),
        "52: [2001:db8::7]:56324 > [2001:db8::1]:443",
    );
    let with_request = [
        block_header(PROXY, 0x11, INET),
        b"GET / HTTP/1.1\r\n".to_vec(),
    ]
    .concat();
    check(&with_request, &format!("28: {INET_SHOWN}"));
}

#[test]
fn bytes_match_the_specification() {
    check(
        b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c\
          \xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01\xbb",
        "28: 203.0.113.7:56324 > 10.0.0.1:443",
    );
}

#[test]
fn block_without_address_is_local() {
    check(&block_header(PROXY, 0x00, b""), "16: local");
    check(&block_header(PROXY, 0x00, INET), "28: local");
    check(&block_header(PROXY, 0x01, b"?"), "17: local");
    check(&block_header(PROXY, 0x31, UNIX), "232: local");
}

#[test]
fn local_is_skipped_with_any_content() {
    check(&block_header(LOCAL, 0x00, b""), "16: local");
    check(&block_header(LOCAL, 0x11, INET), "28: local");
    check(&block_header(LOCAL, 0x11, b"short"), "21: local");
    check(&block_header(LOCAL, 0x12, INET), "28: local");
    check(
        &block_header(LOCAL, 0xff, b"\x03\0\x04oops\x01\xff\xff"),
        "26: local",
    );
    check(&block_header(LOCAL, 0x00, &[0; 4096]), "4112: local");
    check(&block_header(LOCAL, 0x00, &[0; 4097]), "BlockTooLong(4097)");
}

#[test]
fn other_versions_commands_and_families_are_rejected() {
    check(&block_header(0x11, 0x11, INET), "Version(1)");
    check(&block_header(0x31, 0x11, INET), "Version(3)");
    check(&block_header(0x01, 0x11, INET), "Version(0)");
    check(&block_header(0x22, 0x11, INET), "Command(2)");
    check(&block_header(0x2f, 0x11, INET), "Command(15)");
    for family in [0x03, 0x10, 0x13, 0x20, 0x30, 0x3f, 0x40, 0x41, 0x42, 0xff] {
        check(
            &block_header(PROXY, family, UNIX),
            &format!("Family({family})"),
        );
    }
    for family in [0x02, 0x12, 0x22, 0x32] {
        check(&block_header(PROXY, family, UNIX), "Datagrams");
    }
}

#[test]
fn block_contains_its_addresses() {
    for (family, addresses) in [(0x11, INET), (0x21, INET6), (0x31, UNIX)] {
        for length in [0, 1, addresses.len() - 1] {
            check(
                &block_header(PROXY, family, &addresses[..length]),
                "BlockTooShort",
            );
        }
    }
}

#[test]
fn excessive_length_is_rejected_before_the_block() {
    let fits = [INET, &extension(0xe0, &[0; 4096 - 12 - 3])].concat();
    check(
        &block_header(PROXY, 0x11, &fits),
        &format!("4112: {INET_SHOWN}"),
    );
    let exceeds = [INET, &extension(0xe0, &[0; 4096 - 12 - 2])].concat();
    let header = block_header(PROXY, 0x11, &exceeds);
    check(&header, "BlockTooLong(4097)");
    check(&header[..16], "BlockTooLong(4097)");
    check(
        &[SIGNATURE, &[PROXY, 0x11, 0xff, 0xff]].concat(),
        "BlockTooLong(65535)",
    );
}

#[test]
fn incomplete_block_needs_more() {
    let header = block_header(PROXY, 0x11, INET);
    for length in [1, 2, 11, 12, 15, 16, 17, 27] {
        check(&header[..length], "more");
    }
}

#[test]
fn extensions_are_skipped_if_they_fill_the_block() {
    let done = |extensions: &[&[u8]]| {
        let block = [&[INET], extensions].concat().concat();
        check(
            &block_header(PROXY, 0x11, &block),
            &format!("{}: {INET_SHOWN}", 16 + block.len()),
        );
    };
    done(&[&extension(0x01, b"h2")]);
    done(&[&extension(0x04, b"")]);
    done(&[
        &extension(0x02, b"example.com"),
        &extension(0xea, &[1; 300]),
    ]);
    // The content of the TLS extension is not checked.
    done(&[&extension(0x20, b"\x01\0\0\0\0\x21\xff\xff")]);
    let unix = [UNIX, &extension(0x05, b"id")].concat();
    check(&block_header(PROXY, 0x31, &unix), "237: local");
}

#[test]
fn extensions_that_do_not_fill_the_block_are_rejected() {
    for extensions in [
        b"\x01".as_slice(),
        b"\x01\0",
        b"\x01\0\x01",
        b"\x01\0\x09h2",
        b"\x01\xff\xffh2",
        b"\x01\0\x02h2\x04",
        b"\x01\0\x02h2\x04\0",
        b"\x01\0\x02h2\x04\0\x01",
    ] {
        let mut bytes = block_header(PROXY, 0x11, &[INET, extensions].concat());
        check(&bytes, "Extension");
        // Also rejected if the missing bytes follow the header.
        bytes.extend([b'x'; 300]);
        check(&bytes, "Extension");
        check(
            &block_header(PROXY, 0x31, &[UNIX, extensions].concat()),
            "Extension",
        );
    }
}

#[test]
fn checksum_covers_the_header_with_zeros_in_its_place() {
    check(&summed(SUM), &format!("54: {INET_SHOWN}"));
    // Bytes after the header are not covered.
    let with_request = [summed(SUM), b"GET".to_vec()].concat();
    check(&with_request, &format!("54: {INET_SHOWN}"));
}

#[test]
fn checksum_detects_each_changed_bit() {
    check(&summed(0), "Checksum");
    check(&summed(SUM.swap_bytes()), "Checksum");
    // The bits of the addresses, of their ports, and of two values.
    for at in (16..28).chain(31..33).chain(36..40).chain(43..54) {
        for bit in 0..8 {
            let mut header = summed(SUM);
            header[at] ^= 1 << bit;
            check(&header, "Checksum");
        }
    }
}

#[test]
fn checksum_has_four_bytes_and_occurs_once() {
    for value in [b"".as_slice(), b"abc", b"abcde"] {
        let block = [INET, &extension(0x03, value)].concat();
        check(&block_header(PROXY, 0x11, &block), "Extension");
    }
    let sum = sum_of_two_checksums();
    let block = [INET, &extension(0x03, &sum), &extension(0x03, b"\0\0\0\0")].concat();
    check(&block_header(PROXY, 0x11, &block), "Extension");
}

/// Returns the first of two checksums, valid if the second one is four zero bytes.
fn sum_of_two_checksums() -> [u8; 4] {
    let block = [INET, &extension(0x03, &[0; 4]), &extension(0x03, &[0; 4])].concat();
    reference_crc32c(&block_header(PROXY, 0x11, &block)).to_be_bytes()
}

#[test]
fn crc32c_matches_published_values() {
    let of = |bytes: &[u8]| crc32c(bytes.iter().copied());
    assert_eq!(of(b""), 0);
    assert_eq!(of(b"123456789"), 0xE306_9283);
    // RFC 3720, B.4.
    assert_eq!(of(&[0; 32]), 0x8A91_36AA);
    assert_eq!(of(&[0xff; 32]), 0x62A8_AB43);
}
