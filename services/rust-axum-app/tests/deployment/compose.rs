//! Compose and Swarm files.

use std::path::PathBuf;

use yaml_rust2::Yaml;

use crate::files::{directive, items, path, string, text, yaml};
use crate::settings::{Environment, Settings, bytes, seconds};

const FILES: [&str; 4] = [
    "compose.dev.yml",
    "compose.int.yml",
    "compose.prod.yml",
    "stack.yml",
];

/// Returns the service in one of the files, and its settings there.
#[track_caller]
fn app(file: &str) -> (Yaml, Settings) {
    let app = yaml(&format!("deploy/{file}"))["services"]["app"].clone();
    let profile: PathBuf = path("deploy").join(string(&app["env_file"]));
    let mut environment = Environment::new();
    for (name, value) in app["environment"].as_hash().expect("variables") {
        let [name, value] = [name, value].map(|text| string(text).to_owned());
        environment.insert(name, value);
    }
    let settings = Settings::of(&profile, &environment);
    (app, settings)
}

/// Returns the host port and the container port of each published port of a service.
#[track_caller]
fn published(service: &Yaml) -> Vec<(i64, i64)> {
    let number = |text: &str| text.parse().expect("a port is a number");
    let pair = |port| {
        let (host, container) = string(port).rsplit_once(':').expect("two ports");
        let host = host.rsplit(':').next().unwrap_or(host);
        (number(host), number(container))
    };
    items(&service["ports"]).map(pair).collect()
}

/// LIFE-10
#[test]
fn stop_grace_period_covers_the_hard_limit() {
    for file in FILES {
        let (app, settings) = app(file);
        let grace = seconds(string(&app["stop_grace_period"]));
        let budget = settings.hard_limit();
        assert!(
            grace >= budget,
            "{file}: stop_grace_period is {grace} s, the shutdown may take {budget} s"
        );
    }
}

/// CFG-11
#[test]
fn container_memory_covers_connections_and_bodies() {
    for file in ["compose.prod.yml", "stack.yml"] {
        let (app, settings) = app(file);
        let limits = [
            &app["mem_limit"],
            &app["deploy"]["resources"]["limits"]["memory"],
        ];
        let limit = limits.into_iter().find_map(Yaml::as_str);
        let limit = limit.expect("there is a memory limit");
        assert!(
            bytes(limit) > settings.connections_memory() + settings.bodies_memory(),
            "{file}: {limit}"
        );
    }
}

#[test]
fn port_8084_maps_to_the_service_port() {
    for file in ["compose.dev.yml", "compose.prod.yml", "stack.yml"] {
        let (app, settings) = app(file);
        assert_eq!(published(&app), [(8084, settings.number("PORT"))], "{file}");
        assert_eq!(settings.text("HOST"), "0.0.0.0", "{file}");
    }
}

#[test]
fn integration_stack_publishes_only_nginx() {
    let services = yaml("deploy/compose.int.yml")["services"].clone();
    assert_eq!(published(&services["prometheus"]), [(9090, 9090)]);
    assert_eq!(published(&services["grafana"]), [(3000, 3000)]);
    let server = text("deploy/nginx/service.conf");
    let listen = directive(&server, "listen").parse().unwrap();
    assert_eq!(published(&services["nginx"]), [(8084, listen)]);

    let (app, settings) = app("compose.int.yml");
    assert!(app["ports"].is_badvalue(), "only nginx is published");
    let upstream = text("deploy/nginx/upstream.compose.conf");
    let expected = format!("app:{}", settings.number("PORT"));
    assert_eq!(directive(&upstream, "server"), expected);
    // Only nginx is a trusted proxy.
    let address = &services["nginx"]["networks"]["front"]["ipv4_address"];
    let trusted = format!("{}/32", string(address));
    assert_eq!(settings.text("TRUSTED_PROXIES"), trusted);
}

#[test]
fn swarm_replica_has_a_drain_delay_and_starts_first() {
    let (app, settings) = app("stack.yml");
    assert!(settings.seconds("DRAIN_DELAY") >= 5.0);
    let update = &app["deploy"]["update_config"];
    assert_eq!(update["order"].as_str(), Some("start-first"));
}
