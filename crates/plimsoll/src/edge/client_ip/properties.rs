//! Properties of the walk for arbitrary headers.

use std::iter;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::HeaderValue;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::config::ForwardedHeader::{Forwarded, XForwardedFor};
use crate::config::FromSetting;

const LAN: &str = "10.0.0.0/8, fd00::/8";

/// A header value of any allowed bytes, more often of those with a meaning.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let syntax = select(b"\"\\,;=[]:. \tfor_%1".to_vec());
    let allowed = any::<u8>().prop_filter(
        "not in a header value",
        |byte| matches!(byte, b'\t' | 32..=126 | 128..),
    );
    let piece = prop_oneof![
        4 => syntax.prop_map(|byte| vec![byte]),
        2 => allowed.prop_map(|byte| vec![byte]),
        1 => any_ip().prop_map(|ip| ip.to_string().into_bytes()),
        1 => any_ip().prop_map(|ip| format!("for=\"[{ip}]\"").into_bytes()),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Addresses, some of them trusted or mapped.
fn any_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()),
        trusted_ip(),
    ]
}

fn trusted_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d])),
        any::<u8>().prop_map(|low| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, low.into()))),
    ]
}

fn untrusted_ip() -> impl Strategy<Value = IpAddr> {
    let trusted: TrustedProxies = FromSetting::parse(LAN).unwrap();
    any_ip().prop_filter("trusted", move |&ip| !trusted.contains(ip))
}

/// Mostly trusted hops, so that walks are long.
fn any_hop() -> impl Strategy<Value = Option<IpAddr>> {
    prop_oneof![
        2 => any_ip().prop_map(Some),
        6 => trusted_ip().prop_map(Some),
        1 => Just(None),
    ]
}

fn any_separator() -> impl Strategy<Value = &'static str> {
    select(vec![",", ", ", ",,\t ,", "\n"])
}

fn any_header() -> impl Strategy<Value = ForwardedHeader> {
    select(vec![XForwardedFor, Forwarded])
}

/// One of the forms of `ip` as an element of `header`.
fn element(header: ForwardedHeader, ip: IpAddr, style: Index) -> String {
    let node = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let mut styles = match header {
        XForwardedFor => vec![ip.to_string(), node.clone(), format!("{node}:80")],
        Forwarded => vec![
            format!("for=\"{node}\""),
            format!("FOR=\"{node}:65535\";proto=https"),
            format!("host=\"a,b;c\\\"\\\\\" ; For=\"{node}:_p-1\";by=_me"),
            format!("ext=\"\u{e9}, for=1.1.1.1\";for=\"\\{node}\""),
        ],
    };
    if header == Forwarded && ip.is_ipv4() {
        styles.push(format!("for={ip}"));
    }
    style.get(&styles).clone()
}

fn name(header: ForwardedHeader) -> HeaderName {
    if header == Forwarded {
        FORWARDED
    } else {
        X_FORWARDED_FOR.clone()
    }
}

fn resolve(header: ForwardedHeader, peer: Peer, lines: &[Vec<u8>]) -> Option<IpAddr> {
    let trusted = FromSetting::parse(&format!("{LAN}, unix")).unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name(header), HeaderValue::from_bytes(line).unwrap());
    }
    let resolver = ClientIpResolver::new(trusted, header);
    resolver.resolve(resolver.check(peer), &headers).client_ip
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|char| u8::try_from(char).unwrap())
        .collect()
}

/// A reference implementation, over all hops at once.
fn reference(peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
    let trusted: TrustedProxies = FromSetting::parse(LAN).unwrap();
    let readable = hops
        .iter()
        .rposition(Option::is_none)
        .map_or(0, |at| at + 1);
    let path: Vec<IpAddr> = hops[readable..]
        .iter()
        .copied()
        .flatten()
        .chain([peer])
        .collect();
    let client = path
        .iter()
        .rposition(|&ip| !trusted.contains(ip))
        .unwrap_or(0);
    path[client].to_canonical()
}

proptest! {
    #[test]
    fn arbitrary_headers_do_not_panic(
        header in any_header(),
        peer in prop_oneof![Just(Peer::Unix), any_ip().prop_map(Peer::Ip)],
        lines in vec(any_value(), 0..4),
    ) {
        let found = resolve(header, peer, &lines);
        // The result is canonical, too.
        prop_assert_eq!(found, found.map(|ip| ip.to_canonical()));
    }

    #[test]
    fn untrusted_peer_keeps_its_address(
        header in any_header(),
        peer in untrusted_ip(),
        lines in vec(any_value(), 0..4),
    ) {
        prop_assert_eq!(resolve(header, Peer::Ip(peer), &lines), Some(peer.to_canonical()));
    }

    #[test]
    fn elements_left_of_untrusted_hop_have_no_effect(
        header in any_header(),
        attack in vec(any_value(), 1..4),
        client in untrusted_ip(),
        proxies in vec(trusted_ip(), 0..4),
        styles in vec(any::<Index>(), 5),
        own_line in any::<bool>(),
    ) {
        let honest: Vec<String> = iter::once(&client)
            .chain(&proxies)
            .zip(&styles)
            .map(|(&ip, &style)| element(header, ip, style))
            .collect();
        let honest = latin1(&honest.join(", "));
        let mut lines = attack;
        if own_line {
            lines.push(honest);
        } else if let Some(last) = lines.last_mut() {
            last.push(b',');
            last.extend(honest);
        }
        let peer = Peer::Ip(IpAddr::from([10, 0, 0, 1]));
        prop_assert_eq!(resolve(header, peer, &lines), Some(client.to_canonical()));
    }

    #[test]
    fn well_formed_lists_match_the_reference(
        header in any_header(),
        peer in any_ip(),
        hops in vec((any_hop(), any::<Index>(), any_separator()), 0..8),
    ) {
        let mut text = String::new();
        for &(ip, style, before) in &hops {
            let no_address = if header == Forwarded { "for=unknown" } else { "unknown" };
            text += before;
            text += &ip.map_or(no_address.to_owned(), |ip| element(header, ip, style));
        }
        let lines: Vec<Vec<u8>> = text.split('\n').map(latin1).collect();
        let ips: Vec<Option<IpAddr>> = hops.iter().map(|&(ip, ..)| ip).collect();
        prop_assert_eq!(resolve(header, Peer::Ip(peer), &lines), Some(reference(peer, &ips)));
    }
}
