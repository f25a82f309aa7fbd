//! A program with commands, in plain axum.

mod app;

use app::{Cli, Command, Tracker};
use clap::Parser as _;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower_http::trace::TraceLayer;
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

#[tokio::main]
async fn main() {
    match Cli::parse().command {
        Command::Start { port } => start(port).await,
        Command::Joke => app::print_joke(),
    }
}

async fn start(port: u16) {
    let format = tracing_subscriber::fmt::layer().with_filter(EnvFilter::from_default_env());
    tracing_subscriber::registry()
        .with(format)
        .with(Tracker)
        .init();
    let listener = TcpListener::bind(("0.0.0.0", port)).await.unwrap();
    let app = app::router().layer(TraceLayer::new_for_http());
    axum::serve(listener, app)
        .with_graceful_shutdown(terminated())
        .await
        .unwrap();
}

async fn terminated() {
    signal(SignalKind::terminate()).unwrap().recv().await;
}
