//! The answers that the chassis makes itself, in the format of RFC 9457.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};

use crate::{context, telemetry::json_string};

/// What was wrong with a request, for its client.
///
/// Without a `type`, which RFC 9457 reads as `about:blank`: the title is that of the status.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// What only `DEBUG=true` tells.
    pub(super) detail: Option<String>,
    /// The connection cannot be used any further.
    pub(super) close: bool,
    /// The methods that would be right.
    pub(super) allow: Option<&'static str>,
    /// The client may try again, and soon.
    pub(super) retry: bool,
}

impl Problem {
    pub(super) const fn new(status: StatusCode) -> Self {
        Self {
            status,
            detail: None,
            close: false,
            allow: None,
            retry: false,
        }
    }

    /// Says that nothing after this request can be understood.
    pub(super) const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The service has more to do than it can at this moment (contract SRV-4).
    pub(super) const fn overloaded() -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE);
        problem.retry = true;
        problem
    }

    pub(super) const fn allowing(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    pub(super) fn with_detail(mut self, detail: Option<String>) -> Self {
        self.detail = detail;
        self
    }

    /// Makes the answer to the request with this id.
    pub(super) fn answer(self, request_id: &str) -> Response {
        let mut body = b"{\"title\":".to_vec();
        json_string(
            &mut body,
            self.status.canonical_reason().unwrap_or("Error"),
            usize::MAX,
        );
        body.extend_from_slice(b",\"status\":");
        body.extend_from_slice(self.status.as_str().as_bytes());
        body.extend_from_slice(b",\"request_id\":");
        json_string(&mut body, request_id, usize::MAX);
        if let Some(detail) = &self.detail {
            body.extend_from_slice(b",\"detail\":");
            json_string(&mut body, detail, 4096);
        }
        body.extend_from_slice(b"}\n");

        let mut answer = Response::new(Body::from(body));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(methods) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        if self.retry {
            // The least there is: how long the overload lasts is not known.
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// The router's answer to a path that no route matches.
pub(crate) async fn not_found() -> Response {
    context::with_request_id(|id| Problem::new(StatusCode::NOT_FOUND).answer(id))
}

/// The router's answer to a method that a path does not have; the router adds `Allow`.
pub(crate) async fn method_not_allowed() -> Response {
    context::with_request_id(|id| Problem::new(StatusCode::METHOD_NOT_ALLOWED).answer(id))
}
