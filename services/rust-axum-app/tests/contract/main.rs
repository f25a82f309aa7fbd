//! The operational contract, clause by clause, seen from outside: against the reference service.
//!
//! What only a service with more routes can show is shown by the same tests of the library, against
//! its example `fixture`; here is what every user of this service relies on.

mod cfg;
mod http;
mod ip;
mod life;
mod log;
mod met;
mod rid;
mod srv;
mod support;
