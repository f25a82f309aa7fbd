//! The client's address in forwarded headers.

use super::client;
use crate::support::start;

/// IP-1
#[test]
fn forwarded_headers_are_ignored_by_default() {
    let service = start(&[]);
    for headers in [
        "",
        "X-Forwarded-For: 203.0.113.7\r\n",
        "Forwarded: for=203.0.113.7\r\n",
        "X-Real-IP: 203.0.113.7\r\n",
    ] {
        assert_eq!(client(&service, headers), "127.0.0.1", "{headers}");
    }
}

/// IP-1, IP-2
#[test]
fn forwarded_headers_of_an_untrusted_peer_are_ignored() {
    let service = start(&[("TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.1")]);
    let headers = "X-Forwarded-For: 203.0.113.7, 10.0.0.1\r\n";
    assert_eq!(client(&service, headers), "127.0.0.1");
}

/// IP-2
#[test]
fn last_untrusted_hop_is_the_client() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8, 2001:db8::/32")]);
    for (headers, expected) in [
        // No usable element.
        ("", "127.0.0.1"),
        ("X-Forwarded-For: \r\n", "127.0.0.1"),
        ("X-Forwarded-For: , ,\r\n", "127.0.0.1"),
        // The search from the right.
        ("X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"),
        ("X-Forwarded-For: 203.0.113.7, 10.1.2.3\r\n", "203.0.113.7"),
        (
            "X-Forwarded-For: 203.0.113.7, 10.1.2.3, 2001:db8::1\r\n",
            "203.0.113.7",
        ),
        ("X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n", "203.0.113.7"),
        (
            "X-Forwarded-For: 10.9.9.9, 203.0.113.7, 10.1.2.3\r\n",
            "203.0.113.7",
        ),
        // All hops trusted: the leftmost.
        ("X-Forwarded-For: 10.1.1.1, 10.2.2.2\r\n", "10.1.1.1"),
        ("X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1"),
        // Several lines are one list, in order.
        (
            "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.1.2.3\r\n",
            "203.0.113.7",
        ),
        (
            "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\n",
            "203.0.113.7",
        ),
        // Empty elements.
        ("X-Forwarded-For: 203.0.113.7,,10.1.2.3,\r\n", "203.0.113.7"),
        // Ports, brackets, IPv6.
        ("X-Forwarded-For: 203.0.113.7:4711\r\n", "203.0.113.7"),
        ("X-Forwarded-For: [2001:4860::8]:4711\r\n", "2001:4860::8"),
        ("X-Forwarded-For: [2001:4860::8]\r\n", "2001:4860::8"),
        (
            "X-Forwarded-For: 2001:4860:0:0::8, 10.1.2.3:80\r\n",
            "2001:4860::8",
        ),
        // IPv4-mapped IPv6 addresses.
        (
            "X-Forwarded-For: 203.0.113.7, ::ffff:10.1.2.3\r\n",
            "203.0.113.7",
        ),
        ("X-Forwarded-For: ::ffff:203.0.113.7\r\n", "203.0.113.7"),
    ] {
        assert_eq!(client(&service, headers), expected, "{headers}");
    }
}

/// IP-2
#[test]
fn invalid_element_stops_at_the_last_trusted_hop() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")]);
    for (headers, expected) in [
        ("X-Forwarded-For: unknown\r\n", "127.0.0.1"),
        ("X-Forwarded-For: 203.0.113.7, unknown\r\n", "127.0.0.1"),
        (
            "X-Forwarded-For: 203.0.113.7, unknown, 10.1.2.3\r\n",
            "10.1.2.3",
        ),
        (
            "X-Forwarded-For: 203.0.113.7, _hidden, 10.1.2.3, 10.4.5.6\r\n",
            "10.1.2.3",
        ),
        (
            "X-Forwarded-For: 203.0.113.7, 999.1.1.1, 10.1.2.3\r\n",
            "10.1.2.3",
        ),
        (
            "X-Forwarded-For: 203.0.113.7, fe80::1%eth0, 10.1.2.3\r\n",
            "10.1.2.3",
        ),
        (
            "X-Forwarded-For: 203.0.113.7, client.example, 10.1.2.3\r\n",
            "10.1.2.3",
        ),
    ] {
        assert_eq!(client(&service, headers), expected, "{headers}");
    }
}

/// IP-2
#[test]
fn ipv4_peer_of_an_ipv6_socket_is_trusted_as_ipv4() {
    let service = start(&[("HOST", "::"), ("TRUSTED_PROXIES", "127.0.0.0/8")]);
    assert_eq!(
        client(&service, "X-Forwarded-For: 203.0.113.7\r\n"),
        "203.0.113.7"
    );
    assert_eq!(client(&service, ""), "127.0.0.1");
}

/// IP-2
#[test]
fn trusted_network_may_use_mapped_addresses() {
    let service = start(&[("TRUSTED_PROXIES", "::ffff:127.0.0.1")]);
    assert_eq!(
        client(&service, "X-Forwarded-For: 203.0.113.7\r\n"),
        "203.0.113.7"
    );
}

/// IP-2
#[test]
fn ipv6_peer_is_trusted_by_its_network() {
    let service = start(&[("HOST", "::1"), ("TRUSTED_PROXIES", "::1/128")]);
    assert_eq!(
        client(&service, "X-Forwarded-For: 203.0.113.7\r\n"),
        "203.0.113.7"
    );
    assert_eq!(client(&service, ""), "::1");
}

/// IP-3
#[test]
fn standard_header_is_read_if_configured() {
    let service = start(&[
        ("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8"),
        ("FORWARDED_HEADER", "forwarded"),
    ]);
    for (headers, expected) in [
        ("Forwarded: for=203.0.113.7\r\n", "203.0.113.7"),
        ("Forwarded: For=\"203.0.113.7:4711\"\r\n", "203.0.113.7"),
        ("Forwarded: for=\"[2001:db8::1]:4711\"\r\n", "2001:db8::1"),
        (
            "Forwarded: proto=https;for=203.0.113.7;by=10.0.0.1\r\n",
            "203.0.113.7",
        ),
        (
            "Forwarded: for=6.6.6.6, for=203.0.113.7, for=10.1.2.3\r\n",
            "203.0.113.7",
        ),
        (
            "Forwarded: for=203.0.113.7\r\nForwarded: for=10.1.2.3\r\n",
            "203.0.113.7",
        ),
        (
            "Forwarded: for=203.0.113.7;host=\"a,b;for=6.6.6.6\"\r\n",
            "203.0.113.7",
        ),
        (
            "Forwarded: for=203.0.113.7, for=unknown, for=10.1.2.3\r\n",
            "10.1.2.3",
        ),
        ("Forwarded: for=203.0.113.7, proto=https\r\n", "127.0.0.1"),
    ] {
        assert_eq!(client(&service, headers), expected, "{headers}");
    }
}

/// IP-3
#[test]
fn only_the_configured_header_is_read() {
    #[track_caller]
    fn check(configured: &str, headers: &str, expected: &str) {
        let service = start(&[
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("FORWARDED_HEADER", configured),
        ]);
        assert_eq!(client(&service, headers), expected, "{configured}");
    }
    let both = "X-Forwarded-For: 198.51.100.1\r\nForwarded: for=203.0.113.7\r\n";
    check("x-forwarded-for", both, "198.51.100.1");
    check("forwarded", both, "203.0.113.7");
    check(
        "x-forwarded-for",
        "Forwarded: for=203.0.113.7\r\n",
        "127.0.0.1",
    );
    check(
        "forwarded",
        "X-Forwarded-For: 198.51.100.1\r\n",
        "127.0.0.1",
    );
}

/// IP-3
#[test]
fn similar_header_names_are_not_read() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    for name in [
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X_FORWARDED-FOR",
        "XForwardedFor",
    ] {
        let headers = format!("{name}: 203.0.113.7\r\n");
        assert_eq!(client(&service, &headers), "127.0.0.1", "{name}");
    }
}
