//! The ports of a container: those that it declares, and those that Services expect.

use std::collections::BTreeSet;

use super::pod::Pod;
use crate::lint::{model::Port, yaml::Node};

/// Returns the ports that a container declares.
pub(super) fn declared(container: &Node) -> impl Iterator<Item = Port> {
    let ports = container.items_at("ports").iter().filter(|it| is_tcp(it));
    ports.filter_map(|port| {
        let node = port.get("containerPort")?;
        Some(Port {
            number: number(container, node.text()?),
            key: "containerPort".to_owned(),
            place: node.place.clone(),
        })
    })
}

/// A Service, and the names of the ports of all pods that it selects.
#[derive(Debug)]
pub(super) struct Selection<'objects> {
    pub(super) service: &'objects Node,
    names: BTreeSet<&'objects str>,
}

impl<'objects> Selection<'objects> {
    /// Returns what a Service selects.
    pub(super) fn new(service: &'objects Node, pods: &[Pod<'objects>]) -> Self {
        let selected = pods.iter().filter(|pod| pod.is_selected(service));
        let ports = selected
            .flat_map(Pod::containers)
            .flat_map(|container| container.items_at("ports"));
        Self {
            service,
            names: ports.filter_map(|port| port.text_at("name")).collect(),
        }
    }

    /// Returns the ports of a container that the Service expects. Those of other containers are not its own.
    pub(super) fn expected(&self, pod: &Pod<'_>, container: &Node) -> Vec<Port> {
        let name = self.service.text_at("metadata.name").unwrap_or_default();
        let ports = self.service.items_at("spec.ports").iter();
        let targets = ports
            .filter(|port| is_tcp(port))
            .filter_map(|port| port.get("targetPort").or_else(|| port.get("port")));
        targets
            .filter_map(|target| Some((target, target.text()?)))
            .filter(|(_, text)| self.is_own(text, pod, container))
            .map(|(target, text)| Port {
                number: number(container, text),
                key: format!("targetPort of the Service {name}"),
                place: target.place.clone(),
            })
            .collect()
    }

    /// Whether a target port must be one of this container.
    fn is_own(&self, target: &str, pod: &Pod<'_>, container: &Node) -> bool {
        if declares(container, target) {
            return true;
        }
        let mut others = pod.containers().filter(|it| *it != container);
        if target.parse::<u16>().is_ok() {
            // Containers need not declare their ports, so that a number can be that of any.
            return others.next().is_none();
        }
        // A pod without the name is no endpoint of this port, if another one has it.
        !self.names.contains(target)
    }
}

/// Returns the number of a port, which is one or the name of one in the container.
pub(super) fn number(container: &Node, text: &str) -> Result<u16, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let mut ports = container.items_at("ports").iter();
    let port = ports.find(|port| port.text_at("name") == Some(text));
    let number = port.and_then(|port| port.text_at("containerPort")?.parse().ok());
    number.ok_or_else(|| text.to_owned())
}

/// Whether a container declares a port with a name or number.
fn declares(container: &Node, target: &str) -> bool {
    let mut ports = container.items_at("ports").iter();
    ports.any(|port| {
        ["name", "containerPort"]
            .map(|key| port.text_at(key))
            .contains(&Some(target))
    })
}

/// Whether a port is one of TCP, as those of the chassis are.
fn is_tcp(port: &Node) -> bool {
    port.text_at("protocol").is_none_or(|it| it == "TCP")
}
