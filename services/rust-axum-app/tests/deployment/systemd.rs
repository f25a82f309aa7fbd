//! systemd: the unit and its socket.

use crate::files::{directive, path, text};
use crate::settings::{Environment, Settings, bytes, seconds};

/// The settings that the unit itself has a value for.
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

#[test]
fn systemd_does_not_kill_before_the_drain_can_be_over() {
    let unit = text("deploy/systemd/rust-axum-app.service");
    let patience = seconds(directive(&unit, "TimeoutStopSec"));
    let budget = settings().end_budget();
    assert!(
        patience >= budget,
        "{patience} s, the end may take {budget} s"
    );
}

#[test]
fn the_socket_is_at_the_port_of_the_service() {
    let socket = text("deploy/systemd/rust-axum-app.socket");
    let port: i64 = directive(&socket, "ListenStream").parse().unwrap();
    assert_eq!(port, settings().number("PORT"));
}

#[test]
fn a_unit_may_open_a_file_for_each_connection() {
    let unit = text("deploy/systemd/rust-axum-app.service");
    let files: i64 = directive(&unit, "LimitNOFILE").parse().unwrap();
    assert!(files > settings().number("MAX_CONNECTIONS"));
}

#[test]
fn connections_and_bodies_fit_into_the_memory_of_the_unit() {
    let unit = text("deploy/systemd/rust-axum-app.service");
    let settings = settings();
    let most = settings.connections_memory() + settings.bodies_memory();
    assert!(bytes(directive(&unit, "MemoryMax")) > most);
}
