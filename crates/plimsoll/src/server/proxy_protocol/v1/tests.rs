//! Tests of version 1: lines case by case.

use super::super::tests::check;

#[test]
fn line_has_addresses_of_both_families() {
    check(
        b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n",
        "43: 203.0.113.7:56324 > 10.0.0.1:443",
    );
    check(
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\nGET / HTTP/1.1\r\n",
        "56: 255.255.255.255:65535 > 255.255.255.255:65535",
    );
    check(
        b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
        "32: 0.0.0.0:0 > 0.0.0.0:0",
    );
    check(
        b"PROXY TCP6 2001:db8::7 2001:DB8:0:0::1 56324 443\r\n\x16\x03\x01",
        "50: [2001:db8::7]:56324 > [2001:db8::1]:443",
    );
    let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    check(
        format!("PROXY TCP6 {full} {full} 65535 65535\r\n").as_bytes(),
        &format!("104: [{full}]:65535 > [{full}]:65535"),
    );
    check(
        b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
        "37: [::ffff:192.0.2.1]:1 > [::1]:2",
    );
}

#[test]
fn unknown_is_local_with_any_suffix() {
    check(b"PROXY UNKNOWN\r\n", "15: local");
    check(b"PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n", "15: local");
    check(b"PROXY UNKNOWN \r\n", "16: local");
    check(b"PROXY UNKNOWN 203.0.113.7 x  \xff\0\r\n", "33: local");
    for almost in ["UNKNOWNX", "unknown", " UNKNOWN", "UNKNOWN\t", "UNKNOW"] {
        check(format!("PROXY {almost}\r\n").as_bytes(), "Line");
    }
}

#[test]
fn line_has_at_most_107_bytes() {
    let line = |length: usize| {
        let filler = "f".repeat(length - "PROXY UNKNOWN \r\n".len());
        format!("PROXY UNKNOWN {filler}\r\n").into_bytes()
    };
    check(&line(107), "107: local");
    check(&line(108), "LineTooLong");
    check(&line(3000), "LineTooLong");
    check(&line(108)[..106], "more");
    check(&line(108)[..107], "LineTooLong");
}

#[test]
fn line_ends_with_its_only_crlf() {
    let begin = b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443".as_slice();
    for end in ["\n", "\r\r\n", "\n\r\n", "\n\r", "\rx\r\n"] {
        check(&[begin, end.as_bytes()].concat(), "LineEnd");
    }
    check(b"PROXY UNKNOWN\n", "LineEnd");
    check(b"PROXY UNKNOWN a\nb\r\n", "LineEnd");
    check(b"PROXY UNKNOWN a\rb\r\n", "LineEnd");
    check(b"PROXY \r\n", "Line");
}

#[test]
fn incomplete_line_needs_more() {
    check(b"", "more");
    check(b"P", "more");
    check(b"PROXY", "more");
    check(b"PROXY ", "more");
    check(b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 44", "more");
    check(b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r", "more");
    // Errors in the line are reported when the line is complete.
    check(b"PROXY TCP5 ", "more");
}

#[test]
fn line_has_single_spaces_between_its_words() {
    for line in [
        "TCP4",
        "TCP4 ",
        "TCP4 203.0.113.7",
        "TCP4 203.0.113.7 10.0.0.1",
        "TCP4 203.0.113.7 10.0.0.1 56324",
        "TCP4 203.0.113.7 10.0.0.1 56324 443 ",
        "TCP4 203.0.113.7 10.0.0.1 56324 443 x",
        "TCP4  203.0.113.7 10.0.0.1 56324 443",
        "TCP4 203.0.113.7 10.0.0.1  56324 443",
        "TCP4\t203.0.113.7 10.0.0.1 56324 443",
        " TCP4 203.0.113.7 10.0.0.1 56324 443",
        "TCP 203.0.113.7 10.0.0.1 56324 443",
        "tcp4 203.0.113.7 10.0.0.1 56324 443",
        "UDP4 203.0.113.7 10.0.0.1 56324 443",
        "TCP4 203.0.113.7 10.0.0.1 56324 443 é",
    ] {
        check(format!("PROXY {line}\r\n").as_bytes(), "Line");
    }
    check(b"PROXY TCP4 203.0.113.7 10.0.0.1 1 \xff\r\n", "Line");
}

#[test]
fn addresses_are_canonical_and_of_the_family() {
    for (family, wrong) in [
        ("TCP4", "2001:db8::7"),
        ("TCP4", "::ffff:203.0.113.7"),
        ("TCP4", "203.0.113.07"),
        ("TCP4", "0203.0.113.7"),
        ("TCP4", "203.0.113.256"),
        ("TCP4", "203.0.113"),
        ("TCP4", "203.0.113.7."),
        ("TCP4", "203.0.113.7:80"),
        ("TCP4", "0x7f.0.0.1"),
        ("TCP4", "localhost"),
        ("TCP4", ""),
        ("TCP6", "203.0.113.7"),
        ("TCP6", "[2001:db8::7]"),
        ("TCP6", "fe80::1%eth0"),
        ("TCP6", "2001:db8::7::1"),
        ("TCP6", "1:2:3:4:5:6:7"),
        ("TCP6", "1:2:3:4:5:6:7:8:9"),
        ("TCP6", "02001:db8::7"),
        ("TCP6", ""),
    ] {
        let right = if family == "TCP4" { "10.0.0.1" } else { "::1" };
        let line = format!("PROXY {family} {wrong} {right} 1 2\r\n");
        // An empty word is a second space.
        check(line.as_bytes(), "Address");
        let line = format!("PROXY {family} {right} {wrong} 1 2\r\n");
        check(line.as_bytes(), "Address");
    }
}

#[test]
fn ports_are_plain_numbers() {
    for wrong in [
        "+80", "-1", "-0", "080", "00", "65536", "80x", "0x50", "http", "8:0", "",
    ] {
        for ports in [format!("{wrong} 443"), format!("443 {wrong}")] {
            let line = format!("PROXY TCP4 203.0.113.7 10.0.0.1 {ports}\r\n");
            check(line.as_bytes(), "Port");
        }
    }
}
