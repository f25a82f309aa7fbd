//! Compose and Swarm files.

use yaml_rust2::Yaml;

use crate::files::{directive, items, string, text, yaml};

/// Returns a service of one of the files.
#[track_caller]
fn service(file: &str, name: &str) -> Yaml {
    yaml(&format!("deploy/{file}"))["services"][name].clone()
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

#[test]
fn service_is_published_at_port_8084() {
    for file in ["compose.dev.yml", "compose.prod.yml", "stack.yml"] {
        assert_eq!(published(&service(file, "app")), [(8084, 8080)], "{file}");
    }
}

#[test]
fn integration_stack_publishes_only_nginx() {
    let service = |name| service("compose.int.yml", name);
    assert_eq!(published(&service("prometheus")), [(9090, 9090)]);
    assert_eq!(published(&service("grafana")), [(3000, 3000)]);
    let server = text("deploy/nginx/service.conf");
    let listen = directive(&server, "listen").parse().unwrap();
    assert_eq!(published(&service("nginx")), [(8084, listen)]);

    let app = service("app");
    assert!(app["ports"].is_badvalue(), "only nginx is published");
    // Only nginx is a trusted proxy.
    let address = &service("nginx")["networks"]["front"]["ipv4_address"];
    assert_eq!(&app["environment"]["TRUSTED_PROXIES"], address);
}

#[test]
fn swarm_replica_has_a_drain_delay_and_starts_first() {
    let app = service("stack.yml", "app");
    assert_eq!(app["environment"]["DRAIN_DELAY"].as_str(), Some("5s"));
    let update = &app["deploy"]["update_config"];
    assert_eq!(update["order"].as_str(), Some("start-first"));
}
