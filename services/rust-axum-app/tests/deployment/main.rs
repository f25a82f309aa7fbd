//! Checks values that several files in `deploy/` contain.
//!
//! `plimsoll lint` checks times, limits and ports against the binary; its tests are in `crates/plimsoll-cli`.
//! These tests only parse the files, without a container engine or a cluster. `deploy/test` runs them.

mod balancers;
mod compose;
mod files;
mod image;
mod kubernetes;
