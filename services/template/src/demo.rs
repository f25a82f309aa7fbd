//! Routes for `plimsoll verify`, each of which settles checks that need its behaviour.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Query,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use futures_util::stream;
use plimsoll::RequestOrigin;
use serde::Deserialize;

use crate::state::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/slow", get(slow))
        .route("/upload", post(upload))
        .route("/stream", get(stream))
        .route("/panic", get(panic))
        .route("/block", get(block))
        // +otlp
        .route("/span", get(span))
        // -otlp
        .route("/origin", get(origin))
        .route("/debug", get(debug))
}

#[derive(Clone, Copy, Deserialize)]
struct Timing {
    #[serde(default)]
    ms: u64,
    #[serde(default)]
    chunks: usize,
}

impl Timing {
    fn pause(&self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

async fn slow(Query(timing): Query<Timing>) -> &'static str {
    tokio::time::sleep(timing.pause()).await;
    "slow\n"
}

async fn upload(body: Bytes) -> String {
    format!("{}\n", body.len())
}

/// Sends `chunks` chunks of 1 KiB, each after a pause of `ms`.
async fn stream(Query(timing): Query<Timing>) -> Response {
    let chunks = stream::unfold(0, move |sent| async move {
        if sent == timing.chunks {
            return None;
        }
        tokio::time::sleep(timing.pause()).await;
        let chunk = Bytes::from_static(&[b'x'; 1024]);
        Some((Ok::<_, Infallible>(chunk), sent + 1))
    });
    Response::new(Body::from_stream(chunks))
}

async fn panic() {
    panic!("the demonstration of a panic");
}

/// Blocks its worker, which a handler must not do.
async fn block(Query(timing): Query<Timing>) -> &'static str {
    std::thread::sleep(timing.pause());
    "blocked\n"
}

// +otlp
#[derive(Deserialize)]
struct Fields {
    number: u64,
}

/// Opens a span with a field inside of the request's span.
async fn span(Query(fields): Query<Fields>) -> &'static str {
    let number = fields.number;
    tracing::info_span!("demonstration", number).in_scope(|| tracing::info!("inside_span"));
    "span\n"
}

// -otlp
#[derive(Deserialize)]
struct End {
    status: u16,
}

/// Logs a record at DEBUG, and ends with the status of the request.
async fn debug(Query(end): Query<End>) -> StatusCode {
    tracing::debug!(end.status, "demonstration_ends");
    StatusCode::from_u16(end.status).unwrap_or(StatusCode::BAD_REQUEST)
}

async fn origin(origin: RequestOrigin) -> String {
    let host = origin.host().map_or("-", |host| host.as_str());
    format!("{}://{host}", origin.scheme())
}
