//! A service behind a unix socket, for a proxy on the same machine.

use axum::{
    Json, Router,
    routing::{get, post},
};
use serde_json::Value;

pub fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "over a socket\n" }))
        .route(
            "/echo",
            post(|Json(value): Json<Value>| async { Json(value) }),
        )
}
