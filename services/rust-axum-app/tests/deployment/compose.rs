//! Compose and Swarm: the service in each of their files.

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

/// The service in one of the files, and the settings that it has there.
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

/// Port of the machine and port of the container, of each published port of a service.
#[track_caller]
fn published(service: &Yaml) -> Vec<(i64, i64)> {
    let number = |text: &str| text.parse().expect("a port is a number");
    let pair = |port| {
        let (outside, inside) = string(port).rsplit_once(':').expect("two ports");
        let outside = outside.rsplit(':').next().unwrap_or(outside);
        (number(outside), number(inside))
    };
    items(&service["ports"]).map(pair).collect()
}

#[test]
fn no_container_is_killed_before_its_drain_can_be_over() {
    for file in FILES {
        let (app, settings) = app(file);
        let grace = seconds(string(&app["stop_grace_period"]));
        let budget = settings.end_budget();
        assert!(
            grace >= budget,
            "{file}: stop_grace_period is {grace} s, the end may take {budget} s"
        );
    }
}

#[test]
fn connections_and_bodies_fit_into_the_memory_of_a_container() {
    for file in ["compose.prod.yml", "stack.yml"] {
        let (app, settings) = app(file);
        let limits = [
            &app["mem_limit"],
            &app["deploy"]["resources"]["limits"]["memory"],
        ];
        let limit = limits.into_iter().find_map(Yaml::as_str);
        let limit = limit.expect("there is a limit of memory");
        assert!(
            bytes(limit) > settings.connections_memory() + settings.bodies_memory(),
            "{file}: {limit}"
        );
    }
}

#[test]
fn port_8084_leads_to_the_port_of_the_service() {
    for file in ["compose.dev.yml", "compose.prod.yml", "stack.yml"] {
        let (app, settings) = app(file);
        assert_eq!(published(&app), [(8084, settings.number("PORT"))], "{file}");
        assert_eq!(settings.text("HOST"), "0.0.0.0", "{file}");
    }
}

#[test]
fn the_stack_of_integration_has_its_ports_and_nginx_in_front() {
    let services = yaml("deploy/compose.int.yml")["services"].clone();
    assert_eq!(published(&services["prometheus"]), [(9090, 9090)]);
    assert_eq!(published(&services["grafana"]), [(3000, 3000)]);
    let server = text("deploy/nginx/service.conf");
    let listen = directive(&server, "listen").parse().unwrap();
    assert_eq!(published(&services["nginx"]), [(8084, listen)]);

    let (app, settings) = app("compose.int.yml");
    assert!(app["ports"].is_badvalue(), "only nginx is to be reached");
    let upstream = text("deploy/nginx/upstream.compose.conf");
    let expected = format!("app:{}", settings.number("PORT"));
    assert_eq!(directive(&upstream, "server"), expected);
    // nginx is believed, and nobody else.
    let address = &services["nginx"]["networks"]["front"]["ipv4_address"];
    let trusted = format!("{}/32", string(address));
    assert_eq!(settings.text("TRUSTED_PROXIES"), trusted);
}

#[test]
fn swarm_routes_elsewhere_before_a_replica_stops_accepting() {
    let (app, settings) = app("stack.yml");
    assert!(settings.seconds("DRAIN_DELAY") >= 5.0);
    let update = &app["deploy"]["update_config"];
    assert_eq!(update["order"].as_str(), Some("start-first"));
}
