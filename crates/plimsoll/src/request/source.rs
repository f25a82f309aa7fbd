//! Where a request came from, as far as that is known without reading its headers.

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
    /// Its own address, if it has one.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip.to_canonical()),
            Self::Unix | Self::Unknown => None,
        }
    }
}

/// Which header holds the claims of trusted hops. The claims are read on demand, as few requests
/// need them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardedSource {
    Nowhere,
    InXForwarded,
    /// In this element of `Forwarded`, counted from the right.
    InForwarded {
        hop: usize,
    },
}

/// The scheme of the connection, and the header with the claims of trusted proxies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestSource {
    /// That of the connection.
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
    /// The scheme as it stands in a URL.
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
