//! Scheme and host of a request behind a proxy.

use harness::{Process, request};

use crate::support::{assert_problem, start};

/// Returns the scheme and host that the service sees.
#[track_caller]
fn origin(service: &Process, headers: &str) -> String {
    let answer = service.request(format!(
        "GET /origin HTTP/1.1\r\nHost: own.example:8080\r\nConnection: close\r\n{headers}\r\n"
    ));
    assert_eq!(answer.status, 200, "{headers}");
    answer.text().to_owned()
}

const PROXIED: &str = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n";

/// IP-5
#[test]
fn origin_from_an_untrusted_peer_is_that_of_the_request() {
    for trusted in [&[][..], &[("TRUSTED_PROXIES", "10.0.0.0/8")]] {
        let service = start(trusted);
        let own = "http://own.example:8080";
        assert_eq!(origin(&service, ""), own);
        assert_eq!(origin(&service, PROXIED), own);
        let forwarded = "Forwarded: proto=https;host=a.example\r\n";
        assert_eq!(origin(&service, forwarded), own);
        // The scheme of a target comes from the client, too.
        let answer = service.request(
            "GET https://b.example/origin HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(answer.text(), "http://b.example");
    }
}

/// IP-5
#[test]
fn origin_is_that_of_a_trusted_proxy() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    assert_eq!(origin(&service, PROXIED), "https://a.example");
    assert_eq!(origin(&service, ""), "http://own.example:8080");
    let one = "X-Forwarded-Proto: https\r\n";
    assert_eq!(origin(&service, one), "https://own.example:8080");
    let other = "Forwarded: proto=https;host=a.example\r\n";
    assert_eq!(origin(&service, other), "http://own.example:8080");
}

/// IP-5
#[test]
fn origin_in_the_standard_header_is_that_of_the_clients_hop() {
    let service = start(&[
        ("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
        ("FORWARDED_HEADER", "forwarded"),
    ]);
    let client = "for=203.0.113.7;proto=https;host=a.example";
    let headers = format!(
        "Forwarded: for=6.6.6.6;proto=http;host=evil.example, {client}\r\n\
         Forwarded: for=10.1.2.3;proto=http;host=inner.example\r\n"
    );
    assert_eq!(origin(&service, &headers), "https://a.example");
    assert_eq!(origin(&service, PROXIED), "http://own.example:8080");
}

/// IP-5
#[test]
fn two_schemes_from_a_trusted_proxy_are_a_400() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    for schemes in ["https, http", "http\r\nX-Forwarded-Proto: https"] {
        let headers = format!("X-Forwarded-Proto: {schemes}\r\n");
        assert_problem(&service.request(request("GET", "/origin", &headers)), 400);
        // Handlers that do not use the origin are not affected.
        assert_eq!(
            service.request(request("GET", "/hello", &headers)).status,
            200
        );
    }
    let service = start(&[]);
    let headers = "X-Forwarded-Proto: https, http\r\n";
    assert_eq!(origin(&service, headers), "http://own.example:8080");
}
