//! Tests of the walk by cases.

use http::HeaderValue;

use super::*;
use crate::config::ForwardedHeader::{Forwarded, XForwardedFor};
use crate::config::FromSetting;

type Policy = (ForwardedHeader, &'static str);

const LAN: &str = "10.0.0.0/8, fd00::/8, ::ffff:192.0.2.0/120";
const XFF: Policy = (XForwardedFor, LAN);
const RFC: Policy = (Forwarded, LAN);

/// The peer in most cases. Both policies trust it.
const GATE: &str = "10.0.0.1";

/// The expected address in most cases.
const CLIENT: &str = "203.0.113.7";

/// Each line of `head` is a `Name: value`, or the value of the configured header alone.
///
/// Its characters are bytes, so `é` is a byte that is not UTF-8. `-` expects no address.
#[track_caller]
fn check((header, trusted): Policy, peer: &str, head: &str, expect: &str) {
    let resolver = ClientIpResolver::new(trusted_proxies(trusted), header);
    let peer = match peer {
        "unix" => Peer::Unix,
        ip => Peer::Ip(ip.parse().unwrap()),
    };
    let configured = match header {
        XForwardedFor => "X-Forwarded-For",
        Forwarded => "Forwarded",
    };
    let mut headers = HeaderMap::new();
    for line in head.split_terminator('\n') {
        let (name, value) = line.split_once(": ").unwrap_or((configured, line));
        let value: Vec<u8> = value
            .chars()
            .map(|char| u8::try_from(char).unwrap())
            .collect();
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_bytes(&value).unwrap(),
        );
    }
    let found = resolver.resolve(resolver.check(peer), &headers).client_ip;
    let found = found.map_or("-".to_owned(), |ip| ip.to_string());
    assert_eq!(found, expect, "{head}");
}

#[test]
fn no_peer_is_trusted_by_default() {
    let untrusting = (XForwardedFor, "");
    check(untrusting, CLIENT, "", CLIENT);
    check(untrusting, CLIENT, "198.51.100.1", CLIENT);
    check(untrusting, "127.0.0.1", "198.51.100.1", "127.0.0.1");
    check(untrusting, "::1", "198.51.100.1", "::1");
    check(untrusting, "unix", "198.51.100.1", "-");
    check((Forwarded, ""), GATE, "for=198.51.100.1", GATE);
}

#[test]
fn untrusted_peer_is_the_client() {
    check(XFF, CLIENT, "", CLIENT);
    check(XFF, CLIENT, "198.51.100.1", CLIENT);
    check(XFF, CLIENT, "198.51.100.1, 10.0.0.2", CLIENT);
    check(XFF, "2001:db8::7", "10.0.0.2", "2001:db8::7");
    check(RFC, CLIENT, "for=198.51.100.1", CLIENT);
}

#[test]
fn trusted_peer_without_header_is_the_client() {
    check(XFF, GATE, "", GATE);
    check(XFF, GATE, "X-Forwarded-For: ", GATE);
    check(XFF, GATE, " \t,, ,", GATE);
    check(RFC, "fd00::1", "", "fd00::1");
    check(RFC, "fd00::1", " ,\t,", "fd00::1");
}

#[test]
fn walk_stops_at_first_untrusted_address() {
    check(XFF, GATE, "203.0.113.7", CLIENT);
    check(XFF, GATE, "203.0.113.7, 10.0.0.2", CLIENT);
    check(XFF, GATE, "203.0.113.7,10.0.0.3,fd00::2,10.0.0.2", CLIENT);
    check(XFF, "fd00::1", "2001:db8::7, 10.0.0.2", "2001:db8::7");
    let gate_only = (XForwardedFor, GATE);
    check(gate_only, GATE, "1.2.3.4, 10.0.0.2", "10.0.0.2");
}

#[test]
fn forged_elements_on_the_left_are_ignored() {
    for forged in [
        "1.2.3.4", "10.0.0.5", "unknown", "<script>", "\"", "é", ",,",
    ] {
        check(XFF, GATE, &format!("{forged}, 203.0.113.7"), CLIENT);
        let proxied = "203.0.113.7, 10.0.0.2";
        check(XFF, GATE, &format!("{forged}, {proxied}"), CLIENT);
        check(XFF, GATE, &format!("{forged}\n{proxied}"), CLIENT);
        check(XFF, GATE, &format!("{forged}, 1.2.3.4\n{proxied}"), CLIENT);
    }
}

#[test]
fn leftmost_is_the_client_if_all_are_trusted() {
    check(XFF, GATE, "10.9.9.9", "10.9.9.9");
    check(XFF, GATE, "fd00::9, 10.0.0.3, 10.0.0.2", "fd00::9");
    check(XFF, GATE, ", 10.9.9.9,, 10.0.0.2,", "10.9.9.9");
    let all = (XForwardedFor, "0.0.0.0/0");
    check(all, GATE, "1.2.3.4, 203.0.113.7", "1.2.3.4");
    check(RFC, GATE, "for=10.9.9.9, for=10.0.0.2", "10.9.9.9");
}

#[test]
fn lines_are_joined_in_order() {
    check(XFF, GATE, "203.0.113.7\n10.0.0.2", CLIENT);
    check(XFF, GATE, "203.0.113.7\n198.51.100.1", "198.51.100.1");
    check(XFF, GATE, "10.0.0.4\n10.0.0.3\n10.0.0.2", "10.0.0.4");
    check(XFF, GATE, "203.0.113.7, 10.0.0.3\n\n , \n10.0.0.2", CLIENT);
    let any_case = "203.0.113.7\nVia: x\nx-FORWARDED-for: 10.0.0.2";
    check(XFF, GATE, any_case, CLIENT);
    check(RFC, GATE, "for=_a\nfor=203.0.113.7\nfor=10.0.0.2", CLIENT);
}

#[test]
fn empty_elements_are_skipped() {
    check(XFF, GATE, "203.0.113.7,", CLIENT);
    check(XFF, GATE, ",203.0.113.7,, \t ,10.0.0.2, ", CLIENT);
    check(RFC, GATE, "for=203.0.113.7,, ,for=10.0.0.2,", CLIENT);
}

#[test]
fn space_around_address_is_trimmed() {
    check(XFF, GATE, "1.2.3.4,\t 203.0.113.7 \t", CLIENT);
    check(XFF, GATE, "203.0.113.7 10.0.0.2", GATE);
}

#[test]
fn ports_and_brackets_are_removed() {
    check(XFF, GATE, "203.0.113.7:4711", CLIENT);
    check(XFF, GATE, "[2001:db8::7]:4711", "2001:db8::7");
    check(XFF, GATE, "[2001:db8::7]", "2001:db8::7");
    check(XFF, GATE, "2001:db8::7", "2001:db8::7");
    check(XFF, GATE, "203.0.113.7, 10.0.0.2:80, [fd00::2]:80", CLIENT);
    // Obfuscated ports are allowed in `Forwarded` only.
    check(XFF, GATE, "203.0.113.7:_p", GATE);
}

#[test]
fn unreadable_element_stops_walk_at_trusted_hop() {
    let unreadable = "unknown _hidden client.example 203.0.113 203.0.113.7:http 203.0.113.7: \
        [203.0.113.7] fe80::1%eth0 [fe80::1%1]:80 \"203.0.113.7\" for=203.0.113.7 10.0.0.0/8 \
        203.0.113.7é é";
    for stop in unreadable.split_whitespace() {
        check(XFF, GATE, stop, GATE);
        check(XFF, GATE, &format!("{stop}, 10.0.0.2"), "10.0.0.2");
        check(XFF, GATE, &format!("1.2.3.4, {stop}, fd00::2"), "fd00::2");
        check(XFF, GATE, &format!("{stop}, fd00::3, 10.0.0.2"), "fd00::3");
        check(XFF, GATE, &format!("1.2.3.4\n{stop}\n10.0.0.2"), "10.0.0.2");
    }
}

#[test]
fn mapped_addresses_are_ipv4() {
    check(XFF, "::ffff:203.0.113.7", "1.2.3.4", CLIENT);
    check(XFF, "::ffff:10.0.0.1", "", "10.0.0.1");
    check(XFF, "::ffff:10.0.0.1", "203.0.113.7", CLIENT);
    check(XFF, GATE, "::ffff:203.0.113.7, ::ffff:10.0.0.2", CLIENT);
    check(XFF, GATE, "[::ffff:cb00:7107]:80", CLIENT);
    // `LAN` contains 192.0.2.0/24 as a mapped network.
    check(XFF, "192.0.2.1", "203.0.113.7, 192.0.2.9", CLIENT);
    check(XFF, "::ffff:192.0.2.1", "203.0.113.7,192.0.2.9", CLIENT);
}

#[test]
fn unix_peer_without_address_is_trusted_by_name() {
    let unix = (XForwardedFor, "unix, 10.0.0.0/8");
    check(unix, "unix", "", "-");
    check(unix, "unix", ",", "-");
    check(unix, "unix", "unknown", "-");
    check(unix, "unix", "1.2.3.4, unix", "-");
    check(unix, "unix", "203.0.113.7", CLIENT);
    check(unix, "unix", "1.2.3.4, 203.0.113.7, 10.0.0.2", CLIENT);
    check(unix, "unix", "unknown, 10.0.0.2", "10.0.0.2");
    check(unix, GATE, "203.0.113.7", CLIENT);
    let unix_only = (Forwarded, "unix");
    check(unix_only, "unix", "for=203.0.113.7", CLIENT);
    check(unix_only, GATE, "for=203.0.113.7", GATE);
    let hosts_only = (XForwardedFor, "0.0.0.0/0, ::/0");
    check(hosts_only, "unix", "203.0.113.7", "-");
}

/// IP-3
#[test]
fn only_configured_header_is_read() {
    let both = "X-Forwarded-For: 198.51.100.1\nForwarded: for=203.0.113.7";
    check(XFF, GATE, both, "198.51.100.1");
    check(RFC, GATE, both, CLIENT);
    check(XFF, GATE, "Forwarded: for=203.0.113.7", GATE);
    check(RFC, GATE, "X-Forwarded-For: 198.51.100.1", GATE);
    // Neither header accepts the syntax of the other.
    check(XFF, GATE, "for=203.0.113.7", GATE);
    check(RFC, GATE, "203.0.113.7", GATE);
}

#[test]
fn look_alike_headers_are_ignored() {
    let names = "X_Forwarded_For X-Forwarded_For X_Forwarded-For X-Forwarded-For_ X-Forwarded \
        Forwarded-For Forwarded_ X-Real-Ip Client-Ip True-Client-Ip Via";
    for name in names.split_whitespace() {
        let (address, element) = (format!("{name}: 1.2.3.4"), format!("{name}: for=1.2.3.4"));
        check(XFF, GATE, &address, GATE);
        check(XFF, GATE, &format!("203.0.113.7\n{address}"), CLIENT);
        check(RFC, GATE, &element, GATE);
        check(RFC, GATE, &format!("for=203.0.113.7\n{element}"), CLIENT);
    }
}

#[test]
fn forwarded_follows_the_same_rule() {
    check(RFC, GATE, "for=203.0.113.7;proto=https;by=10.0.0.1", CLIENT);
    check(RFC, GATE, "for=_a, for=203.0.113.7, for=10.0.0.2", CLIENT);
    check(RFC, GATE, r#"For="[2001:db8::7]:80""#, "2001:db8::7");
    check(RFC, GATE, r#"for="[::ffff:203.0.113.7]""#, CLIENT);
    check(RFC, GATE, r#"for="203.0.113.7:_p";by="a,b;c\"""#, CLIENT);
    let unreadable = r#"for=unknown for=_hidden for=203.0.113.7:80 for="[fe80::1%eth0]" for="é"
        for=203.0.113.7;for=203.0.113.7 proto=https ; for for= for=" 203.0.113.7"#;
    for stop in unreadable.split_whitespace() {
        check(RFC, GATE, stop, GATE);
        check(RFC, GATE, &format!("{stop}, for=10.0.0.2"), "10.0.0.2");
        let between_lines = format!("for=1.2.3.4\n{stop}\nfor=10.0.0.2");
        check(RFC, GATE, &between_lines, "10.0.0.2");
    }
}

#[test]
fn open_quote_hides_no_appended_element() {
    let forgeries = r#"for="x " for="\ for="a\" for=1.2.3.4;x=" \ for="x"" =";"#;
    let honest = r#"for=203.0.113.7 for="203.0.113.7:80";by=_a host="a,\"b";for=203.0.113.7"#;
    for forged in forgeries.split_whitespace() {
        for added in honest.split_whitespace() {
            check(RFC, GATE, &format!("{forged}, {added}"), CLIENT);
            check(RFC, GATE, &format!("{forged}\n{added}"), CLIENT);
            let proxied = format!("{forged},{added},for=\"10.0.0.2\"");
            check(RFC, GATE, &proxied, CLIENT);
        }
        // Without an appended element, only the trusted peer is known.
        check(RFC, GATE, forged, GATE);
    }
}

#[test]
fn quoted_string_ends_with_its_line() {
    check(RFC, GATE, "for=203.0.113.7;x=\"a\nb\"", GATE);
    check(RFC, GATE, "for=1.2.3.4;x=\"\nfor=203.0.113.7", CLIENT);
}

#[test]
fn header_of_maximum_length_is_walked() {
    let filled = |text: &str| text.repeat(64 * 1024 / text.len());
    for filler in [",10.0.0.2", ",[fd00::1]:80", ",", ", "] {
        let line = format!("203.0.113.7{}", filled(filler));
        check(XFF, GATE, &line, CLIENT);
    }
    for garbage in ["1", ":", "[", "]", "é"] {
        check(XFF, GATE, &filled(garbage), GATE);
    }
    for filler in [",for=10.0.0.2", r#",for="\10.0.0.2""#, ",", ";", ";x=\",\""] {
        let line = format!("for=203.0.113.7{}", filled(filler));
        check(RFC, GATE, &line, CLIENT);
    }
    for inside in ["\\\"", "\\\\", "=\\\"", ",", ";"] {
        let line = format!("for=203.0.113.7;x=\"{}\"", filled(inside));
        check(RFC, GATE, &line, CLIENT);
    }
    for garbage in ["\"", "\\\"", "=\"", "\\", "=", "for=\"\\1", "é"] {
        check(RFC, GATE, &filled(garbage), GATE);
    }
}

/// Parses a list. The setting's own parser rejects an empty list, because empty means unset.
fn trusted_proxies(text: &str) -> TrustedProxies {
    if text.is_empty() {
        TrustedProxies::default()
    } else {
        TrustedProxies::parse(text).unwrap()
    }
}
