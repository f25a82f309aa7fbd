//! Tests of the operational contract against the reference service, as a child process.
//!
//! Clauses that need more routes are tested in `plimsoll`, against the example `fixture` of
//! `harness`. These tests cover the routes of the reference service.

mod cfg;
mod http;
mod ip;
mod life;
mod log;
mod met;
mod rid;
mod srv;
mod support;
