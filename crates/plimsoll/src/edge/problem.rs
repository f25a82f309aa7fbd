//! The error responses of the chassis itself, in the format of RFC 9457.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::telemetry::json_string;

const TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// An error response: the status and what the client needs to know about it.
///
/// It has no `type`, which RFC 9457 defines as `about:blank`: the title is that of the status.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    /// An explanation of the error.
    pub(super) detail: Option<String>,
    /// Whether the connection closes after this response.
    pub(super) close: bool,
    /// The allowed methods, for `Allow`.
    pub(super) allow: Option<&'static str>,
    /// Whether the client may retry, for `Retry-After`.
    pub(super) retry: bool,
}

impl Problem {
    pub(crate) const fn new(status: StatusCode) -> Self {
        Self {
            status,
            detail: None,
            close: false,
            allow: None,
            retry: false,
        }
    }

    /// Closes the connection after this response, because what follows cannot be parsed.
    pub(super) const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// 503 with `Retry-After`, for load shedding (contract SRV-4).
    pub(super) const fn overloaded() -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE);
        problem.retry = true;
        problem
    }

    pub(super) const fn allowing(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    pub(crate) fn with_detail(mut self, detail: Option<String>) -> Self {
        self.detail = detail;
        self
    }

    /// Builds the response to the request with this id.
    pub(crate) fn answer(self, request_id: &str) -> Response {
        let mut answer = Response::new(Body::from(self.text(request_id)));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, TYPE);
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        if let Some(methods) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        if self.retry {
            // The smallest value: the duration of the overload is not known.
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }

    /// Completes the headers of a response that has no body yet, and returns the body.
    ///
    /// All other headers are kept.
    pub(super) fn describe(self, headers: &mut HeaderMap, request_id: &str) -> Vec<u8> {
        let text = self.text(request_id);
        headers.insert(header::CONTENT_TYPE, TYPE);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
        text
    }

    fn text(&self, request_id: &str) -> Vec<u8> {
        let mut text = b"{\"title\":".to_vec();
        json_string(
            &mut text,
            self.status.canonical_reason().unwrap_or("Error"),
            usize::MAX,
        );
        text.extend_from_slice(b",\"status\":");
        text.extend_from_slice(self.status.as_str().as_bytes());
        text.extend_from_slice(b",\"request_id\":");
        json_string(&mut text, request_id, usize::MAX);
        if let Some(detail) = &self.detail {
            text.extend_from_slice(b",\"detail\":");
            json_string(&mut text, detail, 4096);
        }
        text.extend_from_slice(b"}\n");
        text
    }
}
