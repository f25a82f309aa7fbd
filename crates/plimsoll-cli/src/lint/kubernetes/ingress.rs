//! Ingresses and HTTPRoutes: proxies whose configuration is that of a controller.
//!
//! Only what the object itself sets is compared: the defaults are those of a controller that the files do not name.

mod routes;

use self::routes::Route;
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

/// Returns a proxy for each path of the Ingresses and HTTPRoutes.
pub(super) fn proxies(objects: &Objects) -> Vec<Proxy> {
    let mut proxies: Vec<Proxy> = Vec::new();
    // Controllers merge the objects of a kind by host.
    for routes in [routes::ingresses(objects), routes::http_routes(objects)] {
        for new in routes.iter().filter_map(|it| proxy(it, &routes, objects)) {
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
fn proxy(route: &Route<'_>, routes: &[Route<'_>], objects: &Objects) -> Option<Proxy> {
    let Sited { value, place } = route.service.as_ref()?;
    let object = route.object;
    let kind = object.text_at("kind").unwrap_or_default();
    let name = object.text_at("metadata.name").unwrap_or_default();
    let server = Server {
        host: objects.host(route.namespace, value),
        port: None,
    };
    let mut exposed = route.exposed(routes);
    exposed.retain(|path| !is_denied(object, path));
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
            .and_then(|it| limit("proxy-body-size", it, body_size)),
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

/// Whether a snippet of nginx rejects a path.
fn is_denied(object: &Node, path: &str) -> bool {
    let snippets = ["server-snippet", "configuration-snippet"];
    let mut texts = snippets
        .iter()
        .filter_map(|name| annotation(object, name)?.text());
    let rejects = |text: &str| text.contains("return") || text.contains("deny");
    texts.any(|text| rejects(text) && rules::is_meant(text, false, path))
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
