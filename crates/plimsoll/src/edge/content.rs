//! What the content type of a response says about its end, and the status of gRPC.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The kinds of responses that are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentKind {
    /// Server-sent events, which have no end of their own.
    Events,
    /// A response of gRPC, or of gRPC-Web: its outcome is in `grpc-status`.
    Grpc,
    Other,
}

impl ContentKind {
    /// Reads the content type. This is done once for each response of a handler.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(header::CONTENT_TYPE);
        match kind.map(HeaderValue::as_bytes) {
            Some(kind) if kind.starts_with(b"text/event-stream") => Self::Events,
            Some(kind) if kind.starts_with(b"application/grpc") => Self::Grpc,
            _ => Self::Other,
        }
    }
}

/// The status of gRPC in these headers or trailers; `None` if there is none, or if it is no number.
pub(super) fn status(fields: &HeaderMap) -> Option<u32> {
    const STATUS: HeaderName = HeaderName::from_static("grpc-status");
    fields.get(STATUS)?.to_str().ok()?.parse().ok()
}
