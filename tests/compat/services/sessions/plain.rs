//! Sessions, in plain axum.

mod app;

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower_http::trace::TraceLayer;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .init();
    let host = std::env::var("HOST").unwrap_or("0.0.0.0".to_owned());
    let port = std::env::var("PORT").unwrap_or("8080".to_owned());
    let listener = TcpListener::bind(format!("{host}:{port}")).await.unwrap();
    let app = app::router().layer(TraceLayer::new_for_http());
    axum::serve(listener, app)
        .with_graceful_shutdown(terminated())
        .await
        .unwrap();
}

async fn terminated() {
    signal(SignalKind::terminate()).unwrap().recv().await;
}
