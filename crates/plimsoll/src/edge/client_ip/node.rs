//! Parses one address in the forms that proxies write.
//!
//! | Text                | Result                                            |
//! |---------------------|---------------------------------------------------|
//! | `192.0.2.1`         | itself                                            |
//! | `192.0.2.1:80`      | `192.0.2.1`                                       |
//! | `2001:db8::1`       | itself                                            |
//! | `[2001:db8::1]`     | `2001:db8::1`                                     |
//! | `[2001:db8::1]:80`  | `2001:db8::1`                                     |
//! | `2001:db8::1:80`    | `2001:db8::1:80`: without brackets, no port       |
//! | `::ffff:192.0.2.1`  | `192.0.2.1`                                       |
//! | anything else       | none: zones, names, `unknown`, `_id`, `10.0.1`    |
//!
//! # Rejection of ambiguous forms
//!
//! The result is a key of limits, audits and allow-lists. A short IPv4 form, an octet with a leading
//! zero or a zone is read differently by different parsers. So only unambiguous forms are accepted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Parses `text`, without surrounding space, as an address with or without a port.
///
/// `is_port` checks the text after the colon, because the header formats differ there. An IPv4-mapped
/// IPv6 address is returned as IPv4.
pub(super) fn parse(text: &[u8], is_port: impl FnOnce(&str) -> bool) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let (ip, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (ip, rest) = bracketed.split_once(']')?;
        let port = match rest.strip_prefix(':') {
            None if !rest.is_empty() => return None,
            port => port,
        };
        (IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), port)
    } else {
        match text.split_once(':') {
            // A single colon can only precede a port: every IPv6 address has two or more.
            Some((ip, port)) if !port.contains(':') => {
                (IpAddr::V4(ip.parse::<Ipv4Addr>().ok()?), Some(port))
            }
            _ => (text.parse().ok()?, None),
        }
    };
    port.is_none_or(is_port).then(|| ip.to_canonical())
}

/// Whether `text` is a port number: one to five digits, at most 65535.
pub(super) fn is_port_number(text: &str) -> bool {
    // `u16` alone would accept a plus sign and any number of leading zeros.
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let expect = expect.map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(parse(text.as_bytes(), is_port_number), expect, "{text:?}");
    }

    #[test]
    fn usual_forms_are_parsed() {
        check("192.0.2.1", Some("192.0.2.1"));
        check("192.0.2.1:80", Some("192.0.2.1"));
        check("192.0.2.1:0", Some("192.0.2.1"));
        check("192.0.2.1:65535", Some("192.0.2.1"));
        check("2001:db8::1", Some("2001:db8::1"));
        check("2001:DB8:0:0:0:0:0:1", Some("2001:db8::1"));
        check("[2001:db8::1]", Some("2001:db8::1"));
        check("[2001:db8::1]:80", Some("2001:db8::1"));
        check("::", Some("::"));
        check("::1", Some("::1"));
        check("64:ff9b::192.0.2.1", Some("64:ff9b::c000:201"));
    }

    #[test]
    fn unbracketed_ipv6_has_no_port() {
        check("::1:80", Some("::1:80"));
        check("1:2:3:4:5:6:7:8:80", None);
    }

    #[test]
    fn mapped_address_is_ipv4() {
        check("::ffff:192.0.2.1", Some("192.0.2.1"));
        check("::ffff:c000:201", Some("192.0.2.1"));
        check("[::ffff:192.0.2.1]:80", Some("192.0.2.1"));
        // "Compatible" addresses are deprecated and are not the same host.
        check("::192.0.2.1", Some("::192.0.2.1"));
    }

    #[test]
    fn invalid_ports_are_rejected() {
        for port in ["", "+80", "-1", "65536", "000080", "8 0", "http", "_x", "٨"] {
            check(&format!("192.0.2.1:{port}"), None);
            check(&format!("[::1]:{port}"), None);
        }
    }

    #[test]
    fn other_text_is_rejected() {
        let rejected = "unknown _hidden localhost example.com:80 - * : :80 [ ] [] []:80 [::1 ::1] \
            [::1]80 [::1]] [[::1]] [::1]:80:80 [192.0.2.1] [192.0.2.1]:80 fe80::1%eth0 \
            [fe80::1%eth0] [fe80::1%1]:80 10.1 2130706433 0x7f000001 010.0.0.1 192.0.2.256 \
            192.0.2.1. 192.0.2.1/32 192.0.2.1:80:80 ::ffff:192.0.2.1:80 1:2:3:4:5:6:7:8:9 \
            \"192.0.2.1\" 192.0.2.1;192.0.2.2 192.0.2.1é";
        for text in rejected
            .split(' ')
            .chain(["", " 192.0.2.1", "192.0.2.1 ", "192.0.2.1\u{a0}"])
        {
            check(text, None);
        }
    }
}
