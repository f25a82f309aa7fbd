//! The chassis inside another program: a test, a runtime or a server of its own.

mod layer;
mod programs;
mod services;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use plimsoll::{ClientIp, RequestId};

fn router() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello\n" }))
        .route("/items/{id}", get(|| async { "item\n" }))
        .route("/id", get(|id: RequestId| async move { id.to_string() }))
        .route(
            "/client",
            get(|ClientIp(ip): ClientIp| async move { format!("{ip:?}") }),
        )
        .route("/panic", get(|| async { panic!("thrown") as () }))
        .route(
            "/upload",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
}

/// Returns a `HOST` that is unique to this process.
fn unix_socket(name: &str) -> String {
    let name = format!("plimsoll-{name}-{}.sock", std::process::id());
    format!("unix:{}", std::env::temp_dir().join(name).display())
}
