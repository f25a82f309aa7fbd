//! Classifies responses by content type, and reads the status of gRPC.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The kinds of responses that the edge treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentKind {
    /// Server-sent events: the stream has no end of its own.
    Events,
    /// gRPC or gRPC-Web: the outcome is in `grpc-status`.
    Grpc,
    Other,
}

impl ContentKind {
    /// Classifies a response by its content type.
    pub(super) fn of(content_type: &HeaderValue) -> Self {
        match content_type.as_bytes() {
            kind if kind.starts_with(b"text/event-stream") => Self::Events,
            kind if kind.starts_with(b"application/grpc") => Self::Grpc,
            _ => Self::Other,
        }
    }
}

/// The status of gRPC in headers or trailers; `None` if it is missing or not a number.
pub(super) fn grpc_status(fields: &HeaderMap) -> Option<u32> {
    const STATUS: HeaderName = HeaderName::from_static("grpc-status");
    fields.get(STATUS)?.to_str().ok()?.parse().ok()
}
