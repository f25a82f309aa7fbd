//! Ingresses and HTTPRoutes: proxies whose configuration is that of a controller.
//!
//! Only what the object itself sets is compared: the defaults are those of a controller that the files do not name.

mod routes;

use std::ptr;

use self::routes::{Preferred, Route};
use super::Objects;
use crate::lint::{
    model::{Limit, Proxy, Server},
    network, nginx,
    quantity::{self, Plain},
    rules,
    yaml::Node,
};
use crate::place::Sited;

/// The prefix of the annotations of ingress-nginx.
const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// Returns a proxy for each path of the Ingresses and HTTPRoutes.
pub(super) fn proxies(objects: &Objects) -> Vec<Proxy> {
    let mut proxies: Vec<Proxy> = Vec::new();
    // Controllers merge the objects of a kind by host.
    for routes in [routes::ingresses(objects), routes::http_routes(objects)] {
        let preferred = Preferred::of(&routes);
        // A snippet applies to all routes of an object, which follow each other.
        let mut hidden = (ptr::null(), Vec::new());
        for route in &routes {
            if !ptr::eq(hidden.0, route.object) {
                hidden = (ptr::from_ref(route.object), self::hidden(route.object));
            }
            let mut exposed = route.exposed(&preferred);
            exposed.retain(|path| !hidden.1.contains(path));
            let Some(new) = proxy(route, exposed, objects) else {
                continue;
            };
            match proxies.last_mut().filter(|it| it.place == new.place) {
                // Another condition or host of the same backend.
                Some(known) => known.expose(new.exposed),
                None => proxies.push(new),
            }
        }
    }
    proxies
}

/// Returns the proxy of a route, if it leads to a Service.
fn proxy(route: &Route<'_>, exposed: Vec<&'static str>, objects: &Objects) -> Option<Proxy> {
    let Sited { value, place } = route.service.as_ref()?;
    let object = route.object;
    let kind = object.text_at("kind").unwrap_or_default();
    let name = object.text_at("metadata.name").unwrap_or_default();
    let server = Server {
        host: objects.host(route.namespace, value),
        port: None,
    };
    Some(Proxy {
        title: format!("{kind} {name}"),
        place: place.clone(),
        upstream: value.clone(),
        servers: vec![Sited::new(server, place.clone())],
        read_timeout: annotation(object, "proxy-read-timeout").and_then(|it| {
            limit("proxy-read-timeout", it, |text| {
                quantity::duration(text, Plain::Seconds)
            })
        }),
        idle_timeout: None,
        body_limit: annotation(object, "proxy-body-size")
            .and_then(|it| limit("proxy-body-size", it, quantity::limit)),
        readiness: None,
        exposed,
        file: object.place.file.clone(),
    })
}

fn annotation<'object>(object: &'object Node, name: &str) -> Option<&'object Node> {
    object
        .at("metadata.annotations")?
        .get(&format!("{NGINX}{name}"))
}

/// Whether only some clients have access, by their address or a password.
fn is_restricted(object: &Node) -> bool {
    let text = |name| annotation(object, name).and_then(Node::text);
    let ranges = ["whitelist-source-range", "allowlist-source-range"];
    let mut ranges = ranges.into_iter().filter_map(text);
    ranges.any(|ranges| ranges.split(',').all(|it| network::is_narrow(it.trim())))
        || ["auth-type", "auth-url"]
            .into_iter()
            .any(|name| text(name).is_some())
}

/// Returns the reserved paths that an object hides, by a restriction or by snippets of nginx.
fn hidden(object: &Node) -> Vec<&'static str> {
    if is_restricted(object) {
        return rules::reserved();
    }
    let snippets = ["server-snippet", "configuration-snippet"].into_iter();
    let snippets = snippets.filter_map(|name| annotation(object, name));
    // A snippet that is no configuration hides nothing.
    let snippets = snippets.filter_map(|it| nginx::parse(it.text()?, &it.place.file).ok());
    snippets.flat_map(|it| nginx::hidden(&it)).collect()
}

fn limit<T>(key: &'static str, node: &Node, parse: impl Fn(&str) -> Option<T>) -> Option<Limit<T>> {
    Some(Limit {
        key,
        value: parse(node.text()?)?,
        place: Some(node.place.clone()),
    })
}
