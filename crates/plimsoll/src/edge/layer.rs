//! The edge as a tower layer, for whoever has a server of their own.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body, extract::ConnectInfo, routing::future::RouteFuture};
use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    EdgeState, EndpointSet, Peer, ResponseBody, ResponseFuture, Routes, Scheme, ServerRequest,
    StalledResponses,
};
use crate::connection::ConnectionState;
use crate::shutdown::ShutdownToken;

/// The handling of requests without the server: ids, access records, metrics, client addresses,
/// deadline, body limits and panic guard.
///
/// Made by [`Prepared::layer`](crate::Prepared::layer). It answers no probes and closes no
/// connections; those are the server's. The peer's address is taken from axum's [`ConnectInfo`];
/// without that the address is unknown.
#[derive(Debug, Clone)]
pub struct EdgeLayer {
    shared: Arc<EdgeState>,
}

impl EdgeLayer {
    pub(crate) fn new(shared: Arc<EdgeState>) -> Self {
        Self { shared }
    }

    /// What `/metrics` would tell, in the given format.
    #[must_use]
    pub fn metrics(&self, exposition: crate::TextFormat) -> String {
        self.shared.render_metrics(exposition)
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge::new(inner, Arc::clone(&self.shared), EndpointSet::NONE)
    }
}

/// A service inside its edge.
#[derive(Debug, Clone)]
pub struct Edge<S> {
    inner: S,
    shared: Arc<EdgeState>,
    /// The probes and metrics that are answered here, over connections of our own.
    endpoints: EndpointSet,
}

impl<S> Edge<S> {
    pub(crate) fn new(inner: S, shared: Arc<EdgeState>, endpoints: EndpointSet) -> Self {
        Self {
            inner,
            shared,
            endpoints,
        }
    }

    /// What connections learn the shutdown from.
    pub(crate) fn shutdown_token(&self) -> &ShutdownToken {
        &self.shared.shutdown
    }

    pub(super) fn shared(&self) -> &EdgeState {
        &self.shared
    }

    /// The responses whose clients accept nothing.
    pub(crate) fn stalled(&self) -> &Arc<StalledResponses> {
        self.shared.admission.stalled()
    }
}

impl Edge<Routes> {
    /// Handles a request that came over a connection of the chassis's own server.
    pub(crate) fn serve<B>(
        &self,
        request: Request<B>,
        peer: Peer,
        scheme: Scheme,
        connection: Arc<ConnectionState>,
    ) -> ResponseFuture<RouteFuture<Infallible>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let ours = ServerRequest {
            connection,
            endpoints: &self.endpoints,
            routes: &self.inner,
        };
        self.shared
            .admit(request, peer, scheme, Some(ours), |request| {
                // A router is always ready.
                self.inner.clone().call(request)
            })
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
        // Whether that server speaks TLS is not told here.
        let scheme = Scheme::Http;
        self.shared.admit(request, peer, scheme, None, |request| {
            self.inner.call(request)
        })
    }
}
