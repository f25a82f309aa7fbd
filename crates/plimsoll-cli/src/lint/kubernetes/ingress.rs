//! Ingresses and HTTPRoutes: proxies whose configuration is that of a controller.
//!
//! Only what the object itself sets is compared: the defaults are those of a controller that the files do not name.

use super::Objects;
use crate::lint::{
    model::{Limit, Proxy, Server},
    quantity::{self, Factor, Plain},
    rules,
    yaml::Node,
};
use crate::place::Sited;

/// The prefix of the annotations of ingress-nginx.
const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// Returns a proxy for each path of an Ingress or a HTTPRoute.
pub(super) fn proxies(object: &Node, objects: &Objects) -> Vec<Proxy> {
    let kind = object.text_at("kind").unwrap_or_default();
    let name = object.text_at("metadata.name").unwrap_or_default();
    let backends = if kind == "Ingress" {
        ingress(object)
    } else {
        route(object)
    };
    let proxy = |(service, exposed): (Sited<String>, Vec<&'static str>)| Proxy {
        title: format!("{kind} {name}"),
        place: service.place.clone(),
        upstream: service.value.clone(),
        servers: vec![Sited::new(
            Server {
                host: objects.host(object, &service.value),
                port: None,
            },
            service.place,
        )],
        read_timeout: annotation(object, "proxy-read-timeout").and_then(|it| {
            limit("proxy-read-timeout", it, |text| {
                quantity::duration(text, Plain::Seconds)
            })
        }),
        idle_timeout: None,
        body_limit: annotation(object, "proxy-body-size")
            .and_then(|it| limit("proxy-body-size", it, body_size)),
        readiness: None,
        exposed,
        file: object.place.file.clone(),
    };
    backends.into_iter().map(proxy).collect()
}

fn annotation<'object>(object: &'object Node, name: &str) -> Option<&'object Node> {
    object
        .at("metadata.annotations")?
        .get(&format!("{NGINX}{name}"))
}

fn limit<T>(key: &'static str, node: &Node, parse: impl Fn(&str) -> Option<T>) -> Option<Limit<T>> {
    Some(Limit {
        key,
        value: parse(node.text()?)?,
        place: Some(node.place.clone()),
    })
}

#[expect(
    clippy::option_option,
    reason = "the inner one is a size without limit"
)]
fn body_size(text: &str) -> Option<Option<u64>> {
    let bytes = quantity::size(text, Factor::Binary)?;
    Some(Some(bytes).filter(|bytes| *bytes > 0))
}

/// Returns the Services of an Ingress, and the reserved paths that reach them.
fn ingress(object: &Node) -> Vec<(Sited<String>, Vec<&'static str>)> {
    let rules = object.items_at("spec.rules").iter();
    let paths = rules.flat_map(|rule| rule.items_at("http.paths"));
    let of_path = paths.filter_map(|path| {
        let is_exact = path.text_at("pathType") == Some("Exact");
        let exposed = rules::exposed(path.text_at("path").unwrap_or("/"), is_exact);
        Some((service(path.at("backend.service.name")?)?, exposed))
    });
    let default = object
        .at("spec.defaultBackend.service.name")
        .and_then(service);
    let default = default.map(|service| (service, rules::exposed("/", false)));
    of_path.chain(default).collect()
}

/// Returns the Services of a HTTPRoute, and the reserved paths that reach them.
fn route(object: &Node) -> Vec<(Sited<String>, Vec<&'static str>)> {
    let mut backends = Vec::new();
    for rule in object.items_at("spec.rules") {
        let mut exposed = Vec::new();
        for path in rule.items_at("matches").iter().map(|it| it.get("path")) {
            let is_exact = path.and_then(|it| it.text_at("type")) == Some("Exact");
            let text = path.and_then(|it| it.text_at("value")).unwrap_or("/");
            exposed.extend(rules::exposed(text, is_exact));
        }
        if rule.items_at("matches").is_empty() {
            exposed = rules::exposed("/", false);
        }
        let names = rule.items_at("backendRefs").iter();
        let services = names.filter_map(|it| service(it.get("name")?));
        backends.extend(services.map(|service| (service, exposed.clone())));
    }
    backends
}

fn service(name: &Node) -> Option<Sited<String>> {
    Some(Sited::new(name.text()?.to_owned(), name.place.clone()))
}
