//! A tower layer for HTTP clients: propagation, a CLIENT span, a counter and a histogram.
//!
//! ```text
//! ClientService::call ─ propagate ─▶ the client's future
//!   └─ TrackedCall, beside that future: ends with head, error or drop ─▶ one count, one span
//! ```
//!
//! # Invariants
//!
//! * Every call is counted exactly once, at its response head, its error or its cancellation.
//! * The layer never waits: it has no timer, no queue and no retry. A call is cancelled when its
//!   caller drops it, at the deadline of the caller's request at the latest.

use std::{
    any::type_name,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Method, Request, Response, Version};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::span::CallSpan;
use crate::{
    metrics::{CallOutcome, PeerId, Registry},
    otlp::Tracer,
};

/// A layer that propagates the current request's id and trace, and records the calls of a client.
///
/// Made by [`Handle::client_layer`](crate::Handle::client_layer). It wraps any client that is a
/// [`tower` service](tower_service::Service) of [`http::Request`]: the clients of hyper-util and
/// tonic, and others in `tower::service_fn`. Every call
///
/// * carries the headers that [`propagate`](crate::propagate) writes,
/// * is counted in `http_client_requests_total{peer,method,status}` and measured in
///   `http_client_request_duration_seconds`, up to the head of its response,
/// * is a span of kind CLIENT, if traces are on and recorded (feature `otlp`). The span is a child of
///   the innermost span around the call, and the parent of the spans of the other service.
///
/// The label `status` is the status code; `error` if the client returned an error; `cancelled` if
/// the call was dropped before its response head. A retry layer must be outside of this one, so
/// that each attempt counts.
///
/// A call has the deadline of its caller: if the handler is cancelled, so is the call.
///
/// # Examples
///
/// ```
/// use axum::{Router, body::Body};
/// use http::{Request, Response};
/// use plimsoll::{Handle, SetupError};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// async fn set_up(handle: Handle) -> Result<Router, SetupError> {
///     // In place of a real client.
///     let client = service_fn(async |_: Request<Body>| {
///         Ok::<_, std::io::Error>(Response::new(Body::empty()))
///     });
///     let client = handle.client_layer("inventory").layer(client);
///     let response = client.oneshot(Request::new(Body::empty())).await?;
///     assert!(response.status().is_success());
///     Ok(Router::new())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ClientLayer {
    peer: Arc<ClientPeer>,
}

/// The peer of a client, and what records its calls.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "only spans read all fields")
)]
pub(super) struct ClientPeer {
    registry: Arc<Registry>,
    pub(super) tracer: Tracer,
    pub(super) name: Box<str>,
    id: PeerId,
}

impl ClientLayer {
    pub(crate) fn new(registry: Arc<Registry>, tracer: Tracer, peer: &str) -> Self {
        let id = registry.calls.peer(peer);
        Self {
            peer: Arc::new(ClientPeer {
                registry,
                tracer,
                name: peer.into(),
                id,
            }),
        }
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = ClientService<S>;

    fn layer(&self, inner: S) -> ClientService<S> {
        ClientService {
            inner,
            peer: Arc::clone(&self.peer),
        }
    }
}

/// A client whose calls are propagated and recorded. Made by [`ClientLayer`].
#[derive(Debug, Clone)]
pub struct ClientService<S> {
    inner: S,
    peer: Arc<ClientPeer>,
}

impl<S, B, R> Service<Request<B>> for ClientService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ClientFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let call = TrackedCall::begin(&self.peer, &mut request);
        ClientFuture {
            inner: self.inner.call(request),
            call,
        }
    }
}

pin_project! {
    /// The future of a call. Made by [`ClientService`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ClientFuture<F> {
        #[pin]
        inner: F,
        call: TrackedCall,
    }
}

impl<F, R, E> Future for ClientFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        this.call.end(match &result {
            Ok(response) => CallEnd::Response(response.status(), response.version()),
            Err(_) => CallEnd::Failed(type_name::<E>()),
        });
        Poll::Ready(result)
    }
}

/// The outcome of a call, with the details for its span.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "only spans read all fields")
)]
pub(super) enum CallEnd {
    Response(http::StatusCode, Version),
    /// The type name of the error, which comes from a small set, unlike its text.
    Failed(&'static str),
    Cancelled,
}

/// Records the end of one call. If it is dropped before, the call counts as cancelled.
#[derive(Debug)]
struct TrackedCall(Option<OpenCall>);

#[derive(Debug)]
struct OpenCall {
    peer: Arc<ClientPeer>,
    method: Method,
    started: Instant,
    span: Option<CallSpan>,
}

impl TrackedCall {
    fn begin<B>(peer: &Arc<ClientPeer>, request: &mut Request<B>) -> Self {
        super::propagate(request.headers_mut());
        Self(Some(OpenCall {
            method: request.method().clone(),
            started: Instant::now(),
            span: CallSpan::begin(peer, request),
            peer: Arc::clone(peer),
        }))
    }

    fn end(&mut self, ended: CallEnd) {
        let Some(open) = self.0.take() else { return };
        let took = open.started.elapsed();
        let outcome = match ended {
            CallEnd::Response(status, _) => CallOutcome::Response(status),
            CallEnd::Failed(_) => CallOutcome::Failed,
            CallEnd::Cancelled => CallOutcome::Cancelled,
        };
        let ClientPeer { registry, id, .. } = &*open.peer;
        registry.calls.observe(*id, &open.method, outcome, took);
        if let Some(span) = open.span {
            span.end(&open.peer, ended, took);
        }
    }
}

impl Drop for TrackedCall {
    fn drop(&mut self) {
        self.end(CallEnd::Cancelled);
    }
}
