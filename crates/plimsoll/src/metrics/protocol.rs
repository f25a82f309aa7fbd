//! Heads that failed, by kind.

use super::causes::causes;

causes! {
    /// How a head failed.
    ProtocolError {
        /// Answered with 400.
        Malformed = "malformed",
        /// Answered with 431.
        HeadTooLarge = "head_too_large",
        /// Answered with 414.
        UriTooLong = "uri_too_long",
        /// Not answered: it took longer than `READ_TIMEOUT`.
        HeadTimeout = "head_timeout",
        /// Not answered: a trusted peer began with something else than a valid PROXY header.
        ProxyHeader = "proxy_header",
        /// Not answered: the TLS handshake failed, or took longer than `READ_TIMEOUT`.
        TlsHandshake = "tls_handshake",
        /// Not answered but by GOAWAY: the client broke the rules of HTTP/2.
        Http2 = "http2",
        /// Not answered but by RST_STREAM: more streams at a time than HTTP/2 allows here.
        RefusedStream = "refused_stream",
        /// Not answered but by RST_STREAM: a stream broke the rules of HTTP/2.
        StreamError = "stream_error",
        /// Not answered: the client ended, or reset, the connection in the middle.
        Incomplete = "incomplete",
    }
}

impl ProtocolError {
    /// Whether the client got an HTTP response.
    pub(crate) const fn is_answered(self) -> bool {
        self.status().is_some()
    }

    /// The status of the response, which hyper or the edge sends; `None` if there is no response.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Malformed => Some(400),
            Self::HeadTooLarge => Some(431),
            Self::UriTooLong => Some(414),
            Self::HeadTimeout
            | Self::ProxyHeader
            | Self::TlsHandshake
            | Self::Http2
            | Self::RefusedStream
            | Self::StreamError
            | Self::Incomplete => None,
        }
    }
}
