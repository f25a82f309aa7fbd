//! `axum::serve` with one route and nothing else: what the chassis is measured by.

use std::{env, io};

use axum::{Router, routing::get, serve::ListenerExt};
use tokio::net::TcpListener;

fn main() -> io::Result<()> {
    let setting =
        |name: &str| env::var(name).map_err(|it| io::Error::other(format!("{name}: {it}")));
    let addr = format!("{}:{}", setting("HOST")?, setting("PORT")?);
    let workers = setting("WORKERS")?.parse().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let app = Router::new().route(
            "/",
            get(async || "rust-axum-app is running (Rust + Axum)\n"),
        );
        let listener = TcpListener::bind(addr).await?.tap_io(|stream| {
            // A connection that has just been reset: hyper finds out, too.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, app).await
    })
}
