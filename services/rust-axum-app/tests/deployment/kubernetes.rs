//! Kubernetes: the patched pod of each overlay.

use std::collections::BTreeMap;

use harness::Process;
use yaml_rust2::Yaml;

use crate::files::{items, merge, string, text, yaml};

const OVERLAYS: [&str; 3] = ["dev", "int", "prod"];

const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

/// The pod of one overlay.
struct Pod {
    spec: Yaml,
    environment: BTreeMap<String, String>,
}

impl Pod {
    #[track_caller]
    fn of(overlay: &str) -> Self {
        let base = yaml("deploy/kubernetes/base/deployment.yaml");
        let patch = yaml(&format!(
            "deploy/kubernetes/overlays/{overlay}/deployment.yaml"
        ));
        let spec = merge(&base, &patch)["spec"]["template"]["spec"].clone();
        let mut environment = BTreeMap::new();
        for variable in items(&spec["containers"][0]["env"]) {
            let [name, value] = ["name", "value"].map(|key| string(&variable[key]));
            environment.insert(name.to_owned(), value.to_owned());
        }
        // The cluster sets it in every pod, and the default drain delay depends on it.
        environment.insert("KUBERNETES_SERVICE_HOST".to_owned(), "10.0.0.1".to_owned());
        Self { spec, environment }
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
fn production_uses_the_version_of_the_workspace() {
    let overlay = yaml("deploy/kubernetes/overlays/prod/kustomization.yaml");
    let tag = overlay["images"][0]["newTag"].as_str();
    assert_eq!(tag, Some(env!("CARGO_PKG_VERSION")));
}
