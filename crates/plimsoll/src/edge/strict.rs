//! Rejects heads that hyper accepts and RFC 9112 forbids (contract SRV-3).
//!
//! | part | rule | section |
//! |---|---|---|
//! | target | a path, an absolute URI, `*` for OPTIONS; host and port for CONNECT, an absolute URI with `:protocol` (RFC 8441); no fragment | 3.2 |
//! | `Host` | exactly once in HTTP/1.1, at most once in HTTP/1.0, well-formed | 3.2 |
//! | `Transfer-Encoding` | `chunked`, once, in HTTP/1.1 only: no other coding is implemented | 6.1 |
//! | head | at most 64 KiB | |
//!
//! The `http` crate drops a fragment, so [`crate::server`] detects one in the bytes of the request line.
//! The rules of RFC 9112 for bodies are checked there, too.
//!
//! A rejected request is answered, and its connection is closed. The bytes that follow may be the second
//! half of a message that a proxy on the path has parsed differently.

use std::net::Ipv6Addr;

use http::{HeaderValue, Method, Request, Version, header, uri::Authority};
use hyper::ext::Protocol;

use super::head_fields::{HeadFields, Values};
use crate::metrics::ProtocolError;

/// The largest head of a request, in bytes.
pub(crate) const MAX_HEAD: u64 = 64 * 1024;

/// Rejects a request that must not be handled. `read` is the number of bytes that the connection has
/// read since the previous request.
pub(super) fn check<B>(
    request: &Request<B>,
    fields: &HeadFields<'_>,
    read: u64,
    has_fragment: bool,
) -> Result<(), ProtocolError> {
    let valid = !has_fragment
        && has_valid_target(request)
        && has_valid_host(request, fields.host)
        && has_valid_coding(request.version(), fields.transfer_encoding);
    if !valid {
        return Err(ProtocolError::Malformed);
    }
    // hyper limits its buffer only, which is up to twice as large. Most heads need no measurement.
    if read > MAX_HEAD && head_size(request) > MAX_HEAD {
        return Err(ProtocolError::HeadTooLarge);
    }
    Ok(())
}

/// Whether a client requests a WebSocket (RFC 6455, 4.1). Clients that offer other protocols accept a
/// response without the upgrade.
pub(crate) fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    let protocol = match request.extensions().get::<Protocol>() {
        // RFC 8441, section 5.
        Some(protocol) => Some(protocol.as_ref()),
        None => request
            .headers()
            .get(header::UPGRADE)
            .map(HeaderValue::as_bytes),
    };
    protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

fn has_valid_target<B>(request: &Request<B>) -> bool {
    let (method, uri) = (request.method(), request.uri());
    let path = uri.path();
    let authority = uri.authority().map(|it| host_and_port(it.as_str()));
    let is_connect = *method == Method::CONNECT;
    match (uri.scheme_str(), authority) {
        (Some(scheme), Some(Some(_))) => {
            let is_extended = || request.extensions().get::<Protocol>().is_some();
            (!is_connect || path.starts_with('/') && is_extended())
                && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        }
        // RFC 9110, section 9.3.6: a missing or invalid port must be rejected.
        (None, Some(Some((_, port)))) => is_connect && port.parse::<u16>().is_ok(),
        (None, None) if is_connect => false,
        (None, None) => path.starts_with('/') || (path == "*" && *method == Method::OPTIONS),
        _ => false,
    }
}

/// Whether the host is valid. HTTP/1.0 does not define `Host`, so there it may be missing. In HTTP/2 the
/// authority replaces it, and if both are present they must be equal (RFC 9113, 8.3.1).
fn has_valid_host<B>(request: &Request<B>, sent: Values<'_>) -> bool {
    let authority = match request.version() {
        Version::HTTP_2 => request.uri().authority(),
        _ => None,
    };
    match (sent, authority) {
        (Values::One(host), Some(authority)) => {
            host.as_bytes()
                .eq_ignore_ascii_case(authority.as_str().as_bytes())
                && is_valid_host(host.as_bytes())
        }
        (Values::One(host), None) => is_valid_host(host.as_bytes()),
        (Values::None, Some(authority)) => is_valid_host(authority.as_str().as_bytes()),
        (Values::None, None) => request.version() <= Version::HTTP_10,
        (Values::Several, _) => false,
    }
}

fn has_valid_coding(version: Version, sent: Values<'_>) -> bool {
    match sent {
        Values::None => true,
        Values::One(coding) => {
            version == Version::HTTP_11 && coding.as_bytes().eq_ignore_ascii_case(b"chunked")
        }
        Values::Several => false,
    }
}

/// The size of a head in bytes, without optional white space.
fn head_size<B>(request: &Request<B>) -> u64 {
    let line = request.method().as_str().len() + request.uri().to_string().len() + 12;
    let fields = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    (line + fields.sum::<usize>() + 2) as u64
}

/// Whether `host` is a host with an optional port, without user information.
fn is_valid_host(host: &[u8]) -> bool {
    is_plain_host(host)
        || Authority::try_from(host).is_ok_and(|host| host_and_port(host.as_str()).is_some())
}

/// Whether `host` is a name or an IPv4 address with an optional port, as nearly all hosts are.
///
/// This takes a twentieth of the time of the whole grammar. With it, [`is_valid_host`] takes 140
/// instructions (tests/cost.txt).
fn is_plain_host(host: &[u8]) -> bool {
    /// The characters of a name.
    const NAME: [bool; 256] = {
        let mut name = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            name[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            byte += 1;
        }
        name
    };
    let end = host.iter().position(|byte| !NAME[usize::from(*byte)]);
    match end.map(|end| host.split_at(end)) {
        None => !host.is_empty(),
        Some((name, [b':', port @ ..])) => {
            !name.is_empty() && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
        }
        Some(_) => false,
    }
}

/// The host and the port of an authority; `None` if either is malformed.
///
/// `http` checks only the characters of an authority, not the port and not the content of brackets.
fn host_and_port(authority: &str) -> Option<(&str, &str)> {
    let (host, rest) = if let Some(literal) = authority.strip_prefix('[') {
        let (address, rest) = literal.split_once(']')?;
        if !is_ip_literal(address) {
            return None;
        }
        (address, rest)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        authority.split_at(end)
    };
    if host.is_empty() || host.contains(['@', '[', ']']) {
        return None;
    }
    // "host:" with an empty port is allowed by RFC 3986.
    let port = match rest {
        "" => "",
        rest => rest.strip_prefix(':')?,
    };
    (port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())).then_some((host, port))
}

/// Whether `text` is the content of an IP literal: an IPv6 address, or `IPvFuture` (RFC 3986, 3.2.2).
fn is_ip_literal(text: &str) -> bool {
    if text.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    let future = text
        .strip_prefix(['v', 'V'])
        .and_then(|it| it.split_once('.'));
    future.is_some_and(|(version, address)| {
        let is_hex = |byte: u8| byte.is_ascii_hexdigit();
        !version.is_empty() && version.bytes().all(is_hex) && !address.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    fn checked<B>(request: &Request<B>, read: u64) -> Result<(), ProtocolError> {
        let fields = HeadFields::of(request.headers());
        check(request, &fields, read, false)
    }

    #[track_caller]
    fn check_hosts(version: Version, hosts: &[&str], valid: bool) {
        let mut request = Request::builder().version(version);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let request = request.body(()).unwrap();
        assert_eq!(checked(&request, 0).is_ok(), valid, "{version:?} {hosts:?}");
    }

    #[test]
    fn host_is_required_once_and_well_formed() {
        for host in [
            "example.com",
            "example.com:80",
            "127.0.0.1",
            "[::1]:8080",
            "[::1]",
            "[::ffff:192.0.2.1]:",
            "[v1.a:b]",
            "a:",
        ] {
            check_hosts(Version::HTTP_11, &[host], true);
        }
        for host in [
            "",
            "a b",
            "user@example.com",
            "a:b",
            "a:123456",
            "a/b",
            "[::1]x",
            "a,b c",
            ":80",
            "[]",
            "[a]:80",
            "[1::2::3]",
            "[::1%25eth0]",
            "[v.a]",
            "a[b]",
            "[::1]a:80",
        ] {
            check_hosts(Version::HTTP_11, &[host], false);
        }
        check_hosts(Version::HTTP_11, &[], false);
        check_hosts(Version::HTTP_11, &["a", "a"], false);
        check_hosts(Version::HTTP_10, &[], true);
        check_hosts(Version::HTTP_10, &["a", "b"], false);
        check_hosts(Version::HTTP_2, &["a"], true);
        check_hosts(Version::HTTP_2, &[], false);
    }

    #[track_caller]
    fn check_authority(uri: &str, host: Option<&str>, valid: bool) {
        let mut request = Request::builder().version(Version::HTTP_2).uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let request = request.body(()).unwrap();
        assert_eq!(checked(&request, 0).is_ok(), valid, "{uri} {host:?}");
    }

    #[test]
    fn authority_replaces_host_and_must_equal_it() {
        check_authority("https://a/b", None, true);
        check_authority("https://a/b", Some("A"), true);
        check_authority("https://a/b", Some("c"), false);
        check_authority("https://u@a/b", None, false);
        check_authority("https://a:x/b", None, false);
    }

    #[track_caller]
    fn check_line(method: &str, uri: &str, coding: &[&str], status: Option<u16>) {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, "a");
        for coding in coding {
            request = request.header(header::TRANSFER_ENCODING, *coding);
        }
        let rejected = checked(&request.body(()).unwrap(), 0).err();
        assert_eq!(
            rejected.and_then(ProtocolError::status),
            status,
            "{method} {uri} {coding:?}"
        );
    }

    #[test]
    fn target_form_depends_on_method() {
        check_line("GET", "/a?b", &[], None);
        check_line("GET", "http://a/b", &[], None);
        check_line("OPTIONS", "*", &[], None);
        check_line("CONNECT", "a:80", &[], None);
        check_line("CONNECT", "[::1]:80", &[], None);
        check_line("GET", "http://[::1]:80/b", &[], None);
        check_line("GET", "*", &[], Some(400));
        check_line("GET", "hello", &[], Some(400));
        check_line("POST", "a:80", &[], Some(400));
        for target in [
            "a",
            "a:",
            "a:x",
            "a:99999",
            ":80",
            "u@a:80",
            "/a",
            "http://a:80",
        ] {
            check_line("CONNECT", target, &[], Some(400));
        }
        for authority in ["", "u@a", "u:p@a", ":80", "a:x", "[]", "[a]", "[::1]x"] {
            // `http` rejects some of them itself.
            if let Ok(uri) = format!("http://{authority}/b").parse::<Uri>() {
                check_line("GET", &uri.to_string(), &[], Some(400));
            }
        }
    }

    /// H2-6
    #[test]
    fn connect_with_path_requires_protocol() {
        let check_connect = |uri: &str, protocol: Option<&'static str>, valid: bool| {
            let mut request = Request::builder()
                .method(Method::CONNECT)
                .version(Version::HTTP_2)
                .uri(uri);
            if let Some(protocol) = protocol {
                request = request.extension(Protocol::from_static(protocol));
            }
            let is_valid = checked(&request.body(()).unwrap(), 0).is_ok();
            assert_eq!(is_valid, valid, "{uri} {protocol:?}");
        };
        check_connect("https://a/b", Some("websocket"), true);
        check_connect("http://[::1]:80/", Some("echo"), true);
        check_connect("https://a/b", None, false);
        check_connect("https://u@a/b", Some("websocket"), false);
        check_connect("https://a:x/b", Some("websocket"), false);
        check_connect("/b", Some("websocket"), false);
    }

    #[test]
    fn only_single_chunked_coding_is_accepted() {
        check_line("POST", "/", &["chunked"], None);
        check_line("POST", "/", &["Chunked"], None);
        for codings in [
            &["chunked, chunked"][..],
            &["gzip, chunked"],
            &["identity"],
            &[""],
            &["chunked", "chunked"],
        ] {
            check_line("POST", "/", codings, Some(400));
        }
    }

    #[test]
    fn head_is_measured_only_after_many_bytes() {
        let long = "x".repeat(70_000);
        let request = Request::builder()
            .header(header::HOST, "a")
            .header("x", long)
            .body(())
            .unwrap();
        assert!(checked(&request, MAX_HEAD).is_ok(), "few bytes were read");
        assert!(checked(&request, MAX_HEAD + 1).is_err());
        let short = Request::builder()
            .header(header::HOST, "a")
            .body(())
            .unwrap();
        assert!(
            checked(&short, 10 * MAX_HEAD).is_ok(),
            "the bytes may be those of a body"
        );
    }

    proptest::proptest! {
        #[test]
        fn plain_host_is_valid_by_whole_grammar(host in "[a-zA-Z0-9.:@\\[\\]_-]{0,12}(:[0-9]{0,6})?") {
            let whole = Authority::try_from(host.as_bytes())
                .is_ok_and(|host| host_and_port(host.as_str()).is_some());
            proptest::prop_assert!(whole || !is_plain_host(host.as_bytes()), "{}", host);
        }
    }
}
