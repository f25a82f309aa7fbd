//! The routes below `/api`: state, rows, one request, one trace, the stream, charts, controls.
//!
//! Searches run in threads for blocking work, because one of all records takes some time.

mod charts;
mod rows;
mod services;
pub(super) mod state;
mod traces;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use plimsoll::ShutdownToken;
use serde::Serialize;

use super::{Parts, problem::Problem, stream};
use crate::store::Store;

/// What the routes need. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) parts: Parts,
    /// Ends streams.
    pub(super) shutdown: ShutdownToken,
}

/// Returns the routes.
pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/state", get(state::state))
        .route("/api/stream", get(stream::stream))
        .route("/api/requests", get(rows::requests))
        .route("/api/requests/{n}", get(rows::request))
        .route("/api/logs", get(rows::logs))
        .route("/api/traces/{id}", get(traces::trace))
        .route("/api/series", get(charts::series))
        .route("/api/heat", get(charts::heat))
        .route("/api/services/{name}/routes", get(charts::routes))
        .route("/api/services/{name}/lifecycle", get(charts::lifecycle))
        .route("/api/services/{name}/{control}", post(services::control))
        .with_state(api)
}

impl Api {
    /// Runs work that reads the store in a thread for blocking work.
    pub(super) async fn search<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let store = Arc::clone(&self.parts.store);
        let found = tokio::task::spawn_blocking(move || work(&store)).await;
        found.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the search has failed"))
    }
}

/// Returns a JSON response.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_vec(value);
    let text =
        text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let mut response = with_type("application/json", Body::from(text));
    *response.status_mut() = status;
    Ok(response)
}

/// Returns a response that no cache keeps.
pub(super) fn with_type(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
