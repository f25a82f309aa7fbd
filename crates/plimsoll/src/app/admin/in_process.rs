//! The admin listener without a socket and a thread, for tests of a service.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};

use super::client::Authorisation;
use crate::{
    config::Secret,
    connection::ConnectionState,
    edge::{ConnectedEdge, Edge, Routes},
    request::{Peer, Scheme},
};

/// The token of the only client. No listener accepts it.
const TOKEN: &str = "in-process";
const CREDENTIALS: HeaderValue = HeaderValue::from_static("Bearer in-process");

/// The peer of each request, as records show it.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Returns the authorisation of the only client.
pub(super) fn authorisation() -> Option<Authorisation> {
    Authorisation::new(Some(Secret::new(TOKEN)), false)
}

/// Handles requests as the admin listener does, from one client that is authorised.
#[derive(Debug)]
pub(crate) struct InProcessAdmin(Edge<Routes>);

impl InProcessAdmin {
    /// The edge must have controls with [`authorisation`].
    pub(super) const fn new(edge: Edge<Routes>) -> Self {
        Self(edge)
    }

    /// Returns the response to an authorised request, with the whole body.
    ///
    /// # Errors
    ///
    /// If the body of the response fails.
    pub(crate) async fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, axum::Error> {
        let headers = request.headers_mut();
        headers
            .entry(header::HOST)
            .or_insert(HeaderValue::from_static("localhost"));
        headers.insert(header::AUTHORIZATION, CREDENTIALS);
        request.extensions_mut().insert(ConnectInfo(PEER));
        let connection = Arc::new(ConnectionState::new());
        let edge = ConnectedEdge::new(self.0.clone(), connection, Peer::Ip(PEER.ip()));
        let response = edge.serve(request.map(Full::new), Scheme::Http);
        drop(edge);
        let (head, body) = match response.await {
            Ok(response) => response.into_parts(),
            Err(never) => match never {},
        };
        let body = body.collect().await.map_err(axum::Error::new)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
