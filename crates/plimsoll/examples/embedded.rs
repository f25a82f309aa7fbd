//! The handling of requests inside a program that has a runtime, a subscriber and a server of its
//! own: ids, access records, metrics, client addresses and limits, as a layer.
//!
//! Probes, the drain and the limits of connections belong to the server of the chassis; they are not
//! here.
//!
//! ```text
//! PORT=8080 cargo run -p plimsoll --example embedded
//! curl -i http://localhost:8080/hello
//! ```

use std::{error::Error, net::SocketAddr};

use axum::{Router, routing::get};
use plimsoll::{App, build_info, config::ListenAddr, metrics::TextFormat};
use tokio::net::TcpListener;
use tracing_subscriber::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Reads the settings and starts the log, and nothing else.
    let chassis = App::new(build_info!()).prepare()?;
    tracing_subscriber::registry()
        .with(chassis.log().layer())
        .init();
    let ListenAddr::Tcp(addr) = chassis.config().listen else {
        return Err("this program listens on TCP".into());
    };

    let layer = chassis.layer();
    let metrics = layer.clone();
    let router = Router::new()
        .route("/hello", get(hello))
        // The layer has the metrics; the path is the program's own.
        .route(
            "/metrics",
            get(move || async move { metrics.metrics(TextFormat::Plain) }),
        )
        .layer(layer);

    let listener = TcpListener::bind(addr).await?;
    // The layer takes the address of the peer from `ConnectInfo`.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}

async fn hello() -> &'static str {
    tracing::info!("greeting");
    "hello\n"
}
