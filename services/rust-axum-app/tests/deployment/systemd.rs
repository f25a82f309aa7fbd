//! systemd: the unit and its socket.

use crate::files::{directive, path, text};
use crate::settings::{Environment, Settings, bytes, seconds};

/// Returns the environment variables that the unit sets.
fn environment() -> Environment {
    let unit = text("deploy/systemd/rust-axum-app.service");
    let lines = unit
        .lines()
        .filter_map(|it| it.strip_prefix("Environment="));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').expect("a name and a value");
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn settings() -> Settings {
    Settings::of(&path("services/rust-axum-app/.env.prod"), &environment())
}

/// LIFE-10
#[test]
fn timeout_stop_sec_covers_the_hard_limit() {
    let unit = text("deploy/systemd/rust-axum-app.service");
    let timeout = seconds(directive(&unit, "TimeoutStopSec"));
    let budget = settings().hard_limit();
    assert!(
        timeout >= budget,
        "{timeout} s, the shutdown may take {budget} s"
    );
}

#[test]
fn socket_unit_listens_on_the_service_port() {
    let socket = text("deploy/systemd/rust-axum-app.socket");
    let port: i64 = directive(&socket, "ListenStream").parse().unwrap();
    assert_eq!(port, settings().number("PORT"));
}

#[test]
fn unit_file_limit_exceeds_max_connections() {
    let unit = text("deploy/systemd/rust-axum-app.service");
    let files: i64 = directive(&unit, "LimitNOFILE").parse().unwrap();
    assert!(files > settings().number("MAX_CONNECTIONS"));
}

/// CFG-11
#[test]
fn unit_memory_covers_connections_and_bodies() {
    let unit = text("deploy/systemd/rust-axum-app.service");
    let settings = settings();
    let most = settings.connections_memory() + settings.bodies_memory();
    assert!(bytes(directive(&unit, "MemoryMax")) > most);
}
