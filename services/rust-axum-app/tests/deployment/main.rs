//! Holds `deploy/` to the binary: ports, paths and times in manifests are those that the service
//! itself tells with `--check-config`, and nothing kills it before its drain can be over.
//!
//! No engine and no cluster is needed. `deploy/test` runs what is only read here.

mod balancers;
mod compose;
mod files;
mod image;
mod kubernetes;
mod settings;
mod systemd;
