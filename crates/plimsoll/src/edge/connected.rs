//! The edge as one connection uses it.
//!
//! A service has one state and one set of routers. If each request counted a reference to them, all
//! workers would write the same cache lines for every request. So a connection has references of its
//! own, and its requests count references to [`EdgeConnection`], whose line only the connection's
//! worker writes.

use std::{convert::Infallible, sync::Arc};

use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::Request;

use super::{
    admit::{ServerPaths, admit},
    client_ip::CheckedPeer,
    layer::Edge,
    response::ResponseFuture,
    route::{LocalRoutes, Routes},
    state::EdgeConnection,
};
use crate::{
    connection::ConnectionState,
    request::{Peer, Scheme},
};

/// The edge of a connection of the chassis's own server, with its routes.
pub(crate) struct ConnectedEdge {
    shared: Arc<EdgeConnection>,
    edge: Edge<Routes>,
    routes: LocalRoutes,
    peer: CheckedPeer,
}

impl ConnectedEdge {
    pub(crate) fn new(edge: Edge<Routes>, connection: Arc<ConnectionState>, peer: Peer) -> Self {
        Self {
            peer: edge.shared.state.client_ip.check(peer),
            shared: Arc::new(EdgeConnection {
                state: Arc::clone(&edge.shared.state),
                connection: Some(connection),
            }),
            routes: edge.inner.local(),
            edge,
        }
    }

    /// Handles a request that came over the connection.
    pub(crate) fn serve<B>(
        &self,
        request: Request<B>,
        scheme: Scheme,
    ) -> ResponseFuture<RouteFuture<Infallible>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let paths = ServerPaths {
            endpoints: &self.edge.endpoints,
            routes: &self.edge.inner,
            has_controls: self.edge.has_controls,
        };
        admit(
            &self.shared,
            request,
            self.peer,
            scheme,
            Some(paths),
            |request| self.routes.call(request),
        )
    }
}
