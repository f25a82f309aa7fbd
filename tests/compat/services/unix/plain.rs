//! A unix socket, in plain axum.

mod app;

use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
};
use tower_http::trace::TraceLayer;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .init();
    let host = std::env::var("HOST").unwrap();
    let path = host.strip_prefix("unix:").unwrap();
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap();
    let app = app::router().layer(TraceLayer::new_for_http());
    axum::serve(listener, app)
        .with_graceful_shutdown(terminated())
        .await
        .unwrap();
}

async fn terminated() {
    signal(SignalKind::terminate()).unwrap().recv().await;
}
