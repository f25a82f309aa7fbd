//! The operations chassis for axum services: one builder gives any [`axum::Router`] its production
//! behaviour.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use plimsoll::{Exit, App, build_info};
//!
//! fn main() -> Exit {
//!     App::new(build_info!())
//!         .router(Router::new().route("/hello", get(|| async { "hello\n" })))
//!         .run()
//! }
//! ```
//!
//! That service has probes, JSON logs with request ids, Prometheus metrics, client addresses behind
//! proxies, validated settings, limits, and an end that loses no request. What exactly it does is
//! the contract, `docs/contract.md` in the repository, each clause of which has a test.
//!
//! # What it does not do
//!
//! It chooses no database, no template engine and no way to authenticate, and it never rewrites what
//! a handler answers.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `tls` | yes | TLS on the main listener, with certificates that are reloaded (rustls, aws-lc) |
//! | `client` | no | a layer for HTTP clients: id and trace, metrics and spans of calls to other services |
//! | `otlp` | no | W3C Trace Context, and spans that are exported over OTLP; enables `tls` |
//! | `testing` | no | an in-process service for tests, with its log records and metrics |
//! | `ws` | no | `ShutdownToken::close_websocket`, for handlers that close their WebSockets themselves |
//!
//! # Where to begin
//!
//! * [`App`] is the builder; [`App::setup`] is for services that need a pool or a client.
//! * [`Handle`] is what set-up gets: readiness, metrics, background workers, connections, hooks.
//! * [`config::Settings`] are a service's own settings.
//! * [`Prepared`] is for programs that have a runtime, a subscriber or a server of their own.
//! * [`propagate`] writes the id and the trace of a request into a request to another service.
//! * `TraceContext` (feature `otlp`) is a request's place in a trace, which is exported over OTLP.
//! * `testing` (a feature) starts a service in a test and returns its log records and metrics.

// docs.rs marks each item with the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod app;
mod background;
pub mod build_info;
pub mod config;
mod connection;
mod edge;
mod error;
#[cfg(any(test, all(fuzzing, feature = "testing")))]
#[doc(hidden)]
pub mod fuzzing;
mod late_timer;
mod lifecycle;
mod metrics;
#[cfg_attr(not(feature = "otlp"), path = "otlp/disabled.rs")]
mod otlp;
mod outgoing;
mod request;
mod server;
pub mod shutdown;
mod sync;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg_attr(not(feature = "otlp"), path = "trace/disabled.rs")]
mod trace;

pub use prometheus_client;

#[cfg(feature = "client")]
pub use self::outgoing::{ClientFuture, ClientLayer, ClientService};
pub use self::{
    app::{App, Connect, ConnectError, Exit, Handle, Prepared, SetupError, StartError},
    background::Worker,
    build_info::BuildInfo,
    config::Config,
    edge::{
        ClientIp, Edge, EdgeLayer, OriginRejection, OutsideRequest, ProbeAlias, RequestOrigin,
        ResponseBody, ResponseFuture, RouteLabel, RouteLabelLayer, RouteLimits, RouteLimitsLayer,
    },
    lifecycle::{Readiness, ShutdownReport},
    metrics::{BoundedFamily, Buckets, LabelSet, MetricError, Metrics, TextFormat},
    outgoing::propagate,
    request::{InRequest, RequestId, Scheme, in_request, spawn},
    server::UdsConnectInfo,
    shutdown::ShutdownToken,
    telemetry::Log,
};
#[cfg(feature = "otlp")]
pub use self::{otlp::SpanExportLayer, request::TraceContext};

/// The table of the chassis's metrics, as `docs/metrics.md` has it.
#[must_use]
pub fn metrics_table() -> String {
    metrics::markdown_table()
}
