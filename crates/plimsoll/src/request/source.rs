//! The source of a request: peer, scheme and forwarded header. The values of the header are not read
//! here.

use std::{fmt, net::IpAddr};

/// The peer at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A host, by the address of its socket.
    Ip(IpAddr),
    /// A process of this host, over a unix socket. It has no address.
    Unix,
    /// A peer that the server of an [`EdgeLayer`](crate::EdgeLayer) did not name. It is never trusted.
    Unknown,
}

impl Peer {
    /// The address of the peer, if it has one. IPv4-mapped addresses are returned as IPv4.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip.to_canonical()),
            Self::Unix | Self::Unknown => None,
        }
    }
}

/// The header with the claims of trusted hops. The claims are parsed on demand, as few requests need
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardedSource {
    /// There are no trusted claims.
    Nowhere,
    /// In the `X-Forwarded-…` headers.
    InXForwarded,
    /// In this element of `Forwarded`, counted from the right.
    InForwarded { hop: usize },
}

/// The scheme of the connection, and the header with the claims of trusted proxies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestSource {
    /// The scheme of the connection.
    pub(crate) scheme: Scheme,
    pub(crate) forwarded: ForwardedSource,
}

/// The scheme of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Not encrypted.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Returns the scheme as in a URL: `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
