//! The load: requests over many connections, in lock step.
//!
//! All connections send before any reads. Requests wait in the sockets, as under load, and share
//! wake-ups.

pub(crate) mod http1;
pub(crate) mod http2;

/// The protocol of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// With this number of requests for each connection in a round, in one segment.
    Http1(usize),
    /// Without TLS, with this number of streams for each connection in a round.
    Http2(usize),
}

impl Protocol {
    pub(crate) const fn is_http2(self) -> bool {
        matches!(self, Self::Http2(_))
    }

    pub(crate) const fn connections(self) -> usize {
        match self {
            Self::Http1(1) => 64,
            Self::Http1(_) | Self::Http2(_) => 16,
        }
    }

    /// The number of requests in a round.
    pub(crate) const fn requests(self) -> usize {
        match self {
            Self::Http1(count) | Self::Http2(count) => self.connections() * count,
        }
    }
}
