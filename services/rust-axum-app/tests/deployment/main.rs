//! Checks `deploy/` against the binary.
//!
//! Ports, paths and times in the manifests match the output of `--check-config`. Kill timeouts are
//! longer than the drain. These tests only parse the files, without a container engine or a cluster.
//! `deploy/test` runs them.

mod balancers;
mod compose;
mod files;
mod image;
mod kubernetes;
mod settings;
mod systemd;
