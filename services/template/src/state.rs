//! What the handlers share. Clones share the connections.

use axum::body::Body;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use plimsoll::{ClientService, Handle, SetupError, metrics::Counter};
use tower::Layer as _;

use crate::settings::Settings;

#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) handle: Handle<Settings>,
    pub(crate) greetings: Counter,
    pub(crate) upstream: ClientService<Client<HttpConnector, Body>>,
    // +postgres
    pub(crate) database: sqlx::PgPool,
    // -postgres
    // +redis
    pub(crate) cache: redis::aio::ConnectionManager,
    // -redis
}

impl AppState {
    /// Creates the state. No connection is opened before its first use.
    pub(crate) fn new(handle: &Handle<Settings>) -> Result<Self, SetupError> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self {
            handle: handle.clone(),
            greetings: handle.metrics().counter("greetings", "Greetings sent")?,
            // `upstream` is the label `peer` of http_client_requests_total.
            upstream: handle.client_layer("upstream").layer(client),
            // +postgres
            database: crate::database::pool(handle.settings())?,
            // -postgres
            // +redis
            cache: crate::cache::connection(handle.settings())?,
            // -redis
        })
    }
}
