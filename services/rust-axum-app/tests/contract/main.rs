//! The operational contract, clause by clause, seen from outside: against the reference service.
//!
//! Clauses that need more routes are tested in `plimsoll`, against the example `fixture` of
//! `harness`. These tests cover what every user of this service relies on.

mod cfg;
mod http;
mod ip;
mod life;
mod log;
mod met;
mod rid;
mod srv;
mod support;
