//! Finds the address a request came from, behind proxies that can be believed.
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
//! | Walk          | Met           | Known by                    | Trusted | Then                |
//! |---------------|---------------|-----------------------------|---------|---------------------|
//! | the peer      | `10.0.0.9`    | the socket                  | yes     | go on               |
//! | one to left   | `10.0.0.8`    | the word of `10.0.0.9`      | yes     | go on               |
//! | one to left   | `203.0.113.7` | the word of `10.0.0.8`      | no      | this is the client  |
//! | never reached | `1.2.3.4`     | the word of the client only |         |                     |
//!
//! # Why from the right
//!
//! The left-most element is where the client *would* be if everybody were honest, and
//! also the only one that anybody can write at will. An element is as good as the hop
//! that wrote it, and that is the next one to the right; so the walk goes on only
//! while the hop it stands on is trusted.
//!
//! # Invariants
//!
//! * No header is looked at for a peer that is not trusted; by default nobody is.
//! * What stands to the left of an untrusted address has no effect.
//! * One header is read, the configured one. Neither the other one nor a look-alike
//!   (`X_Forwarded_For`) is ever asked for.
//! * The walk takes no memory (but see [`forwarded`] for escapes), reads no further
//!   than it goes, and is linear in the header's length.
//! * An IPv4-mapped IPv6 address comes out as IPv4, a peer's own as well: one client
//!   has one key.
//!
//! # What else the walk brings
//!
//! An element of `Forwarded` may also say with which scheme and for which host the
//! request came to the hop that wrote it. The last element that the walk looks at is
//! the one about the client, so it has the client's own: [`ForwardedSource`] keeps its place until
//! [`super::origin`] asks for the [`ForwardedClaims`] in it. Proxies that write `X-Forwarded-For` have other headers for this,
//! which are no lists with an element a hop; all that the walk can say of them is
//! whether the peer is one whose headers count.
//!
//! # Limits
//!
//! A trusted range that contains clients lets these clients name any address. Trust
//! the proxies, not the network that they share with others.
//!
//! # Not here
//!
//! Who is trusted is parsed in [`crate::config`]; what is made of the claims is in
//! [`super::origin`].

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

/// Finds `client_ip` for a peer and the headers it sent.
#[derive(Clone, Debug)]
pub(crate) struct ClientIpResolver {
    trusted_proxies: TrustedProxies,
    forwarded_header: ForwardedHeader,
}

/// What is known of a request's client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResolvedClient {
    /// Its address, if it has one.
    pub(crate) client_ip: Option<IpAddr>,
    /// Where trusted hops say how its request was made.
    pub(crate) source: ForwardedSource,
}

/// Where those who are trusted say with which scheme, and for which host, a request was made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ForwardedClaims<'h> {
    /// Nowhere: the peer is not trusted.
    Nowhere,
    /// In `X-Forwarded-Proto` and `X-Forwarded-Host`, which the peer sent or let through.
    XForwarded(&'h HeaderMap),
    /// In the element of `Forwarded` that the walk stopped at.
    Forwarded(ForwardedHop<'h>),
}

/// What one element says of the one who sent the request to the hop that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardedHop<'h> {
    /// Whence it came; nothing if it is hidden, or is no address.
    pub(crate) ip: Option<IpAddr>,
    /// By which scheme.
    pub(crate) proto: Option<ForwardedValue<'h>>,
    /// For which host.
    pub(crate) host: Option<ForwardedValue<'h>>,
}

impl ClientIpResolver {
    /// Believes `forwarded_header`, if one of the `trusted_proxies` sent it.
    pub(crate) fn new(trusted_proxies: TrustedProxies, forwarded_header: ForwardedHeader) -> Self {
        Self {
            trusted_proxies,
            forwarded_header,
        }
    }

    /// Follows the hops from `peer` to the first that is not trusted, or to the last there is.
    ///
    /// A hop whose address cannot be read ends the walk one hop early, at the trusted
    /// proxy that reported it. No address is a unix peer that is not trusted or did not
    /// tell whom it speaks for; it is logged as `-`.
    ///
    /// # Security
    ///
    /// The address is that of a hop that a trusted hop, or the socket itself, vouches
    /// for. It is never the word of an untrusted one. The same holds for claims out of
    /// `Forwarded`; for those out of other headers, see [`super::origin`].
    pub(crate) fn resolve(&self, peer: Peer, headers: &HeaderMap) -> ResolvedClient {
        let (peer_ip, is_trusted) = match peer {
            Peer::Ip(ip) => (Some(ip.to_canonical()), self.trusted_proxies.contains(ip)),
            Peer::Unix => (None, self.trusted_proxies.unix()),
            Peer::Unknown => (None, false),
        };
        if !is_trusted {
            return ResolvedClient {
                client_ip: peer_ip,
                source: ForwardedSource::Nowhere,
            };
        }
        let (farthest, told) = match self.forwarded_header {
            ForwardedHeader::XForwardedFor => {
                let hops = lines_rev(headers, &X_FORWARDED_FOR).flat_map(list_hops);
                (self.walk(hops).0, ForwardedSource::InXForwarded)
            }
            ForwardedHeader::Forwarded => {
                let (farthest, hop) = self.walk(forwarded_hops(headers).map(|hop| hop.ip));
                (farthest, ForwardedSource::InForwarded { hop })
            }
        };
        ResolvedClient {
            client_ip: farthest.or(peer_ip),
            source: told,
        }
    }

    /// Gives the first untrusted address, or else the last one before the end of what can be
    /// read, and the number of the hop that the walk stopped at.
    ///
    /// The hop may have no address: a trusted one wrote it, to hide one, and what else it
    /// says is as true as if it had not.
    fn walk(&self, hops: impl Iterator<Item = Option<IpAddr>>) -> (Option<IpAddr>, usize) {
        let mut farthest = None;
        let mut stop = 0;
        for (number, ip) in hops.enumerate() {
            stop = number;
            let Some(ip) = ip else { break };
            farthest = Some(ip);
            if !self.trusted_proxies.contains(ip) {
                break;
            }
        }
        (farthest, stop)
    }
}

/// The claims that trusted hops made, read from the headers in which the client's address was found.
pub(super) fn claims(source: ForwardedSource, headers: &HeaderMap) -> ForwardedClaims<'_> {
    match source {
        ForwardedSource::Nowhere => ForwardedClaims::Nowhere,
        ForwardedSource::InXForwarded => ForwardedClaims::XForwarded(headers),
        ForwardedSource::InForwarded { hop } => {
            ForwardedClaims::Forwarded(forwarded_hops(headers).nth(hop).unwrap_or_default())
        }
    }
}

/// The hops in all lines of `Forwarded`, last one first.
fn forwarded_hops(headers: &HeaderMap) -> impl Iterator<Item = ForwardedHop<'_>> {
    lines_rev(headers, &FORWARDED).flat_map(forwarded::hops)
}

// `http` has a constant for the other header only.
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The lines called `name`, last one first.
///
/// Going through them one after the other is the same as joining them with commas,
/// without the copy.
fn lines_rev<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .rev()
        .map(|value| value.as_bytes())
}

/// Gives the addresses in a line of `X-Forwarded-For` from right to left, `None` for
/// an element that is none. Empty elements are left out.
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
