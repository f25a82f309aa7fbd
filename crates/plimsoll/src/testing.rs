//! An in-process service for tests, with its log records and metrics.
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
//! let response = test.get("/hello").await;
//! assert_eq!(response.body(), "hello\n");
//! assert_eq!(test.records_with("http_request")[0]["path"], "/hello");
//! assert_eq!(test.metrics().await.sum("http_requests_total", &[("path", "/hello")]), 1.0);
//! assert_eq!(test.shutdown().await.requests_cut_off, 0);
//! # }
//! ```
//!
//! [`Scrape`] parses the Prometheus text format strictly, from any source.

mod scrape;
mod test_service;

pub use self::{
    scrape::{ExpositionError, MetricType, Sample, Scrape, ScrapedFamily},
    test_service::TestService,
};
pub use crate::check::Dependency;
