//! IP: the client's address.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use axum::{Router, extract::ConnectInfo, routing::get};
use harness::Process;
use plimsoll::{App, UdsConnectInfo, build_info};

use crate::embedded::Embedded;
use crate::support::{assert_problem, request, start};

/// Asks the service who the client is, over a connection from 127.0.0.1; the access record must say
/// the same.
#[track_caller]
fn client(service: &Process, headers: &str) -> String {
    let marker = service.records_with("http_request").len().to_string();
    let target = format!("/client?{marker}");
    let answer = service.request(request("GET", &target, headers));
    assert_eq!(answer.status, 200);
    let ip = answer.text().trim_end().to_owned();
    let record = service.wait_for_record(|record| {
        record["message"] == "http_request" && record["query"] == marker.as_str()
    });
    assert_eq!(
        record["ip"],
        ip.as_str(),
        "the handler and the record know the same address"
    );
    ip
}

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
fn the_last_untrusted_hop_before_a_trusted_peer_is_the_client() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8, 2001:db8::/32")]);
    for (headers, expected) in [
        // Nothing to go by.
        ("", "127.0.0.1"),
        ("X-Forwarded-For: \r\n", "127.0.0.1"),
        ("X-Forwarded-For: , ,\r\n", "127.0.0.1"),
        // The walk from the right.
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
        // All trusted: the left-most.
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
        // IPv4 in IPv6 clothes.
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
fn an_element_that_is_no_address_stops_the_walk_at_the_last_trusted_hop() {
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
fn an_ipv4_peer_of_an_ipv6_socket_is_trusted_by_its_ipv4_address() {
    let service = start(&[("HOST", "::"), ("TRUSTED_PROXIES", "127.0.0.0/8")]);
    assert_eq!(
        client(&service, "X-Forwarded-For: 203.0.113.7\r\n"),
        "203.0.113.7"
    );
    assert_eq!(client(&service, ""), "127.0.0.1");
}

/// IP-2
#[test]
fn a_trusted_network_may_be_written_with_mapped_addresses() {
    let service = start(&[("TRUSTED_PROXIES", "::ffff:127.0.0.1")]);
    assert_eq!(
        client(&service, "X-Forwarded-For: 203.0.113.7\r\n"),
        "203.0.113.7"
    );
}

/// IP-2
#[test]
fn an_ipv6_peer_is_trusted_by_its_network() {
    let service = start(&[("HOST", "::1"), ("TRUSTED_PROXIES", "::1/128")]);
    assert_eq!(
        client(&service, "X-Forwarded-For: 203.0.113.7\r\n"),
        "203.0.113.7"
    );
    assert_eq!(client(&service, ""), "::1");
}

/// A path for a socket; the system allows only some hundred bytes.
fn socket_path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("plimsoll-{}-{name}", std::process::id()));
    drop(fs::remove_file(&path));
    path
}

/// IP-2
#[test]
fn a_peer_on_a_unix_socket_is_a_dash_and_not_trusted() {
    let path = socket_path("untrusted");
    let host = format!("unix:{}", path.display());
    let service = start(&[("HOST", &host), ("TRUSTED_PROXIES", "0.0.0.0/0,::/0")]);
    assert_eq!(client(&service, ""), "-");
    assert_eq!(client(&service, "X-Forwarded-For: 203.0.113.7\r\n"), "-");
    drop(service);
    drop(fs::remove_file(path));
}

/// IP-2
#[test]
fn a_peer_on_a_unix_socket_is_trusted_if_the_list_says_unix() {
    let path = socket_path("trusted");
    let host = format!("unix:{}", path.display());
    let service = start(&[("HOST", &host), ("TRUSTED_PROXIES", "unix,10.0.0.0/8")]);
    assert_eq!(
        client(&service, "X-Forwarded-For: 203.0.113.7, 10.1.2.3\r\n"),
        "203.0.113.7"
    );
    assert_eq!(client(&service, "X-Forwarded-For: unknown\r\n"), "-");
    drop(service);
    drop(fs::remove_file(path));
}

/// IP-3
#[test]
fn the_standard_header_is_read_if_configured() {
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
fn look_alikes_of_the_header_are_not_read() {
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

/// Asks the service how it was addressed.
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
fn scheme_and_host_of_an_untrusted_peer_are_those_of_the_request() {
    for trusted in [&[][..], &[("TRUSTED_PROXIES", "10.0.0.0/8")]] {
        let service = start(trusted);
        let own = "http://own.example:8080";
        assert_eq!(origin(&service, ""), own);
        assert_eq!(origin(&service, PROXIED), own);
        let forwarded = "Forwarded: proto=https;host=a.example\r\n";
        assert_eq!(origin(&service, forwarded), own);
        // The scheme of a target is the client's word, too.
        let answer = service.request(
            "GET https://b.example/origin HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(answer.text(), "http://b.example");
    }
}

/// IP-5
#[test]
fn scheme_and_host_are_what_a_trusted_proxy_says() {
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
fn scheme_and_host_in_the_standard_header_are_those_of_the_clients_hop() {
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
fn two_schemes_in_the_header_of_a_trusted_proxy_are_a_bad_request() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    for schemes in ["https, http", "http\r\nX-Forwarded-Proto: https"] {
        let headers = format!("X-Forwarded-Proto: {schemes}\r\n");
        assert_problem(&service.request(request("GET", "/origin", &headers)), 400);
        // Whoever does not ask is not concerned.
        assert_eq!(
            service.request(request("GET", "/hello", &headers)).status,
            200
        );
    }
    let service = start(&[]);
    let headers = "X-Forwarded-Proto: https, http\r\n";
    assert_eq!(origin(&service, headers), "http://own.example:8080");
}

/// IP-2: what axum's own extractor gives of a unix socket's peer.
#[tokio::test]
async fn credentials_of_a_unix_peer_are_extracted() {
    let peer = |ConnectInfo(peer): ConnectInfo<UdsConnectInfo>| async move {
        format!("{} {:?}", peer.uid(), peer.pid())
    };
    let router = Router::new().route("/peer", get(peer));
    let service = Embedded::serve(App::new(build_info!()).router(router), &[]);
    service.wait_until_ready().await;
    let (status, text) = service.get("/peer").await;
    assert_eq!(status, 200);
    // The client is a thread of this process.
    let uid = fs::metadata("/proc/self").unwrap().uid();
    assert_eq!(text, format!("{uid} Some({})", std::process::id()));
    drop(service.stop().report().await);
}
