//! Responses of the receiver.

use std::{error::Error as _, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http_body_util::LengthLimitError;

use crate::{
    ingest::otlp::{Encoding, gzip::UnpackError, response},
    serve::problem::Problem,
};

/// The reason why a body was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    detail: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, detail }
    }

    /// OTLP exporters retry after this one.
    pub(super) fn busy(bodies: usize) -> Self {
        let detail = format!("{bodies} other bodies are being read");
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let detail = format!(
            "the body has more than {limit} bytes: set OTEL_BSP_MAX_EXPORT_BATCH_SIZE=128 \
            and OTEL_BLRP_MAX_EXPORT_BATCH_SIZE=128"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    pub(super) fn slow(limit: Duration) -> Self {
        let detail = format!("the body did not arrive within {} s", limit.as_secs());
        Self::new(StatusCode::REQUEST_TIMEOUT, detail)
    }

    pub(super) fn internal() -> Self {
        let detail = "the body could not be decoded";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// The error of reading a body with a limit.
    pub(super) fn of_body(error: &axum::Error, limit: usize) -> Self {
        let is_limit = |source: &(dyn std::error::Error + 'static)| source.is::<LengthLimitError>();
        if error.source().is_some_and(is_limit) {
            return Self::too_large(limit);
        }
        let detail = format!("the body is incomplete: {error}");
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn of_unpacking(error: &UnpackError) -> Self {
        let status = match error {
            UnpackError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            UnpackError::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }

    pub(super) fn response(self, encoding: Encoding) -> Response {
        let body = response::failed(encoding, code(self.status), &self.detail);
        let mut response = encoded(self.status, encoding, body);
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let second = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, second);
        }
        response
    }
}

/// Returns the code of gRPC for a status.
fn code(status: StatusCode) -> u8 {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::REQUEST_TIMEOUT => 4,
        StatusCode::INTERNAL_SERVER_ERROR => 13,
        StatusCode::NOT_FOUND | StatusCode::UNSUPPORTED_MEDIA_TYPE => 12,
        _ => 3,
    }
}

/// Returns a response in the encoding of its request.
pub(super) fn encoded(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response {
    let content_type = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    response
}

/// Answers a path without a signal.
pub(super) async fn unknown_path(uri: Uri) -> Response {
    let detail = match uri.path() {
        "/" => {
            "the receiver is at /v1/traces and /v1/logs: set OTEL_EXPORTER_OTLP_ENDPOINT, \
            to which exporters append these paths"
        }
        _ => "the receiver is at /v1/traces and /v1/logs",
    };
    Problem::new(StatusCode::NOT_FOUND, detail).into_response()
}

/// Answers OTLP over gRPC with the setting to change, which its exporter logs.
pub(super) async fn grpc(request: Request, next: Next) -> Response {
    if !is_grpc(request.headers()) {
        return next.run(request).await;
    }
    let message = "the console receives OTLP over HTTP: \
        set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf";
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-type", "application/grpc"),
        // UNIMPLEMENTED, after which exporters do not retry.
        ("grpc-status", "12"),
        ("grpc-message", message),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
