//! An operations chassis for axum services: one builder adds production behaviour to any
//! [`axum::Router`].
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use plimsoll::{App, Exit, build_info};
//!
//! fn main() -> Exit {
//!     App::new(build_info!())
//!         .router(Router::new().route("/hello", get(|| async { "hello\n" })))
//!         .run()
//! }
//! ```
//!
//! This service has probes, JSON logs with request ids, Prometheus metrics, client addresses behind
//! proxies, validated settings, limits, and a shutdown that loses no request. The contract,
//! `docs/contract.md` in the repository, specifies the behaviour; each clause has a test.
//!
//! # Scope
//!
//! There is no database, no template engine and no authentication. The chassis never rewrites the
//! response of a handler.
//!
//! # Features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `tls` | yes | TLS on the main listener, with certificate reload (rustls, aws-lc) |
//! | `client` | no | a layer for HTTP clients: request id, trace context, metrics and spans of outgoing requests |
//! | `otlp` | no | W3C Trace Context, and span export over OTLP; enables `tls` |
//! | `prometheus-client` | no | `metrics::Metrics::register`, for metrics of the crate `prometheus-client` 0.25 |
//! | `testing` | no | an in-process service for tests, with its log records and metrics |
//! | `ws` | no | `ShutdownToken::close_websocket`, for handlers that close their WebSockets themselves |
//!
//! No feature changes the behaviour of a service that does not use it. `prometheus-client` is
//! pre-1.0: a release of plimsoll may raise its version, so this feature is exempt from semantic
//! versioning.
//!
//! # Entry points
//!
//! | task | item |
//! |---|---|
//! | build and run a service | [`App`], [`Exit`], [`build_info!`] |
//! | set up a pool or a client before the start | [`App::setup`], [`Handle::connect`] |
//! | change readiness, run background workers, add shutdown hooks | [`Handle`] |
//! | check dependencies | [`Check`], [`Handle::check`], [`check`] |
//! | define settings of the service | [`config::Settings`] |
//! | register metrics of the service | [`metrics::Metrics`] |
//! | override limits of a route | [`RouteLimitsLayer`] |
//! | identify a request and its client | [`RequestId`], [`ClientIp`], [`RequestOrigin`] |
//! | keep a request's context in a task | [`spawn`], [`in_request`] |
//! | observe the shutdown in a handler | [`ShutdownToken`] |
//! | call other services | [`propagate`], `Handle::client_layer` (feature `client`) |
//! | export traces | `TraceContext`, `SpanExportLayer` (feature `otlp`) |
//! | use an own runtime, subscriber or server | [`Prepared`] |
//! | test a service in its process | `testing::TestService` (feature `testing`) |

// docs.rs marks each item with the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod app;
mod background;
pub mod build_info;
#[cfg(feature = "tls")]
mod certificate;
pub mod check;
mod component_name;
pub mod config;
mod connection;
mod control;
mod edge;
mod error;
#[cfg(any(test, all(fuzzing, feature = "testing")))]
#[doc(hidden)]
pub mod fuzzing;
mod jitter;
mod late_timer;
mod lifecycle;
mod mask;
pub mod metrics;
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
#[doc(hidden)]
pub mod xtask_support;

#[cfg(feature = "client")]
pub use self::outgoing::{ClientFuture, ClientLayer, ClientService};
pub use self::{
    app::{App, Connect, ConnectError, Exit, Handle, Prepared, SetupError, StartError},
    background::Worker,
    build_info::BuildInfo,
    check::Check,
    config::Config,
    edge::{
        ClientIp, Edge, EdgeLayer, OriginRejection, OutsideRequest, ProbeAlias, RequestOrigin,
        ResponseBody, ResponseFuture, RouteLabel, RouteLabelLayer, RouteLimits, RouteLimitsLayer,
    },
    lifecycle::{Readiness, ShutdownReport},
    outgoing::propagate,
    request::{InRequest, RequestId, Scheme, in_request, spawn},
    server::UdsConnectInfo,
    shutdown::ShutdownToken,
    telemetry::Log,
};
#[cfg(feature = "otlp")]
pub use self::{otlp::SpanExportLayer, request::TraceContext};
