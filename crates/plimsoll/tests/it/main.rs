//! Tests of the operational contract from outside, against the example `fixture` of `harness`.
//!
//! A doc comment above a test names its clauses (`docs/contract.md`); `docs/contract-tests.md`
//! lists the tests of each clause. Requests use raw sockets, and records come from the child's
//! standard output. Each limit is reduced by its setting.

#![expect(clippy::unwrap_used, reason = "a failure of a helper ends its test")]

mod admin;
mod checks;
mod config;
mod embedding;
mod http1;
mod http2;
mod in_flight;
mod in_process;
mod limits;
mod logging;
mod metrics;
mod probes;
mod proxy;
mod responses;
mod shutdown;
mod support;
mod tls;
mod tracing;
mod workers;
