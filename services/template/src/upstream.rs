//! `GET /upstream`: a request to another service.
//!
//! The client sends the id of the request along, and its calls are in the metrics.
// +otlp
//! If traces are on, it sends the trace along, too, and each call is a span.
// -otlp

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower::ServiceExt as _;

use crate::{error::ApiError, state::AppState};

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/upstream", get(upstream))
}

/// Returns status, type and body of the other service, and 502 if it does not answer.
async fn upstream(State(state): State<AppState>) -> Result<Response, ApiError> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = state.handle.settings().upstream_url.clone();
    // Without a timer of its own: the call ends with this handler, at REQUEST_TIMEOUT.
    let (head, body) = state.upstream.oneshot(request).await?.into_parts();
    let mut response = (head.status, Body::new(body)).into_response();
    if let Some(content_type) = head.headers.get(header::CONTENT_TYPE) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type.clone());
    }
    Ok(response)
}
