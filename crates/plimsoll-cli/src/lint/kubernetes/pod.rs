//! The pods of Kubernetes: containers with their variables, probes, ports and limits.

use std::time::Duration;

use super::{
    Objects, number,
    ports::{self, Selection},
};
use crate::lint::{
    environment::Environment,
    model::{Kill, Model, Probe, ProbeKind, Service},
    quantity::{self, Factor, Plain},
    settings::{Program, Settings, is_service},
    yaml::Node,
};
use crate::place::Sited;

/// The kinds of objects with a pod, and the path of its template.
const KINDS: [(&str, &str); 10] = [
    ("Pod", ""),
    ("Deployment", "spec.template"),
    ("StatefulSet", "spec.template"),
    ("DaemonSet", "spec.template"),
    ("ReplicaSet", "spec.template"),
    ("ReplicationController", "spec.template"),
    ("Job", "spec.template"),
    ("CronJob", "spec.jobTemplate.spec.template"),
    // Of Argo Rollouts and OpenShift.
    ("Rollout", "spec.template"),
    ("DeploymentConfig", "spec.template"),
];

/// The kinds whose pods end by themselves.
const TASKS: [&str; 2] = ["Job", "CronJob"];

/// The annotation of objects that Helm runs before or after an installation, or as a test.
const HELM_HOOK: &str = "helm.sh/hook";

const PROBES: [(&str, ProbeKind); 3] = [
    ("startupProbe", ProbeKind::Startup),
    ("livenessProbe", ProbeKind::Liveness),
    ("readinessProbe", ProbeKind::Readiness),
];

/// A pod, or the template of one.
#[derive(Debug)]
pub(super) struct Pod<'object> {
    object: &'object Node,
    template: &'object Node,
    spec: &'object Node,
}

impl<'object> Pod<'object> {
    /// Returns the pod of an object, if its kind has one.
    pub(super) fn of(object: &'object Node) -> Option<Self> {
        let kind = object.text_at("kind")?;
        let (_, path) = KINDS.iter().find(|(name, _)| *name == kind)?;
        let template = if path.is_empty() {
            object
        } else {
            object.at(path)?
        };
        let spec = template.get("spec")?;
        Some(Self {
            object,
            template,
            spec,
        })
    }

    /// Whether a Service selects this pod.
    pub(super) fn is_selected(&self, service: &Node) -> bool {
        let labels = self.template.at("metadata.labels");
        let selector = service.at("spec.selector");
        super::namespace(service) == super::namespace(self.object)
            && selector.is_some_and(|selector| super::matches(selector, labels))
    }

    /// Returns the containers that run together, with the sidecars among the init containers.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'object Node> {
        let sidecars = self.spec.items_at("initContainers").iter();
        let sidecars = sidecars.filter(|it| it.text_at("restartPolicy") == Some("Always"));
        self.spec.items_at("containers").iter().chain(sidecars)
    }

    /// Whether the pod ends by itself and serves no requests, such as a migration with the image of the service.
    fn is_task(&self) -> bool {
        let kind = self.object.text_at("kind").unwrap_or_default();
        let annotations = self.object.at("metadata.annotations");
        let is_hook = annotations.is_some_and(|it| it.get(HELM_HOOK).is_some());
        TASKS.contains(&kind) || is_hook
    }

    /// Adds the containers to the model.
    pub(super) fn model(
        &self,
        objects: &Objects,
        services: &[Selection<'_>],
        program: Option<&Program>,
        model: &mut Model,
    ) {
        for container in self.spec.items_at("containers") {
            let environment = self.environment(container, objects);
            let names = names(container);
            if is_service(program, &names, &environment) && !self.is_task() {
                let service = self.service(container, names, environment, objects, services);
                model.services.push(service);
            } else {
                let place = container.place.clone();
                model
                    .others
                    .push(Sited::new(format!("container {}", names.join("/")), place));
            }
        }
    }

    fn service(
        &self,
        container: &Node,
        names: Vec<String>,
        environment: Environment,
        objects: &Objects,
        services: &[Selection<'_>],
    ) -> Service {
        let kind = self.object.text_at("kind").unwrap_or_default();
        let name = self.object.text_at("metadata.name").unwrap_or_default();
        let grace = number(self.spec, "terminationGracePeriodSeconds")
            .map(|grace| Sited::new(Some(Duration::from_secs(grace.value)), grace.place));
        let memory = container.at("resources.limits.memory").and_then(|limit| {
            let bytes = quantity::size(limit.text()?, Factor::Decimal)?;
            Some(Sited::new(bytes, limit.place.clone()))
        });
        let services = services.iter();
        let services: Vec<_> = services.filter(|it| self.is_selected(it.service)).collect();
        let expected = services.iter().flat_map(|it| it.expected(self, container));
        let ports = ports::declared(container).chain(expected).collect();
        let hosts = services.iter().filter_map(|it| {
            let name = it.service.text_at("metadata.name")?;
            Some(objects.host(super::namespace(it.service), name))
        });
        Service {
            title: format!("{kind} {name}"),
            names,
            hosts: hosts.collect(),
            manifest: objects.origin.clone(),
            local_ports: Vec::new(),
            place: container.place.clone(),
            settings: Settings::default(),
            environment,
            kill: Kill::new("terminationGracePeriodSeconds", grace, 30, &container.place),
            pre_stop: pre_stop(container),
            probes: PROBES
                .iter()
                .filter_map(|(key, kind)| probe(container, key, *kind))
                .collect(),
            memory,
            files: None,
            ports,
            is_isolated: true,
            unit: None,
        }
    }

    fn environment(&self, container: &Node, objects: &Objects) -> Environment {
        let mut environment = Environment::default();
        for source in container.items_at("envFrom") {
            self.add_source(&mut environment, source, objects);
        }
        for variable in container.items_at("env") {
            let Some(name) = variable.text_at("name") else {
                continue;
            };
            let (value, place) = match variable.get("value") {
                Some(value) => (value.text().or(Some("")).map(str::to_owned), &value.place),
                None => match self.config_map_value(variable, objects) {
                    Some(value) => (value.text().map(str::to_owned), &value.place),
                    None => (None, &variable.place),
                },
            };
            // `$(NAME)` is replaced by the kubelet.
            let value = value.filter(|value| !value.contains("$("));
            environment.set(name, value, place.clone());
        }
        let cluster = Some("10.0.0.1".to_owned());
        environment.set("KUBERNETES_SERVICE_HOST", cluster, container.place.clone());
        environment
    }

    fn config_map_value<'objects>(
        &self,
        variable: &Node,
        objects: &'objects Objects,
    ) -> Option<&'objects Node> {
        let reference = variable.at("valueFrom.configMapKeyRef")?;
        let map = objects.find("ConfigMap", reference.text_at("name")?, self.object)?;
        map.get("data")?.get(reference.text_at("key")?)
    }

    /// Adds the variables of a ConfigMap. A Secret or a ConfigMap that is not in the files stays unread.
    fn add_source(&self, environment: &mut Environment, source: &Node, objects: &Objects) {
        let prefix = source.text_at("prefix").unwrap_or_default();
        let (kind, name) = match source.text_at("configMapRef.name") {
            Some(name) => ("ConfigMap", name),
            None => (
                "Secret",
                source.text_at("secretRef.name").unwrap_or_default(),
            ),
        };
        let object = objects
            .find(kind, name, self.object)
            .filter(|_| kind == "ConfigMap");
        let Some(object) = object else {
            environment.add_unread(format!("the {kind} {name}"), source.place.clone());
            return;
        };
        for (name, value) in object.get("data").map(Node::entries).unwrap_or_default() {
            let text = value.text().unwrap_or_default().to_owned();
            environment.set(&format!("{prefix}{name}"), Some(text), value.place.clone());
        }
    }
}

fn probe(container: &Node, key: &'static str, kind: ProbeKind) -> Option<Probe> {
    let probe = container.get(key)?;
    let (action, is_http) = match (probe.get("httpGet"), probe.get("tcpSocket")) {
        (Some(get), _) => (get, true),
        (None, tcp) => (tcp?, false),
    };
    let path = is_http.then(|| match action.get("path") {
        Some(path) => {
            let (path, place) = (path.text().unwrap_or("/"), &path.place);
            let without_query = path.split('?').next().unwrap_or(path);
            Sited::new(without_query.to_owned(), place.clone())
        }
        None => Sited::new("/".to_owned(), action.place.clone()),
    });
    let port = action.get("port")?;
    let seconds = |name, default| {
        let number = number(probe, name).map_or(default, |it| it.value);
        Duration::from_secs(number)
    };
    let failures = number(probe, "failureThreshold").map_or(3, |it| it.value);
    Some(Probe {
        kind,
        key,
        place: probe.place.clone(),
        path,
        port: Sited::new(ports::number(container, port.text()?), port.place.clone()),
        is_https: action.text_at("scheme") == Some("HTTPS"),
        period: seconds("periodSeconds", 10),
        timeout: seconds("timeoutSeconds", 1),
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
    })
}

/// Returns the time of a hook that only sleeps.
fn pre_stop(container: &Node) -> Option<Sited<Duration>> {
    let hook = container.at("lifecycle.preStop")?;
    if let Some(seconds) = number(hook, "sleep.seconds") {
        return Some(Sited::new(
            Duration::from_secs(seconds.value),
            seconds.place,
        ));
    }
    let command = hook.at("exec.command")?;
    let words = command.items().iter().filter_map(Node::text);
    let words = words
        .flat_map(|text| text.split([' ', ';', '&']))
        .collect::<Vec<_>>();
    let at = words
        .iter()
        .position(|word| *word == "sleep" || word.ends_with("/sleep"))?;
    let time = quantity::duration(words.get(at + 1)?, Plain::Seconds)?;
    Some(Sited::new(time, command.place.clone()))
}

/// Returns the names of a container, its image and its program.
fn names(container: &Node) -> Vec<String> {
    let name = container.text_at("name").unwrap_or_default();
    let mut names = vec![name.to_owned()];
    let image = container.text_at("image").map(image_name);
    let command = container.items_at("command").first().and_then(Node::text);
    let program = command.map(file_name);
    for other in image.into_iter().chain(program) {
        if !names.iter().any(|name| name == other) {
            names.push(other.to_owned());
        }
    }
    names
}

/// Returns the name of an image without registry, tag and digest.
pub(crate) fn image_name(image: &str) -> &str {
    let last = file_name(image);
    last.split([':', '@']).next().unwrap_or(last)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
