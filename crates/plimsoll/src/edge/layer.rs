//! The edge as a tower layer, also for an application with a server of its own.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo};
use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    admit::admit,
    probes::EndpointSet,
    response::ResponseFuture,
    response_body::ResponseBody,
    stalled_responses::StalledResponses,
    state::{EdgeConnection, EdgeState},
};
use crate::{
    metrics::{ProtocolError, Registry},
    request::{Peer, Scheme},
    shutdown::ShutdownToken,
};

/// Handles requests as the chassis's server does, on another server: ids, access records, metrics,
/// client addresses, deadline, body limits and panic guard.
///
/// Made by [`Prepared::layer`](crate::Prepared::layer). It answers no probes and closes no
/// connections; that is left to the other server. The peer's address is taken from axum's
/// [`ConnectInfo`]; without it, the address is unknown.
#[derive(Debug, Clone)]
pub struct EdgeLayer {
    state: Arc<EdgeState>,
}

impl EdgeLayer {
    pub(crate) fn new(state: Arc<EdgeState>) -> Self {
        Self { state }
    }

    /// Renders the content of `/metrics` in the given format.
    #[must_use]
    pub fn metrics(&self, format: crate::metrics::TextFormat) -> String {
        self.state.probes.render_metrics(format)
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge::new(inner, Arc::clone(&self.state), EndpointSet::NONE)
    }
}

/// A service inside the edge. Made by [`EdgeLayer`].
#[derive(Debug, Clone)]
pub struct Edge<S> {
    pub(super) inner: S,
    /// The edge of requests without a connection of the chassis's own server.
    pub(super) shared: Arc<EdgeConnection>,
    /// The probes and metrics that are answered on connections of the chassis's own server.
    pub(super) endpoints: EndpointSet,
    /// Whether the inner service has the operator controls.
    pub(super) has_controls: bool,
}

impl<S> Edge<S> {
    pub(crate) fn new(inner: S, state: Arc<EdgeState>, endpoints: EndpointSet) -> Self {
        Self {
            inner,
            shared: EdgeConnection::without_connection(state),
            endpoints,
            has_controls: false,
        }
    }

    /// Marks the inner service as one with operator controls.
    pub(crate) fn with_controls(self) -> Self {
        Self {
            has_controls: true,
            ..self
        }
    }

    /// The token by which connections observe the shutdown.
    pub(crate) fn shutdown_token(&self) -> &ShutdownToken {
        &self.shared.state.shutdown
    }

    /// The responses whose clients accept nothing.
    pub(crate) fn stalled(&self) -> &Arc<StalledResponses> {
        self.shared.state.admission.stalled()
    }

    /// The registry in which the server counts faults in the frames of HTTP/2.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.shared.state.registry)
    }

    /// Counts a connection that has reached its maximum age.
    pub(crate) fn count_aged(&self) {
        let connections = &self.shared.state.registry.connections;
        connections.aged.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts and logs a head that failed after `took`.
    pub(crate) fn record_fault(&self, fault: ProtocolError, peer: Peer, took: Duration) {
        self.shared.state.record_fault(fault, peer, took);
    }

    /// Counts a fault that has no record of its own.
    pub(crate) fn count_fault(&self, fault: ProtocolError) {
        self.shared.state.registry.protocol_errors.count(fault);
    }
}

impl<S, B, R> Service<Request<B>> for Edge<S>
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
    R: http_body::Body<Data = Bytes>,
    R::Error: Into<axum::BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let peer = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(Peer::Unknown, |info| Peer::Ip(info.0.ip()));
        // The request does not show whether that server speaks TLS.
        let scheme = Scheme::Http;
        let peer = self.shared.state.client_ip.check(peer);
        admit(&self.shared, request, peer, scheme, None, |request| {
            self.inner.call(request)
        })
    }
}
