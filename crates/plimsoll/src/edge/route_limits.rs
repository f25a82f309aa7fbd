//! Limits of single routes, in the place of those of the whole service (contract SRV-2).

use std::{
    task::{Context, Poll},
    time::Duration,
};

use axum::extract::DefaultBodyLimit;
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::request::{self, TimeoutOverride};

/// Limits for the routes that this layer is put on; what is not set is left as it is.
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
/// It works inside a service or layer of plimsoll, and does nothing elsewhere. The innermost one
/// wins.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteLimitsLayer {
    request_timeout: TimeoutOverride,
    max_body_bytes: Option<u64>,
}

impl RouteLimitsLayer {
    /// Changes no limit until one is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the handler may take until it answers, in the place of `REQUEST_TIMEOUT`.
    #[must_use]
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = TimeoutOverride::After(limit);
        self
    }

    /// Lets the handler take as long as it likes, such as one that waits for news.
    #[must_use]
    pub fn without_request_timeout(mut self) -> Self {
        self.request_timeout = TimeoutOverride::Off;
        self
    }

    /// How many bytes a request body may have, in the place of `MAX_BODY_BYTES`.
    ///
    /// Holds for everything that reads the body, also for handlers that read it as a stream, which
    /// `MAX_BODY_BYTES` does not limit. What comes over the connection is counted and, for axum's
    /// extractors, what a layer makes of it, such as one that decompresses. A larger body is answered
    /// with 413.
    #[must_use]
    pub fn max_body_bytes(mut self, limit: u64) -> Self {
        self.max_body_bytes = Some(limit);
        self
    }
}

/// The same limit for axum's extractors.
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

/// A service with limits of its own. Made by [`RouteLimitsLayer`].
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
