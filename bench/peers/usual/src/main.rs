//! What a user of axum assembles today: request ids and a trace from `tower-http`, metrics from
//! `axum-prometheus`, one JSON record for each request from `tracing`.
//!
//! `LOG_VARIANT` selects how records get to stdout:
//! * `blocking`: `tracing-subscriber`'s JSON straight to stdout;
//! * `appender`: the same through `tracing-appender`'s thread;
//! * `json_subscriber`: `json-subscriber`'s faster JSON through `tracing-appender`'s thread.
//!
//! The span stands in a record once, not twice as it does by default.

use std::{env, io, time::Duration};

use axum::{Router, extract::Request, response::Response, routing::get, serve::ListenerExt};
use axum_prometheus::PrometheusMetricLayer;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::{
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Span, info, info_span};
use tracing_appender::non_blocking::WorkerGuard;

fn main() -> io::Result<()> {
    let setting =
        |name: &str| env::var(name).map_err(|it| io::Error::other(format!("{name}: {it}")));
    let addr = format!("{}:{}", setting("HOST")?, setting("PORT")?);
    let workers = setting("WORKERS")?.parse().map_err(io::Error::other)?;
    let _guard = subscribe(&setting("LOG_VARIANT")?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await?.tap_io(|stream| {
            // A connection that has just been reset: hyper finds out, too.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, app()).await
    })
}

/// The guard keeps the appender's thread.
fn subscribe(variant: &str) -> io::Result<Option<WorkerGuard>> {
    match variant {
        "blocking" => {
            tracing_subscriber::fmt()
                .json()
                .with_span_list(false)
                .init();
            Ok(None)
        }
        "appender" => {
            let (writer, guard) = tracing_appender::non_blocking(io::stdout());
            tracing_subscriber::fmt()
                .json()
                .with_span_list(false)
                .with_writer(writer)
                .init();
            Ok(Some(guard))
        }
        "json_subscriber" => {
            let (writer, guard) = tracing_appender::non_blocking(io::stdout());
            json_subscriber::fmt()
                .with_span_list(false)
                .with_writer(writer)
                .init();
            Ok(Some(guard))
        }
        other => Err(io::Error::other(format!("LOG_VARIANT={other}"))),
    }
}

fn app() -> Router {
    let (metrics, exposition) = PrometheusMetricLayer::pair();
    let trace = TraceLayer::new_for_http()
        .make_span_with(|request: &Request| {
            let id = request.extensions().get::<RequestId>();
            let id = id.and_then(|it| it.header_value().to_str().ok());
            info_span!("request", method = %request.method(), path = request.uri().path(), request_id = id)
        })
        .on_request(())
        .on_response(log_response);
    Router::new()
        .route(
            "/",
            get(async || "rust-axum-app is running (Rust + Axum)\n"),
        )
        .route("/metrics", get(async move || exposition.render()))
        .layer(
            ServiceBuilder::new()
                .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
                .layer(trace)
                .layer(PropagateRequestIdLayer::x_request_id())
                .layer(metrics),
        )
}

/// The access record. Fields of the span are in it, too.
fn log_response<B>(response: &Response<B>, latency: Duration, _: &Span) {
    let latency_ms = latency.as_secs_f64() * 1000.0;
    info!(
        status = response.status().as_u16(),
        latency_ms, "http_request"
    );
}
