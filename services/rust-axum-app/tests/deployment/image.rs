//! The Dockerfile: values that other files also contain.

use crate::files::{directive, text};

/// IMG-1
#[test]
fn image_uses_the_compiler_of_the_workspace() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .expect("a channel");
    let dockerfile = text("deploy/Dockerfile");
    assert_eq!(
        directive(&dockerfile, "ARG RUST_VERSION"),
        channel.trim_matches('"')
    );
}

#[test]
fn image_exposes_the_default_port() {
    let sample = text("services/rust-axum-app/.env.sample");
    let dockerfile = text("deploy/Dockerfile");
    assert_eq!(directive(&dockerfile, "EXPOSE"), directive(&sample, "PORT"));
}
