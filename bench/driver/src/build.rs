//! Builds the peers, each by itself: in one build Cargo would give all of them the features that
//! any of them asks for.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Failure,
    peer::{CHASSIS, Peer},
};

pub fn bench() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

pub fn program(peer: &Peer) -> PathBuf {
    bench().join("target/release").join(peer.package)
}

pub fn build(peers: &[&Peer]) -> Result<(), Failure> {
    let mut packages: Vec<_> = peers.iter().map(|it| it.package).collect();
    packages.sort_unstable();
    packages.dedup();
    for package in packages {
        let workspace = if package == CHASSIS {
            bench().join("..")
        } else {
            bench().to_owned()
        };
        let mut cargo = Command::new("cargo");
        cargo.args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--package",
            package,
        ]);
        // The chassis is built by its own workspace, with its own lock file and profile.
        cargo
            .arg("--manifest-path")
            .arg(workspace.join("Cargo.toml"));
        cargo.arg("--target-dir").arg(bench().join("target"));
        let status = cargo.status().map_err(|it| format!("cargo: {it}"))?;
        if !status.success() {
            return Err(format!("{package} does not build").into());
        }
    }
    Ok(())
}
