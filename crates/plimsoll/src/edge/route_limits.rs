//! Limits of single routes, which replace those of the whole service (contract SRV-2).

use std::{
    task::{Context, Poll},
    time::Duration,
};

use axum::extract::DefaultBodyLimit;
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::request::{self, TimeoutOverride};

/// Sets limits for the routes inside this layer. A limit that is not set remains unchanged.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, routing::post};
///
/// let router: Router = Router::new()
///     .route("/import", post(|body: String| async move { body.len().to_string() }))
///     .layer(plimsoll::RouteLimitsLayer::new().request_timeout(Duration::from_secs(120)).max_body_bytes(64 << 20));
/// ```
///
/// It applies inside a service or layer of plimsoll, and has no effect elsewhere. The innermost layer
/// wins.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteLimitsLayer {
    request_timeout: TimeoutOverride,
    max_body_bytes: Option<u64>,
}

impl RouteLimitsLayer {
    /// Makes a layer that sets no limit yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time within which the handler must answer, in place of `REQUEST_TIMEOUT`.
    #[must_use]
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = TimeoutOverride::After(limit);
        self
    }

    /// Removes the request timeout, for example for a handler that waits for an event.
    #[must_use]
    pub fn without_request_timeout(mut self) -> Self {
        self.request_timeout = TimeoutOverride::Off;
        self
    }

    /// Sets the largest size of a request body in bytes, in place of `MAX_BODY_BYTES`.
    ///
    /// It applies to every reader of the body, also to a handler that reads it as a stream, which
    /// `MAX_BODY_BYTES` does not limit. The bytes of the connection are counted. For axum's extractors,
    /// so are the bytes that a layer makes of them, for example by decompression. A larger body is
    /// rejected with 413.
    #[must_use]
    pub fn max_body_bytes(mut self, limit: u64) -> Self {
        self.max_body_bytes = Some(limit);
        self
    }
}

/// A body limit for axum's extractors.
pub(super) fn extractor_limit(bytes: u64) -> DefaultBodyLimit {
    DefaultBodyLimit::max(usize::try_from(bytes).unwrap_or(usize::MAX))
}

impl<S> Layer<S> for RouteLimitsLayer {
    type Service = RouteLimits<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RouteLimits {
            inner,
            limits: *self,
        }
    }
}

/// Sets the limits of a request before the inner service. Made by [`RouteLimitsLayer`].
#[derive(Debug, Clone)]
pub struct RouteLimits<S> {
    inner: S,
    limits: RouteLimitsLayer,
}

impl<S, B> Service<Request<B>> for RouteLimits<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let limits = self.limits;
        if let Some(limit) = limits.max_body_bytes {
            extractor_limit(limit).apply(&mut request);
        }
        request::with_current(|current| {
            if limits.request_timeout != TimeoutOverride::Inherit {
                current.request_timeout = limits.request_timeout;
            }
            if let (Some(limit), Some(body)) = (limits.max_body_bytes, &current.body) {
                body.set_limit(limit);
            }
        });
        self.inner.call(request)
    }
}
