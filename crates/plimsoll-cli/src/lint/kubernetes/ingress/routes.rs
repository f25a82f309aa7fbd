//! The paths of Ingresses and HTTPRoutes, and the one that a controller prefers for a request.

use std::collections::{HashMap, HashSet};

use super::annotation;
use crate::lint::{
    kubernetes::{Objects, namespace},
    pattern::{self, Target},
    rules,
    yaml::Node,
};
use crate::place::Sited;

/// A path that leads to a Service, or to another target.
#[derive(Debug, Clone)]
pub(super) struct Route<'objects> {
    pub(super) object: &'objects Node,
    /// The namespace of the Service.
    pub(super) namespace: &'objects str,
    /// `None`: a redirect, or a resource of another kind.
    pub(super) service: Option<Sited<String>>,
    host: &'objects str,
    path: &'objects str,
    is_exact: bool,
    /// Whether other conditions than the path apply, such as headers.
    is_conditional: bool,
    /// The reserved paths that it matches. `None`: a pattern that cannot be evaluated.
    matched: Option<Vec<&'static str>>,
}

impl Route<'_> {
    /// Returns the reserved paths that this route serves, and no preferred one.
    pub(super) fn exposed(&self, preferred: &Preferred<'_>) -> Vec<&'static str> {
        let mut exposed = self.matched.clone().unwrap_or_else(rules::reserved);
        exposed.retain(|path| match preferred.0.get(&(self.host, path)) {
            Some(best) => (self.is_exact || !best.has_exact) && best.length <= self.path.len(),
            None => true,
        });
        exposed
    }
}

/// What the routes of a host that always apply have for a reserved path.
#[derive(Debug, Default)]
struct Best {
    /// The length of the longest path.
    length: usize,
    has_exact: bool,
}

/// The routes that controllers prefer, by host and reserved path.
pub(super) struct Preferred<'objects>(HashMap<(&'objects str, &'static str), Best>);

impl<'objects> Preferred<'objects> {
    pub(super) fn of(routes: &[Route<'objects>]) -> Self {
        let mut preferred: HashMap<_, Best> = HashMap::new();
        for route in routes.iter().filter(|it| !it.is_conditional) {
            for path in route.matched.iter().flatten() {
                let best = preferred.entry((route.host, *path)).or_default();
                best.length = best.length.max(route.path.len());
                best.has_exact |= route.is_exact;
            }
        }
        Self(preferred)
    }
}

/// Returns the paths of all Ingresses.
pub(super) fn ingresses(objects: &Objects) -> Vec<Route<'_>> {
    let mut routes = Vec::new();
    for object in objects.of_kind("Ingress") {
        let route = |backend: Option<&Node>| Route {
            object,
            namespace: namespace(object),
            service: backend.and_then(|it| service(it.at("service.name")?)),
            host: "",
            path: "/",
            is_exact: false,
            is_conditional: false,
            matched: None,
        };
        for rule in object.items_at("spec.rules") {
            let paths = rule.items_at("http.paths").iter();
            routes.extend(paths.map(|path| Route {
                host: rule.text_at("host").unwrap_or_default(),
                path: path.text_at("path").unwrap_or("/"),
                is_exact: path.text_at("pathType") == Some("Exact"),
                ..route(path.get("backend"))
            }));
        }
        let default = object.at("spec.defaultBackend");
        routes.extend(default.map(|backend| route(Some(backend))));
    }
    // One object with patterns makes all paths of its hosts patterns.
    let is_on = |object| annotation(object, "use-regex").and_then(Node::text) == Some("true");
    let hosts = routes.iter().filter(|it| is_on(it.object));
    let hosts: HashSet<&str> = hosts.map(|it| it.host).collect();
    for route in &mut routes {
        route.matched = match hosts.contains(route.host) {
            true => pattern::matched(&format!("^{}", route.path), true, Target::Path),
            false => Some(rules::exposed(route.path, route.is_exact)),
        };
    }
    routes
}

/// Returns the paths of all HTTPRoutes.
pub(super) fn http_routes(objects: &Objects) -> Vec<Route<'_>> {
    let mut routes = Vec::new();
    for object in objects.of_kind("HTTPRoute") {
        let hosts = object.items_at("spec.hostnames").iter();
        let mut hosts: Vec<&str> = hosts.filter_map(Node::text).collect();
        if hosts.is_empty() {
            hosts.push("");
        }
        for rule in object.items_at("spec.rules") {
            for (backend, condition) in pairs(rule) {
                let path = condition.and_then(|it| it.get("path"));
                let kind = path.and_then(|it| it.text_at("type"));
                let conditions = condition.map(Node::entries).unwrap_or_default();
                let path = path.and_then(|it| it.text_at("value")).unwrap_or("/");
                let route = Route {
                    object,
                    namespace: backend
                        .and_then(|it| it.text_at("namespace"))
                        .unwrap_or(namespace(object)),
                    service: backend.and_then(|it| service(it.get("name")?)),
                    host: "",
                    path,
                    is_exact: kind == Some("Exact"),
                    is_conditional: conditions.iter().any(|(key, _)| key != "path"),
                    matched: match kind {
                        Some("RegularExpression") => {
                            pattern::matched(&format!("^({path})$"), false, Target::Path)
                        }
                        _ => Some(rules::exposed(path, kind == Some("Exact"))),
                    },
                };
                routes.extend(hosts.iter().map(|host| Route {
                    host,
                    ..route.clone()
                }));
            }
        }
    }
    routes
}

/// Returns each backend of a rule with each of its conditions. Without conditions, a rule has every path.
fn pairs(rule: &Node) -> Vec<(Option<&Node>, Option<&Node>)> {
    let backends = items_or_none(rule, "backendRefs");
    let conditions = items_or_none(rule, "matches");
    let mut pairs = Vec::new();
    for backend in backends {
        pairs.extend(conditions.iter().map(|condition| (backend, *condition)));
    }
    pairs
}

fn items_or_none<'node>(node: &'node Node, key: &str) -> Vec<Option<&'node Node>> {
    let items = node.items_at(key);
    if items.is_empty() {
        vec![None]
    } else {
        items.iter().map(Some).collect()
    }
}

fn service(name: &Node) -> Option<Sited<String>> {
    Some(Sited::new(name.text()?.to_owned(), name.place.clone()))
}
