//! Resolves the client address of a request behind trusted proxies.
//!
//! Each proxy appends the address that *it* saw, so the header grows to the right:
//!
//! ```text
//! client ───────► outer proxy ──────► inner proxy ────────────────► this service
//! 203.0.113.7     10.0.0.8            10.0.0.9
//!   X-Forwarded-For: 1.2.3.4
//!                   1.2.3.4, 203.0.113.7
//!                                       1.2.3.4, 203.0.113.7, 10.0.0.8
//! ```
//!
//! | Step          | Address       | Reported by     | Trusted | Result         |
//! |---------------|---------------|-----------------|---------|----------------|
//! | the peer      | `10.0.0.9`    | the socket      | yes     | continue       |
//! | one left      | `10.0.0.8`    | `10.0.0.9`      | yes     | continue       |
//! | one left      | `203.0.113.7` | `10.0.0.8`      | no      | the client     |
//! | never reached | `1.2.3.4`     | the client only |         |                |
//!
//! # Direction of the walk
//!
//! The left-most element is the client only if every hop is honest, and any client can write it. An
//! element is as reliable as the hop that wrote it, which is the next one to the right. So the walk goes
//! from right to left, and continues only while the current hop is trusted.
//!
//! # Invariants
//!
//! * If the peer is not trusted, no header is read. By default no peer is trusted.
//! * Elements to the left of an untrusted address have no effect.
//! * Only the configured header is read. The other one and look-alikes (`X_Forwarded_For`) are ignored.
//! * The walk allocates no memory (except for escapes, see [`forwarded`]). It reads only the elements
//!   that it needs, in time linear in the length of the header.
//! * An IPv4-mapped IPv6 address is returned as IPv4, also for the peer. So one client has one key.
//!
//! # Scheme and host
//!
//! An element of `Forwarded` may also contain the scheme and the host of the request that its hop
//! received. The walk stops at the element that describes the client. That element also has the
//! client's scheme and host.
//! [`ForwardedSource`] keeps its position until [`super::origin`] reads the [`ForwardedClaims`].
//!
//! Proxies that write `X-Forwarded-For` have other headers for scheme and host, without one element for
//! each hop. For these, the walk only reports whether the peer is trusted.
//!
//! # Limits
//!
//! If a trusted range contains clients, these clients can claim any address. Trust the proxies, not the
//! network that they share with others.
//!
//! # Related modules
//!
//! [`crate::config`] parses the trusted ranges. [`super::origin`] evaluates the claims.

mod forwarded;
mod node;

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use self::forwarded::ForwardedValue;
use crate::{
    config::{ForwardedHeader, TrustedProxies},
    request::{ForwardedSource, Peer},
};

/// Resolves the client address from a peer and the headers that it sent.
#[derive(Clone, Debug)]
pub(crate) struct ClientIpResolver {
    trusted_proxies: TrustedProxies,
    forwarded_header: ForwardedHeader,
}

/// A peer, and whether it is trusted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckedPeer {
    /// Its address, if it has one.
    ip: Option<IpAddr>,
    is_trusted: bool,
}

/// The result of the client address resolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResolvedClient {
    /// The address of the client, if it has one.
    pub(crate) client_ip: Option<IpAddr>,
    /// The header in which trusted hops report scheme and host.
    pub(crate) source: ForwardedSource,
}

/// The claims of trusted hops about the scheme and the host of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ForwardedClaims<'h> {
    /// None, because the peer is not trusted.
    Nowhere,
    /// In `X-Forwarded-Proto` and `X-Forwarded-Host`, which the peer has set or passed on.
    XForwarded(&'h HeaderMap),
    /// In the element of `Forwarded` that the walk stopped at.
    Forwarded(ForwardedHop<'h>),
}

/// One element of `Forwarded`: how the hop that wrote it received the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardedHop<'h> {
    /// The address of its sender; `None` if it is hidden or not an address.
    pub(crate) ip: Option<IpAddr>,
    /// The scheme of the request.
    pub(crate) proto: Option<ForwardedValue<'h>>,
    /// The host of the request.
    pub(crate) host: Option<ForwardedValue<'h>>,
}

impl ClientIpResolver {
    /// Uses `forwarded_header` of requests from `trusted_proxies`.
    pub(crate) fn new(trusted_proxies: TrustedProxies, forwarded_header: ForwardedHeader) -> Self {
        Self {
            trusted_proxies,
            forwarded_header,
        }
    }

    /// Checks whether a peer is trusted. All requests of a connection have the same peer.
    pub(crate) fn check(&self, peer: Peer) -> CheckedPeer {
        let (ip, is_trusted) = match peer {
            Peer::Ip(ip) => (Some(ip.to_canonical()), self.trusted_proxies.contains(ip)),
            Peer::Unix => (None, self.trusted_proxies.unix()),
            Peer::Unknown => (None, false),
        };
        CheckedPeer { ip, is_trusted }
    }

    /// Follows the hops from `peer` to the first that is not trusted, or else to the last one.
    ///
    /// If the address of a hop cannot be parsed, the result is the trusted proxy that reported it.
    ///
    /// The address is `None` for a unix peer that is not trusted or that reports no client. It is
    /// logged as `-`.
    ///
    /// # Security
    ///
    /// The address is reported by the socket or by a trusted hop, never by an untrusted one. The same
    /// applies to claims in `Forwarded`. For claims in other headers, see [`super::origin`].
    pub(crate) fn resolve(&self, peer: CheckedPeer, headers: &HeaderMap) -> ResolvedClient {
        if !peer.is_trusted {
            return ResolvedClient {
                client_ip: peer.ip,
                source: ForwardedSource::Nowhere,
            };
        }
        let (client_ip, source) = match self.forwarded_header {
            ForwardedHeader::XForwardedFor => {
                let hops = lines_rev(headers, &X_FORWARDED_FOR).flat_map(list_hops);
                (self.walk(hops).0, ForwardedSource::InXForwarded)
            }
            ForwardedHeader::Forwarded => {
                let (client_ip, hop) = self.walk(forwarded_hops(headers).map(|hop| hop.ip));
                (client_ip, ForwardedSource::InForwarded { hop })
            }
        };
        ResolvedClient {
            client_ip: client_ip.or(peer.ip),
            source,
        }
    }

    /// Returns an address and the number of the hop at which the walk stops.
    ///
    /// The address is the first untrusted one, or else the last before an element that cannot be
    /// parsed. The hop may have no address, because a trusted proxy hid it. Its other claims are
    /// reliable.
    fn walk(&self, hops: impl Iterator<Item = Option<IpAddr>>) -> (Option<IpAddr>, usize) {
        let mut last = None;
        let mut stop = 0;
        for (number, ip) in hops.enumerate() {
            stop = number;
            let Some(ip) = ip else { break };
            last = Some(ip);
            if !self.trusted_proxies.contains(ip) {
                break;
            }
        }
        (last, stop)
    }
}

/// Reads the claims of trusted hops from the headers in which the client address was found.
pub(super) fn claims(source: ForwardedSource, headers: &HeaderMap) -> ForwardedClaims<'_> {
    match source {
        ForwardedSource::Nowhere => ForwardedClaims::Nowhere,
        ForwardedSource::InXForwarded => ForwardedClaims::XForwarded(headers),
        ForwardedSource::InForwarded { hop } => {
            ForwardedClaims::Forwarded(forwarded_hops(headers).nth(hop).unwrap_or_default())
        }
    }
}

/// The hops in all lines of `Forwarded`, the last one first.
fn forwarded_hops(headers: &HeaderMap) -> impl Iterator<Item = ForwardedHop<'_>> {
    lines_rev(headers, &FORWARDED).flat_map(forwarded::hops)
}

// `http` has a constant for `Forwarded` only.
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The lines of the header `name`, the last one first.
///
/// Reading them in turn is equivalent to joining them with commas, without the copy.
fn lines_rev<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .rev()
        .map(|value| value.as_bytes())
}

/// The addresses in a line of `X-Forwarded-For`, from right to left; `None` for an element that is not
/// an address. Empty elements are skipped.
fn list_hops(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .map(|element| node::parse(element, node::is_port_number))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
