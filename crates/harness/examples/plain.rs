//! A service on `axum::serve` without the chassis, for comparison.
//!
//! It has the routes that the attacks of `tests/peers.rs` and the counts of `tests/cost.rs` use.
//!
//! ```text
//! PORT=8081 cargo run -p harness --example plain
//! ```

use std::{hint::black_box, io, net::Ipv4Addr, sync::LazyLock};

use axum::{
    Router,
    body::Bytes,
    extract::Query,
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use tokio::net::TcpListener;

static LARGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'x'; 5_000_000]));

#[derive(Deserialize)]
struct Effort {
    rounds: u64,
}

impl Effort {
    fn spend(&self) -> &'static str {
        let mut state = 0_u64;
        for round in 0..self.rounds {
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005) ^ round);
        }
        "done\n"
    }
}

async fn work(Query(effort): Query<Effort>) -> Result<&'static str, StatusCode> {
    tokio::task::spawn_blocking(move || effort.spend())
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[expect(
    clippy::disallowed_methods,
    reason = "without the chassis, the program reads the environment itself"
)]
fn port() -> u16 {
    let port = std::env::var("PORT").ok();
    port.and_then(|port| port.parse().ok()).unwrap_or(8080)
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let router = Router::new()
        .route("/hello", get(|| async { "hello\n" }))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(|| async { "ok\n" }))
        .route("/large", get(|| async { LARGE.clone() }))
        .route(
            "/upload",
            post(|body: Bytes| async move { format!("{}\n", body.len()) }),
        )
        .route("/work", get(work))
        .route(
            "/burn",
            get(|Query(effort): Query<Effort>| async move { effort.spend() }),
        );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port())).await?;
    axum::serve(listener, router).await
}
