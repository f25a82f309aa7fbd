//! Checks client address, scheme and host of a request (contract IP-1, IP-2, IP-3, IP-5).
//!
//! The reference reader parses all elements of a header from the left, then walks the list from the
//! right. A line of `Forwarded` that violates the grammar cannot be parsed from the left. For such a line
//! only [`Case::check_any`] applies.

mod reading;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use self::reading::{Element, elements, ip_of, origin_host, origin_scheme, trusts};
use crate::{
    config::{ForwardedHeader, FromSetting as _, TrustedProxies},
    edge::{OriginRejection, RequestOrigin, client_ip::ClientIpResolver},
    request::{ForwardedSource, Peer, RequestSource, Scheme},
};

/// The trusted proxies of a case without a valid list.
const LAN: &str = "10.0.0.0/8, fd00::/8, unix";

/// Parses a case from `bytes`, and compares the resolution with the reference reader.
///
/// # Panics
///
/// On a violation of the contract.
pub(super) fn check(bytes: &[u8]) {
    let case = Case::read(bytes);
    let headers = case.headers(|_| true);
    let found = case.find(&headers);

    // Only the configured header and its companions are read.
    let is_read = |name: &str| match case.header {
        ForwardedHeader::Forwarded => name == "forwarded" || name == "host",
        ForwardedHeader::XForwardedFor => name.starts_with("x-forwarded-") || name == "host",
    };
    let alone = case.headers(|name| is_read(name) && name != "x-forwarded-port");
    assert_eq!(case.find(&alone), found, "another header was read");

    if !case.is_peer_trusted() {
        let bare = case.headers(|name| name == "host");
        assert_eq!(found.ip, case.peer.ip(), "by an untrusted peer");
        assert_eq!(case.find(&bare), found, "by an untrusted peer");
        assert_eq!(
            found.source,
            ForwardedSource::Nowhere,
            "by an untrusted peer"
        );
    } else if case.header == ForwardedHeader::XForwardedFor {
        case.check_list(&found);
    } else {
        case.check_elements(&found);
    }
    case.check_any(&found);
}

/// A connection and the head of a request on it.
struct Case<'a> {
    header: ForwardedHeader,
    scheme: Scheme,
    peer: Peer,
    trusted: TrustedProxies,
    /// The trusted proxies as text, for the reference reader.
    list: &'a str,
    lines: Vec<(&'static str, &'a [u8])>,
}

/// The result of the resolution.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    ip: Option<IpAddr>,
    source: ForwardedSource,
    origin: Claimed,
}

/// Scheme and host; an error if the proxies contradict each other.
type Claimed = Result<(Scheme, Option<String>), ()>;

/// The address, and the claims if they are about the hop of the client.
type Client = (Option<IpAddr>, Option<Claimed>);

impl<'a> Case<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut lines = bytes.split(|&byte| byte == b'\n');
        let mut line = || lines.next().unwrap_or_default();
        let (kind, peer) = (line(), line());
        let peer = match str::from_utf8(peer) {
            Ok("unix") => Peer::Unix,
            Ok("?") => Peer::Unknown,
            text => Peer::Ip(
                text.ok()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(IpAddr::from([10, 0, 0, 1])),
            ),
        };
        let list = str::from_utf8(line()).unwrap_or(LAN);
        let (list, trusted) = match TrustedProxies::parse(list) {
            Ok(trusted) => (list, trusted),
            Err(_) => (LAN, TrustedProxies::parse(LAN).expect("a list")),
        };
        let header = match kind.first() {
            Some(b'f') => ForwardedHeader::Forwarded,
            _ => ForwardedHeader::XForwardedFor,
        };
        let named = |line: &'a [u8]| {
            let (letter, value) = line.split_first()?;
            let name = match letter {
                b'x' => "x-forwarded-for",
                b'f' => "forwarded",
                b'p' => "x-forwarded-proto",
                b'h' => "x-forwarded-host",
                b'H' => "host",
                b'u' => "x_forwarded_for",
                b'o' => "x-forwarded-port",
                _ => return None,
            };
            // HTTP rejects an invalid value before.
            HeaderValue::from_bytes(value).ok()?;
            Some((name, value.trim_ascii()))
        };
        Self {
            header,
            scheme: match kind.len() {
                0 | 1 => Scheme::Http,
                _ => Scheme::Https,
            },
            peer,
            trusted,
            list,
            lines: lines.filter_map(named).collect(),
        }
    }

    /// The headers whose names satisfy `is_included`.
    fn headers(&self, is_included: impl Fn(&str) -> bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.lines {
            if is_included(name) {
                let value = HeaderValue::from_bytes(value).expect("the value was validated");
                headers.append(HeaderName::from_static(name), value);
            }
        }
        headers
    }

    fn find(&self, headers: &HeaderMap) -> Found {
        let resolver = ClientIpResolver::new(self.trusted.clone(), self.header);
        let resolved = resolver.resolve(resolver.check(self.peer), headers);
        let way = RequestSource {
            scheme: self.scheme,
            forwarded: resolved.source,
        };
        let origin = match RequestOrigin::of(way, &Uri::from_static("/"), headers) {
            Ok(origin) => Ok((origin.scheme(), origin.host().map(ToString::to_string))),
            Err(OriginRejection::Conflict) => Err(()),
            Err(OriginRejection::Outside(_)) => panic!("it is a request"),
        };
        Found {
            ip: resolved.client_ip,
            source: resolved.source,
            origin,
        }
    }

    fn is_peer_trusted(&self) -> bool {
        match self.peer {
            Peer::Ip(ip) => trusts(self.list, ip),
            Peer::Unix => self.list.split(',').any(|item| item.trim() == "unix"),
            Peer::Unknown => false,
        }
    }

    /// The values of a header in their order.
    fn values(&self, name: &str) -> Vec<&'a [u8]> {
        let lines = self.lines.iter();
        lines
            .filter(|(it, _)| *it == name)
            .map(|&(_, value)| value)
            .collect()
    }

    /// The elements of a list in all lines of a header.
    fn list(&self, name: &str) -> Vec<Vec<u8>> {
        let joined = self.values(name).join(&b',');
        let elements = joined
            .split(|&byte| byte == b',')
            .map(|element| element.trim_ascii().to_vec());
        elements.filter(|element| !element.is_empty()).collect()
    }

    /// The host of the request's own `Host` header.
    fn own_host(&self) -> Option<String> {
        match self.values("host").as_slice() {
            [one] => origin_host(one),
            _ => None,
        }
    }

    /// Walks `hops` from the right. Returns the client, and the index of the hop that names it.
    fn walk(&self, hops: &[Option<IpAddr>]) -> (Option<IpAddr>, usize) {
        let mut client = self.peer.ip();
        for (number, hop) in hops.iter().rev().enumerate() {
            match *hop {
                None => return (client, number),
                Some(ip) if !trusts(self.list, ip) => return (Some(ip), number),
                Some(ip) => client = Some(ip),
            }
        }
        (client, hops.len().saturating_sub(1))
    }

    /// Checks a request of a trusted peer that sends `X-Forwarded-…`.
    fn check_list(&self, found: &Found) {
        let hops: Vec<_> = self.list("x-forwarded-for");
        let hops: Vec<_> = hops.iter().map(|hop| ip_of(hop, false)).collect();
        assert_eq!(found.ip, self.walk(&hops).0, "the address");
        assert_eq!(found.source, ForwardedSource::InXForwarded);

        let schemes: Vec<_> = self.list("x-forwarded-proto");
        let schemes: Vec<_> = schemes.iter().map(|text| origin_scheme(text)).collect();
        let hosts: Vec<_> = self.list("x-forwarded-host");
        let hosts: Vec<_> = hosts.iter().map(|text| origin_host(text)).collect();
        let host = match hosts.as_slice() {
            [] => None,
            [one] => one.clone(),
            [Some(one), more @ ..] => more
                .iter()
                .flatten()
                .filter(|other| other.eq_ignore_ascii_case(one))
                .count()
                .eq(&more.len())
                .then(|| one.clone()),
            [None, ..] => None,
        };
        let host = host.or_else(|| self.own_host());
        let expected = match schemes.as_slice() {
            [] | [None] => Ok(self.scheme),
            [Some(one), more @ ..] if more.iter().all(|other| *other == Some(*one)) => Ok(*one),
            _ => Err(()),
        };
        assert_eq!(found.origin, expected.map(|scheme| (scheme, host)));
    }

    /// Checks a request of a trusted peer that sends `Forwarded`.
    fn check_elements(&self, found: &Found) {
        let lines = self.values("forwarded");
        let Some(lines): Option<Vec<_>> = lines.into_iter().map(elements).collect() else {
            return;
        };
        let elements: Vec<Element> = lines.concat();
        let hops: Vec<_> = elements.iter().map(Element::ip).collect();
        let (ip, number) = self.walk(&hops);
        assert_eq!(found.ip, ip, "the address");
        assert_eq!(found.source, ForwardedSource::InForwarded { hop: number });
        let client = elements
            .iter()
            .nth_back(number)
            .cloned()
            .unwrap_or_default();
        let scheme = client.proto.and_then(|text| origin_scheme(&text));
        let host = client.host.and_then(|text| origin_host(&text));
        let expected = (
            scheme.unwrap_or(self.scheme),
            host.or_else(|| self.own_host()),
        );
        assert_eq!(found.origin, Ok(expected));
    }

    /// Checks invariants of any line. The client address occurs in the header. What an untrusted client
    /// sends in front of the proxies' elements has no effect.
    fn check_any(&self, found: &Found) {
        let name = match self.header {
            ForwardedHeader::Forwarded => "forwarded",
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
        };
        let values = self.values(name);
        let Some(ip) = found.ip.filter(|_| found.ip != self.peer.ip()) else {
            return;
        };
        assert_eq!(ip, ip.to_canonical(), "one client has one form");
        assert!(values.iter().any(|value| is_written(value, ip)), "{ip}");
        if trusts(self.list, ip) {
            return;
        }
        // An attacker knows what the proxies append.
        let attacks = [
            &b"203.0.113.66"[..],
            b"for=203.0.113.66;proto=http;host=evil.example",
            b"for=\"203.0.113.66",
            b"x=\"a, for=203.0.113.66\\",
            b"for=203.0.113.66;x=\"",
            b"\"",
            b"=\"",
            b"\\",
            values.last().copied().unwrap_or_default(),
        ];
        let first = self.lines.iter().position(|(it, _)| *it == name);
        for attack in attacks {
            let own_line = [(name, attack)];
            let mut attacked = self.with_lines(own_line.iter().chain(&self.lines).copied());
            assert_eq!(
                attacked.client(),
                found.client_of(self),
                "before: {attack:?}"
            );
            if let Some(first) = first {
                let joined = [attack, self.lines[first].1].join(&b',');
                attacked = self.with_lines(self.lines.iter().copied());
                attacked.lines[first].1 = &joined;
                assert_eq!(
                    attacked.client(),
                    found.client_of(self),
                    "joined: {attack:?}"
                );
            }
        }
    }

    fn with_lines<'b>(&'b self, lines: impl Iterator<Item = (&'static str, &'b [u8])>) -> Case<'b> {
        Case {
            header: self.header,
            scheme: self.scheme,
            peer: self.peer,
            trusted: self.trusted.clone(),
            list: self.list,
            lines: lines.collect(),
        }
    }

    fn client(&self) -> Client {
        self.find(&self.headers(|_| true)).client_of(self)
    }
}

impl Found {
    /// The part that an attack must not change: the address, and the claims about the client's hop.
    fn client_of(&self, case: &Case<'_>) -> Client {
        let origin = (case.header == ForwardedHeader::Forwarded).then(|| self.origin.clone());
        (self.ip, origin)
    }
}

/// Whether some part of `value`, without its backslashes, is a spelling of `ip`.
fn is_written(value: &[u8], ip: IpAddr) -> bool {
    let escaped: Vec<u8> = value.iter().copied().filter(|&it| it != b'\\').collect();
    let could_be = |byte: &u8| byte.is_ascii_hexdigit() || b".:".contains(byte);
    let runs = escaped.split(|byte| !could_be(byte));
    runs.into_iter().any(|run| {
        (0..run.len()).any(|begin| {
            (begin + 2..=run.len().min(begin + 45)).any(|end| {
                let text = str::from_utf8(&run[begin..end]).unwrap_or_default();
                text.parse::<IpAddr>()
                    .is_ok_and(|it| it.to_canonical() == ip)
            })
        })
    })
}
