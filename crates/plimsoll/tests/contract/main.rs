//! Tests of the operational contract from outside, against the example `fixture` of `harness`.
//!
//! Each test names the clauses that it proves; `docs/contract-tests.md` lists the tests of each clause.
//! A test knows nothing but the clause: requests go over bare sockets, records come from the child's
//! standard output, and every limit is scaled down by the setting that sets it.

mod admin;
mod background;
mod catalogue;
mod cfg;
mod check;
mod embedded;
mod engine;
mod examples;
mod farewell;
mod findings;
mod h2;
mod hooks;
mod http;
mod ip;
mod life;
mod log;
mod met;
mod outgoing;
mod parse;
mod programs;
mod readers;
mod restart;
mod rid;
mod srv;
mod support;
mod threads;
mod tls;
mod trace;
mod unread;
