//! Kubernetes: pods, the Services that select them, and the Ingresses in front.

mod ingress;
mod kustomize;
mod origin;
mod pod;
mod ports;

use std::collections::{BTreeMap, HashMap};

pub(crate) use self::{
    kustomize::{FILE_NAMES, Kustomizations, Rendered},
    pod::image_name,
};
use self::{pod::Pod, ports::Selection};
use super::{model::Model, settings::Program, yaml::Node};
use crate::place::Sited;

/// Whether a document is an object of Kubernetes.
pub(crate) fn is_object(document: &Node) -> bool {
    document.text_at("apiVersion").is_some() && document.text_at("kind").is_some()
}

/// The objects that belong together.
#[derive(Debug)]
pub(crate) struct Objects {
    /// The kustomization, or the folder.
    origin: String,
    objects: Vec<Node>,
    /// The first object of each kind, namespace and name.
    index: HashMap<(String, String, String), usize>,
}

impl Objects {
    /// Returns the objects of a kustomization or a folder, none at first.
    pub(crate) fn of(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            objects: Vec::new(),
            index: HashMap::new(),
        }
    }

    /// Returns the name of a Service, unique among all files.
    fn host(&self, namespace: &str, service: &str) -> String {
        format!("{}/{namespace}/{service}", self.origin)
    }

    /// Adds a document; a `List` adds its items.
    pub(crate) fn add(&mut self, document: Node) {
        if document.text_at("kind") == Some("List") {
            document
                .items_at("items")
                .iter()
                .for_each(|it| self.push(it.clone()));
        } else {
            self.push(document);
        }
    }

    fn push(&mut self, object: Node) {
        let key = |path| object.text_at(path).unwrap_or_default().to_owned();
        let key = (
            key("kind"),
            namespace(&object).to_owned(),
            key("metadata.name"),
        );
        self.index.entry(key).or_insert(self.objects.len());
        self.objects.push(object);
    }

    /// Adds services and proxies to the model.
    pub(crate) fn model(&self, program: Option<&Program>, model: &mut Model) {
        let pods: Vec<Pod<'_>> = self.objects.iter().filter_map(Pod::of).collect();
        let services = self.of_kind("Service");
        let services: Vec<_> = services.map(|it| Selection::new(it, &pods)).collect();
        for pod in &pods {
            pod.model(self, &services, program, model);
        }
        model.proxies.extend(ingress::proxies(self));
    }

    fn of_kind<'objects>(
        &'objects self,
        kind: &'objects str,
    ) -> impl Iterator<Item = &'objects Node> {
        let objects = self.objects.iter();
        objects.filter(move |object| object.text_at("kind") == Some(kind))
    }

    /// Returns an object of the namespace of another one.
    fn find(&self, kind: &str, name: &str, beside: &Node) -> Option<&Node> {
        let key = (
            kind.to_owned(),
            namespace(beside).to_owned(),
            name.to_owned(),
        );
        self.objects.get(*self.index.get(&key)?)
    }
}

fn namespace(object: &Node) -> &str {
    object.text_at("metadata.namespace").unwrap_or("default")
}

/// Whether labels have all entries of a selector.
fn matches(selector: &Node, labels: Option<&Node>) -> bool {
    let labels: BTreeMap<&str, &str> = labels
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.text()?)))
        .collect();
    let mut wanted = selector.entries().iter();
    !selector.entries().is_empty()
        && wanted.all(|(name, value)| labels.get(name.as_str()).copied() == value.text())
}

/// Returns a whole number of a mapping.
fn number(node: &Node, path: &str) -> Option<Sited<u64>> {
    let node = node.at(path)?;
    Some(Sited::new(node.text()?.parse().ok()?, node.place.clone()))
}
