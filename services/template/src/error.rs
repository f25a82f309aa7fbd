//! The errors of the handlers, as `application/problem+json` (RFC 9457).

use std::error::Error;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use plimsoll::RequestId;
use serde_json::json;

/// Why a request failed. The text is the `detail` of the response, the source is only logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("a name must have 1 to 64 characters")]
    InvalidName,
    #[error("the upstream service did not answer")]
    Upstream(#[from] hyper_util::client::legacy::Error),
    // +postgres
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    // -postgres
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidName => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
            // +postgres
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
            // -postgres
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = &self as &dyn Error, "request_failed");
        }
        let problem = json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
            "request_id": RequestId::current().as_ref().map(RequestId::as_str),
        });
        let content_type = HeaderValue::from_static("application/problem+json");
        let headers = [(header::CONTENT_TYPE, content_type)];
        (status, headers, Json(problem)).into_response()
    }
}
