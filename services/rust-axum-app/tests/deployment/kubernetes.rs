//! Kubernetes: the patched pod of each overlay.

use std::collections::BTreeMap;

use harness::Process;
use yaml_rust2::Yaml;

use crate::files::{items, merge, path, string, text, yaml};
use crate::settings::{Environment, Settings, bytes};

const OVERLAYS: [&str; 3] = ["dev", "int", "prod"];

const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

/// The pod of one overlay.
struct Pod {
    spec: Yaml,
    settings: Settings,
    environment: Environment,
}

impl Pod {
    #[track_caller]
    fn of(overlay: &str) -> Self {
        let base = yaml("deploy/kubernetes/base/deployment.yaml");
        let patch = yaml(&format!(
            "deploy/kubernetes/overlays/{overlay}/deployment.yaml"
        ));
        let spec = merge(&base, &patch)["spec"]["template"]["spec"].clone();
        let mut environment = Environment::new();
        for variable in items(&spec["containers"][0]["env"]) {
            let [name, value] = ["name", "value"].map(|key| string(&variable[key]));
            environment.insert(name.to_owned(), value.to_owned());
        }
        // The cluster sets it in every pod, and the default drain delay depends on it.
        environment.insert("KUBERNETES_SERVICE_HOST".to_owned(), "10.0.0.1".to_owned());
        let profile = path(&format!("deploy/kubernetes/overlays/{overlay}/profile.env"));
        let settings = Settings::of(&profile, &environment);
        Self {
            spec,
            settings,
            environment,
        }
    }

    fn container(&self) -> &Yaml {
        &self.spec["containers"][0]
    }

    /// Returns the port numbers by name.
    fn ports(&self) -> BTreeMap<&str, i64> {
        let mut ports = BTreeMap::new();
        for port in items(&self.container()["ports"]) {
            let number = port["containerPort"].as_i64();
            ports.insert(string(&port["name"]), number.expect("a port is a number"));
        }
        ports
    }

    fn grace(&self) -> f64 {
        number(&self.spec["terminationGracePeriodSeconds"])
    }
}

#[expect(clippy::cast_precision_loss, reason = "these are small numbers")]
#[track_caller]
fn number(value: &Yaml) -> f64 {
    value.as_i64().expect("a whole number") as f64
}

#[test]
fn overlay_profiles_match_those_of_the_service() {
    for overlay in OVERLAYS {
        let copy = format!("deploy/kubernetes/overlays/{overlay}/profile.env");
        let original = format!("services/rust-axum-app/.env.{overlay}");
        assert!(
            text(&copy) == text(&original),
            "{copy} differs from {original}: copy it again"
        );
    }
}

/// LIFE-10
#[test]
fn pod_grace_period_covers_the_hard_limit() {
    for overlay in OVERLAYS {
        let pod = Pod::of(overlay);
        let budget = pod.settings.hard_limit();
        assert!(
            pod.grace() >= budget,
            "{overlay}: terminationGracePeriodSeconds is {}, the shutdown may take {budget} s",
            pod.grace()
        );
    }
}

/// CFG-11
#[test]
fn pod_memory_covers_connections_and_bodies() {
    for overlay in OVERLAYS {
        let pod = Pod::of(overlay);
        let limit = string(&pod.container()["resources"]["limits"]["memory"]);
        assert!(
            bytes(limit) > pod.settings.connections_memory() + pod.settings.bodies_memory(),
            "{overlay}: {limit}"
        );
    }
}

#[test]
fn pod_ports_match_the_listeners() {
    for overlay in OVERLAYS {
        let pod = Pod::of(overlay);
        let expected = BTreeMap::from([
            ("http", pod.settings.number("PORT")),
            ("admin", pod.settings.admin_port()),
        ]);
        assert_eq!(pod.ports(), expected, "{overlay}");
        // Loopback of the pod is not reachable from outside.
        assert_eq!(pod.settings.text("HOST"), "0.0.0.0", "{overlay}");
    }
}

#[test]
fn services_and_policies_use_ports_of_the_pod() {
    let pod = Pod::of("prod");
    let ports = pod.ports();
    let service = yaml("deploy/kubernetes/base/service.yaml");
    let mut service_ports = Vec::new();
    for port in items(&service["spec"]["ports"]) {
        assert!(ports.contains_key(string(&port["targetPort"])));
        service_ports.push(string(&port["name"]));
    }
    let monitor = yaml("deploy/kubernetes/base/servicemonitor.yaml");
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert!(service_ports.contains(&string(&endpoint["port"])));
    let policy = yaml("deploy/kubernetes/base/networkpolicy.yaml");
    for rule in items(&policy["spec"]["ingress"]) {
        for port in items(&rule["ports"]) {
            assert!(ports.contains_key(string(&port["port"])));
        }
    }
}

#[test]
fn probe_and_metrics_paths_return_200() {
    for overlay in OVERLAYS {
        let pod = Pod::of(overlay);
        let mut paths = vec!["/metrics"];
        for probe in PROBES {
            let get = &pod.container()[probe]["httpGet"];
            assert_eq!(get["port"].as_str(), Some("admin"), "{overlay}: {probe}");
            paths.push(string(&get["path"]));
        }
        let monitor = yaml("deploy/kubernetes/base/servicemonitor.yaml");
        let scraped = monitor["spec"]["endpoints"][0]["path"].as_str();
        assert_eq!(scraped, Some("/metrics"));
        // The test chooses the addresses. All other variables are those of the pod.
        let replaced = ["HOST", "ADMIN_ADDR", "INFRA_ENDPOINTS", "SECRET_KEY_FILE"];
        let environment: Vec<(&str, &str)> = pod
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !replaced.contains(name))
            .chain([("DRAIN_DELAY", "0s")])
            .collect();
        let service = Process::start(env!("CARGO_BIN_EXE_rust-axum-app"), &environment);
        for path in paths {
            assert_eq!(service.get(path).status, 200, "{overlay}: {path}");
        }
    }
}

#[test]
fn readiness_probe_fails_within_the_drain_delay() {
    for overlay in ["int", "prod"] {
        let pod = Pod::of(overlay);
        let probe = &pod.container()["readinessProbe"];
        let detection = number(&probe["periodSeconds"]) * number(&probe["failureThreshold"]);
        let delay = pod.settings.seconds("DRAIN_DELAY");
        assert!(
            detection < delay,
            "{overlay}: {detection} s, not within {delay} s"
        );
    }
}

#[test]
fn probe_timeouts_are_within_their_periods() {
    let pod = Pod::of("prod");
    for probe in PROBES {
        let probe = &pod.container()[probe];
        assert!(number(&probe["timeoutSeconds"]) <= number(&probe["periodSeconds"]));
    }
}

#[test]
fn production_uses_the_version_of_the_workspace() {
    let overlay = yaml("deploy/kubernetes/overlays/prod/kustomization.yaml");
    let tag = overlay["images"][0]["newTag"].as_str();
    assert_eq!(tag, Some(env!("CARGO_PKG_VERSION")));
}
