//! Kinds of protocol errors, most of them in request heads.

use super::causes::causes;

causes! {
    /// The kind of a protocol error.
    ProtocolError {
        /// The head is malformed; answered with 400.
        Malformed = "malformed",
        /// The head is too large; answered with 431.
        HeadTooLarge = "head_too_large",
        /// The request target is too long; answered with 414.
        UriTooLong = "uri_too_long",
        /// The head took longer than `READ_TIMEOUT`; closed without a response.
        HeadTimeout = "head_timeout",
        /// A trusted peer sent no valid PROXY header; closed without a response.
        ProxyHeader = "proxy_header",
        /// The TLS handshake failed or took longer than `READ_TIMEOUT`; closed without a response.
        TlsHandshake = "tls_handshake",
        /// An HTTP/2 connection error of the client; answered with GOAWAY.
        Http2 = "http2",
        /// The client opened more concurrent HTTP/2 streams than allowed; answered with RST_STREAM.
        RefusedStream = "refused_stream",
        /// An HTTP/2 stream error of the client; answered with RST_STREAM.
        StreamError = "stream_error",
        /// The client closed or reset the connection within a head.
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
