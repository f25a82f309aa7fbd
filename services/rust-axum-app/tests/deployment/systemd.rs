//! systemd: the unit and its socket.

use crate::files::{directive, path, text};
use crate::settings::{Environment, Settings, seconds};

fn settings() -> Settings {
    Settings::of(
        &path("services/rust-axum-app/.env.prod"),
        &Environment::new(),
    )
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
