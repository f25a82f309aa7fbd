//! What tests of services need: a service in the test itself, and a binary as a child process.
//!
//! ```
//! use axum::{Router, routing::get};
//! use plimsoll::{App, build_info, testing::TestService};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = App::new(build_info!())
//!     .router(Router::new().route("/hello", get(|| async { "hello\n" })));
//! let test = TestService::start(service, &[("LOG_LEVEL", "DEBUG")]).await;
//!
//! let answer = test.get("/hello").await;
//! assert_eq!(answer.body(), "hello\n");
//! assert_eq!(test.records_with("http_request")[0]["path"], "/hello");
//! assert_eq!(test.metrics().await.sum("http_requests_total", &[("path", "/hello")]), 1.0);
//! assert_eq!(test.shutdown().await.requests_cut_off, 0);
//! # }
//! ```
//!
//! [`Process`] looks at a whole binary from outside, where signals, exit statuses and stdout are
//! real. [`Metrics`] reads the text format strictly.

mod connection;
mod lines;
mod metrics;
mod process;
mod service;
mod wait;

pub use self::{
    connection::{Answer, Connection},
    lines::field_names,
    metrics::{ExpositionError, Family, MetricType, Sample, Scrape},
    process::{Ended, Process, Signal},
    service::TestService,
    wait::{eventually, eventually_within, timed},
};
