//! Kubernetes: each overlay's pod, as it is with its patches.

use std::collections::BTreeMap;

use harness::Process;
use yaml_rust2::Yaml;

use crate::files::{items, merge, path, string, text, yaml};
use crate::settings::{Environment, Settings, bytes};

const OVERLAYS: [&str; 3] = ["dev", "int", "prod"];

const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

/// What the pod of one overlay is.
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
        // The cluster sets it in every pod, and the drain delay follows from it.
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

    /// The number of a port that is named.
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
fn the_profiles_of_the_overlays_are_those_of_the_service() {
    for overlay in OVERLAYS {
        let copy = format!("deploy/kubernetes/overlays/{overlay}/profile.env");
        let original = format!("services/rust-axum-app/.env.{overlay}");
        assert!(
            text(&copy) == text(&original),
            "{copy} is not {original} any more: copy it again"
        );
    }
}

#[test]
fn no_pod_is_killed_before_its_drain_can_be_over() {
    for overlay in OVERLAYS {
        let pod = Pod::of(overlay);
        let budget = pod.settings.end_budget();
        assert!(
            pod.grace() >= budget,
            "{overlay}: terminationGracePeriodSeconds is {}, the end may take {budget} s",
            pod.grace()
        );
    }
}

#[test]
fn connections_and_bodies_fit_into_the_memory_of_a_pod() {
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
fn the_ports_of_a_pod_are_those_that_the_service_listens_on() {
    for overlay in OVERLAYS {
        let pod = Pod::of(overlay);
        let expected = BTreeMap::from([
            ("http", pod.settings.number("PORT")),
            ("admin", pod.settings.admin_port()),
        ]);
        assert_eq!(pod.ports(), expected, "{overlay}");
        // Nobody outside the pod reaches its loopback.
        assert_eq!(pod.settings.text("HOST"), "0.0.0.0", "{overlay}");
    }
}

#[test]
fn services_and_policies_name_ports_that_pods_have() {
    let pod = Pod::of("prod");
    let ports = pod.ports();
    let service = yaml("deploy/kubernetes/base/service.yaml");
    let mut of_service = Vec::new();
    for port in items(&service["spec"]["ports"]) {
        assert!(ports.contains_key(string(&port["targetPort"])));
        of_service.push(string(&port["name"]));
    }
    let monitor = yaml("deploy/kubernetes/base/servicemonitor.yaml");
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert!(of_service.contains(&string(&endpoint["port"])));
    let policy = yaml("deploy/kubernetes/base/networkpolicy.yaml");
    for rule in items(&policy["spec"]["ingress"]) {
        for port in items(&rule["ports"]) {
            assert!(ports.contains_key(string(&port["port"])));
        }
    }
}

#[test]
fn every_path_that_the_cluster_asks_for_is_answered() {
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
        // Where it listens is for the test to choose; the rest is as in the pod.
        let chosen = ["HOST", "ADMIN_ADDR", "INFRA_ENDPOINTS", "SECRET_KEY_FILE"];
        let environment: Vec<(&str, &str)> = pod
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !chosen.contains(name))
            .chain([("DRAIN_DELAY", "0s")])
            .collect();
        let service = Process::start(env!("CARGO_BIN_EXE_rust-axum-app"), &environment);
        for path in paths {
            assert_eq!(service.get(path).status, 200, "{overlay}: {path}");
        }
    }
}

#[test]
fn a_pod_that_is_not_ready_is_noticed_within_its_drain_delay() {
    for overlay in ["int", "prod"] {
        let pod = Pod::of(overlay);
        let probe = &pod.container()["readinessProbe"];
        let noticed = number(&probe["periodSeconds"]) * number(&probe["failureThreshold"]);
        let delay = pod.settings.seconds("DRAIN_DELAY");
        assert!(
            noticed < delay,
            "{overlay}: {noticed} s, not within {delay} s"
        );
    }
}

#[test]
fn a_probe_is_over_before_the_next_one() {
    let pod = Pod::of("prod");
    for probe in PROBES {
        let probe = &pod.container()[probe];
        assert!(number(&probe["timeoutSeconds"]) <= number(&probe["periodSeconds"]));
    }
}

#[test]
fn production_runs_the_version_of_the_workspace() {
    let overlay = yaml("deploy/kubernetes/overlays/prod/kustomization.yaml");
    let tag = overlay["images"][0]["newTag"].as_str();
    assert_eq!(tag, Some(env!("CARGO_PKG_VERSION")));
}
