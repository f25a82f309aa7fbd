//! Tests of scheme and host by cases.

use http::HeaderValue;

use super::*;
use crate::{
    config::{
        ForwardedHeader::{self, Forwarded, XForwardedFor},
        FromSetting as _, TrustedProxies,
    },
    edge::client_ip::ClientIpResolver,
    request::Peer,
};

/// A trusted and an untrusted peer.
pub(super) const GATE: &str = "10.0.0.1";
pub(super) const CLIENT: &str = "203.0.113.7";

/// The host of the request itself, in most cases.
pub(super) const HOST_LINE: &str = "Host: own.example\n";

/// Each line of `head` is a `Name: value`; its characters are bytes.
pub(super) fn origin(
    header: ForwardedHeader,
    peer: &str,
    connection: Scheme,
    target: &str,
    head: &str,
) -> Result<RequestOrigin, OriginRejection> {
    let trusted = TrustedProxies::parse("10.0.0.0/8, unix").unwrap();
    let peer = match peer {
        "unix" => Peer::Unix,
        ip => Peer::Ip(ip.parse().unwrap()),
    };
    let mut headers = HeaderMap::new();
    for line in head.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        let value: Vec<u8> = value
            .chars()
            .map(|char| u8::try_from(char).unwrap())
            .collect();
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(&value).unwrap());
    }
    let resolver = ClientIpResolver::new(trusted, header);
    let forwarded = resolver.resolve(resolver.check(peer), &headers).source;
    let scheme = connection;
    RequestOrigin::of(
        RequestSource { scheme, forwarded },
        &target.parse().unwrap(),
        &headers,
    )
}

pub(super) fn shown(found: Result<RequestOrigin, OriginRejection>) -> String {
    let Ok(RequestOrigin { scheme, host }) = found else {
        return "rejected".to_owned();
    };
    let host = host.map_or("-".to_owned(), |host| host.to_string());
    format!("{scheme}://{host}")
}

/// Over a connection without TLS, for `own.example`.
#[track_caller]
fn check(header: ForwardedHeader, peer: &str, head: &str, expect: &str) {
    let head = format!("{HOST_LINE}{head}");
    let found = origin(header, peer, Scheme::Http, "/", &head);
    assert_eq!(shown(found), expect, "{head}");
}

#[track_caller]
fn check_xff(head: &str, expect: &str) {
    check(XForwardedFor, GATE, head, expect);
}

#[track_caller]
fn check_rfc(value: &str, expect: &str) {
    let head: String = value
        .lines()
        .map(|line| format!("Forwarded: {line}\n"))
        .collect();
    check(Forwarded, GATE, &head, expect);
}

#[test]
fn untrusted_peer_changes_nothing() {
    let all = "X-Forwarded-For: 10.0.0.9\nX-Forwarded-Proto: https\nX-Forwarded-Host: a.example\n\
        Forwarded: for=10.0.0.9;proto=https;host=a.example\n";
    for header in [XForwardedFor, Forwarded] {
        check(header, CLIENT, all, "http://own.example");
        let head = format!("{HOST_LINE}{}", all.replace("https", "http"));
        let found = origin(header, CLIENT, Scheme::Https, "/", &head);
        assert_eq!(shown(found), "https://own.example");
    }
}

#[test]
fn trusted_peer_without_claims_changes_nothing() {
    check_xff("", "http://own.example");
    check_xff("X-Forwarded-For: 203.0.113.7", "http://own.example");
    check_xff(
        "X-Forwarded-Proto:  ,\nX-Forwarded-Host: \n",
        "http://own.example",
    );
    check_rfc("", "http://own.example");
    check_rfc("for=203.0.113.7", "http://own.example");
    let found = origin(XForwardedFor, GATE, Scheme::Https, "/", HOST_LINE);
    assert_eq!(shown(found), "https://own.example");
}

#[test]
fn trusted_peer_sets_scheme_and_host() {
    let both = "X-Forwarded-Proto: https\nX-Forwarded-Host: a.example\n";
    check_xff(both, "https://a.example");
    check(XForwardedFor, "unix", both, "https://a.example");
    check(XForwardedFor, "::ffff:10.0.0.1", both, "https://a.example");
    check_xff("X-Forwarded-Proto: HttpS\n", "https://own.example");
    check_xff(
        "X-Forwarded-Host: a.example:8443\n",
        "http://a.example:8443",
    );
    check_rfc("proto=HTTPS;host=a.example", "https://a.example");
    check_rfc("for=_x;proto=https", "https://own.example");
    check_rfc(
        r#"for=203.0.113.7;host="a.example:8443""#,
        "http://a.example:8443",
    );
    let head = "Host: own.example\nX-Forwarded-Proto: http";
    let found = origin(XForwardedFor, GATE, Scheme::Https, "/", head);
    assert_eq!(shown(found), "http://own.example");
}

#[test]
fn only_configured_headers_are_read() {
    check_xff(
        "Forwarded: proto=https;host=a.example",
        "http://own.example",
    );
    let others = "X-Forwarded-Proto: https\nX-Forwarded-Host: a.example\n";
    check(Forwarded, GATE, others, "http://own.example");
    let names = "X_Forwarded_Proto X-Forwarded_Proto X-Forwarded-Protocol X-Forwarded-Scheme \
        X-Forwarded-Ssl X-Url-Scheme X-Scheme Front-End-Https X-Forwarded-Port X-Forwarded-Server \
        X_Forwarded_Host X-Host X-Original-Host";
    for name in names.split(' ') {
        for value in ["https", "on", "443", "a.example"] {
            let head = format!("{name}: {value}\n");
            check_xff(&head, "http://own.example");
            check(Forwarded, GATE, &head, "http://own.example");
        }
    }
}

#[test]
fn list_elements_must_agree() {
    for agreeing in [
        "X-Forwarded-Proto: https, https",
        "X-Forwarded-Proto: https,HTTPS ,, https",
        "X-Forwarded-Proto: https\nX-Forwarded-Proto: https",
        "X-Forwarded-Proto: \nX-Forwarded-Proto: https",
    ] {
        check_xff(agreeing, "https://own.example");
    }
    for contradictory in [
        "X-Forwarded-Proto: https, http",
        "X-Forwarded-Proto: http, https",
        "X-Forwarded-Proto: https, https, http",
        "X-Forwarded-Proto: https\nX-Forwarded-Proto: http",
        "X-Forwarded-Proto: https, ftp",
        "X-Forwarded-Proto: é, https",
    ] {
        check_xff(contradictory, "rejected");
    }
    check_xff("X-Forwarded-Host: a.example, A.example", "http://a.example");
    check_xff(
        "X-Forwarded-Host: a.example, b.example",
        "http://own.example",
    );
    check_xff(
        "X-Forwarded-Host: a.example, a.example:80",
        "http://own.example",
    );
    check_xff(
        "X-Forwarded-Host: a.example\nX-Forwarded-Host: b.example",
        "http://own.example",
    );
}

#[test]
fn only_http_and_https_are_schemes() {
    for malformed in [
        "httpx",
        "http:",
        "https://",
        "\"https\"",
        "ws",
        "on",
        "1",
        "é",
        "ht tp",
    ] {
        check_xff(
            &format!("X-Forwarded-Proto: {malformed}"),
            "http://own.example",
        );
        let quoted = malformed.replace('"', "\\\"");
        check_rfc(&format!("proto=\"{quoted}\""), "http://own.example");
    }
}

#[test]
fn host_is_name_or_address_with_optional_port() {
    let longest = "a".repeat(253);
    let valid = "a.example a.example. A-1.Example my_service localhost 192.0.2.1 192.0.2.1:80 \
        a:0 a:65535 a: [::1] [2001:db8::1]:443 [::ffff:192.0.2.1]: xn--bcher-kva.example";
    for host in valid.split(' ').chain([longest.as_str()]) {
        let expect = format!("http://{host}");
        check_xff(&format!("X-Forwarded-Host: {host}"), &expect);
        check_rfc(&format!("host=\"{host}\""), &expect);
        let found = origin(
            Forwarded,
            CLIENT,
            Scheme::Http,
            "/",
            &format!("Host: {host}"),
        );
        assert_eq!(shown(found), expect);
    }
    let too_long = "a".repeat(254);
    let malformed = "user@a.example user:pw@a.example @ : :80 a:b a:80:80 a:+80 a:65536 a:000080 \
        a/b a?b a#b http://a a%20b a;b a'b a<b a>b a\\b (a) a=b a&b a!b a*b a~b [a] [] [::1 ::1 \
        [::1]x [::1]80 [fe80::1%1] [v1.a] ]a é.example a.example\u{e9}";
    for host in malformed
        .split_whitespace()
        .chain([too_long.as_str(), "a b"])
    {
        check_xff(&format!("X-Forwarded-Host: {host}"), "http://own.example");
        let escaped = host.replace('\\', "\\\\");
        check_rfc(&format!("host=\"{escaped}\""), "http://own.example");
        let found = origin(
            Forwarded,
            CLIENT,
            Scheme::Http,
            "/",
            &format!("Host: {host}"),
        );
        assert_eq!(shown(found), "http://-", "{host}");
    }
    check_rfc(r#"host="a,b""#, "http://own.example");
    check_rfc(r#"host="""#, "http://own.example");
}

#[test]
fn malformed_scheme_or_host_keeps_the_other() {
    let head = "X-Forwarded-Proto: https\nX-Forwarded-Host: a b\n";
    check_xff(head, "https://own.example");
    let head = "X-Forwarded-Proto: tls\nX-Forwarded-Host: a.example\n";
    check_xff(head, "http://a.example");
    check_rfc(r#"proto=https;host="a b""#, "https://own.example");
    check_rfc("proto=tls;host=a.example", "http://a.example");
}

#[test]
fn last_element_of_the_walk_is_used() {
    let proxy = "for=10.0.0.2;proto=http;host=inner.example";
    let client = "for=203.0.113.7;proto=https;host=a.example";
    check_rfc(&format!("{client}, {proxy}"), "https://a.example");
    check_rfc(&format!("{client}\n{proxy}"), "https://a.example");
    // If all hops are trusted, the left-most counts.
    let first = "for=10.0.0.3;proto=https;host=a.example";
    check_rfc(&format!("{first}, {proxy}"), "https://a.example");
    // No other element replaces a missing value.
    check_rfc(&format!("for=203.0.113.7, {first}"), "http://own.example");
    check_rfc(
        &format!("for=203.0.113.7;proto=https, {proxy}"),
        "https://own.example",
    );
    // A client with a hidden address counts as well.
    for hidden in ["unknown", "_hidden"] {
        let client = format!("for={hidden};proto=https;host=a.example");
        check_rfc(&format!("{client}, {proxy}"), "https://a.example");
    }
    check_rfc(
        &format!("proto=https;host=a.example, {proxy}"),
        "https://a.example",
    );
}

#[test]
fn elements_left_of_the_client_are_ignored() {
    let forged = "for=10.0.0.9;proto=https;host=evil.example";
    let client = "for=203.0.113.7;proto=http;host=a.example";
    for client in [client, "for=unknown;proto=http;host=a.example"] {
        check_rfc(&format!("{forged}, {client}"), "http://a.example");
        check_rfc(&format!("{forged}\n{client}"), "http://a.example");
        let proxied = format!("{client}, for=10.0.0.2;proto=https;host=inner.example");
        check_rfc(&format!("{forged}, {proxied}"), "http://a.example");
    }
    check_rfc(&format!("{forged}, for=203.0.113.7"), "http://own.example");
}

#[test]
fn malformed_element_stops_the_walk() {
    for malformed in [
        "for=203.0.113.7;proto=https;proto=https",
        "for=203.0.113.7;proto=https;host=a:80",
        "for=203.0.113.7;proto=https;x",
        "for=203.0.113.7;proto=https;x=\"",
    ] {
        check_rfc(malformed, "http://own.example");
        let proxied = format!("{malformed}, for=10.0.0.2;proto=https;host=inner.example");
        check_rfc(&proxied, "http://own.example");
    }
}

#[test]
fn host_is_that_of_the_target_or_header() {
    #[track_caller]
    fn check(target: &str, head: &str, expect: &str) {
        let found = origin(XForwardedFor, CLIENT, Scheme::Http, target, head);
        assert_eq!(shown(found), expect, "{target} {head}");
    }
    check("/", "", "http://-");
    check("*", "Host: a.example", "http://a.example");
    check("/", "Host: a.example\nHost: a.example", "http://-");
    // The scheme of a target is only a claim of the client.
    check("https://a.example/", "Host: b.example", "http://a.example");
    check("https://a.example:8443/x", "", "http://a.example:8443");
    check("http://user@a.example/", "Host: b.example", "http://-");
    check("a.example:443", "", "http://a.example:443");
}
