//! Builds the peers, each by itself: in one build Cargo would give all of them the features that
//! any of them asks for.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Failure,
    peer::{GO_PROGRAM, Peer, REFERENCE},
};

pub fn bench() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The path of its program.
pub fn program(peer: &Peer) -> PathBuf {
    bench().join("target/release").join(peer.package)
}

pub fn build(packages: &[&str]) -> Result<(), Failure> {
    // A path is that of a program that was built before.
    for &package in packages.iter().filter(|it| !it.contains('/')) {
        if package == GO_PROGRAM {
            build_go()?;
            continue;
        }
        let workspace = if package == REFERENCE {
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
        // The reference service is built by its own workspace, with its own lock file and profile.
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

fn build_go() -> Result<(), Failure> {
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-buildvcs=false", "-o"]);
    go.arg(bench().join("target/release").join(GO_PROGRAM));
    // Without cgo, which is for host names, no C compiler is needed.
    go.env("CGO_ENABLED", "0")
        .current_dir(bench().join("peers/go"));
    let status = go.status().map_err(|it| format!("go: {it}"))?;
    if !status.success() {
        return Err(format!("{GO_PROGRAM} does not build").into());
    }
    Ok(())
}
