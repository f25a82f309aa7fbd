//! Configuration of nginx: the locations that pass requests to an upstream.

mod locations;
mod parse;

use std::{collections::HashMap, ptr, rc::Rc, time::Duration};

use self::locations::{Patterns, answered};
pub(crate) use self::parse::{Directive, parse};
use super::{
    model::{Limit, Proxy, Server},
    quantity::{self, Plain},
    rules,
};
use crate::place::Sited;

/// Defaults of nginx.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const BODY_LIMIT: u64 = 1 << 20;

/// The most directives of an upstream that are read, since each location that names it has them.
const MAX_UPSTREAM: usize = 1000;

/// Whether a text is a configuration of nginx with a proxy.
pub(crate) fn is_configuration(text: &str) -> bool {
    let lines = text.lines().filter_map(|line| line.split('#').next());
    let mut parts = lines.flat_map(|line| line.split_inclusive(['{', '}', ';']));
    parts.any(|part| {
        let first = part.split_whitespace().next();
        first == Some("proxy_pass") || (first == Some("upstream") && part.ends_with('{'))
    })
}

/// The directives of a block by their name.
type Block<'conf> = HashMap<&'conf str, Vec<&'conf Directive>>;

/// The blocks around a directive, the innermost last.
#[derive(Debug, Clone, Default)]
struct Scope<'conf> {
    blocks: Vec<Rc<Block<'conf>>>,
}

impl<'conf> Scope<'conf> {
    fn inside(&self, directives: &'conf [Directive]) -> Self {
        let mut block = Block::new();
        for directive in directives {
            block.entry(&directive.name).or_default().push(directive);
        }
        let mut blocks = self.blocks.clone();
        blocks.push(Rc::new(block));
        Self { blocks }
    }

    /// Returns the innermost directive of a name, which nginx inherits.
    fn find(&self, name: &str) -> Option<&'conf Directive> {
        let mut blocks = self.blocks.iter().rev();
        blocks.find_map(|block| block.get(name)?.first().copied())
    }

    /// Whether only some clients have access, by their address or a password.
    fn is_restricted(&self) -> bool {
        let mut blocks = self.blocks.iter().rev();
        let rules = blocks.find(|it| it.contains_key("allow") || it.contains_key("deny"));
        let denied = rules.and_then(|block| block.get("deny"));
        let denies_all = denied.is_some_and(|it| it.iter().any(|it| it.words == ["all"]));
        let is_on = |name| self.find(name).is_some_and(|it| it.words != ["off"]);
        denies_all || is_on("auth_basic") || is_on("auth_request") || is_on("internal")
    }
}

/// The configuration files of one folder, which nginx reads as one.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    directives: Vec<Directive>,
}

impl Folder {
    /// Adds the directives of a file.
    pub(crate) fn add(&mut self, directives: Vec<Directive>) {
        self.directives.extend(directives);
    }

    /// Returns a proxy for each upstream of each location.
    pub(crate) fn proxies(&self) -> Vec<Proxy> {
        let mut upstreams = Vec::new();
        let mut locations = Vec::new();
        let scope = Scope::default().inside(&self.directives);
        for directive in &self.directives {
            if directive.name == "http" {
                collect(
                    &directive.block,
                    &scope.inside(&directive.block),
                    &mut upstreams,
                    &mut locations,
                );
            }
        }
        collect(&self.directives, &scope, &mut upstreams, &mut locations);
        let upstreams = by_name(&upstreams);
        let proxies = locations
            .iter()
            .flat_map(|location| location.proxies(&upstreams));
        proxies.collect()
    }
}

/// Upstreams by their name, with one of each file.
type Upstreams<'conf> = HashMap<&'conf str, Vec<&'conf Directive>>;

/// Groups upstreams by their name. nginx rejects a second one of a name, but a folder can be part of several.
fn by_name<'conf>(upstreams: &[&'conf Directive]) -> Upstreams<'conf> {
    let mut groups = Upstreams::new();
    for upstream in upstreams {
        if let Some(name) = upstream.words.first() {
            let group = groups.entry(name).or_default();
            if group
                .last()
                .is_none_or(|it| it.place.file != upstream.place.file)
            {
                group.push(upstream);
            }
        }
    }
    groups
}

/// Finds upstreams, and the locations of servers.
fn collect<'conf>(
    block: &'conf [Directive],
    scope: &Scope<'conf>,
    upstreams: &mut Vec<&'conf Directive>,
    locations: &mut Vec<Location<'conf>>,
) {
    upstreams.extend(block.iter().filter(|it| it.name == "upstream"));
    for server in block.iter().filter(|it| it.name == "server") {
        let scope = scope.inside(&server.block);
        let all = nested(&server.block, &scope);
        let mut owned = owned(&server.block);
        for (location, scope) in all {
            let pass = location.block.iter().find(|it| it.name == "proxy_pass");
            locations.extend(pass.map(|pass| {
                let mut exposed = owned.remove(&ptr::from_ref(location)).unwrap_or_default();
                if scope.is_restricted() {
                    exposed.clear();
                }
                let own = answered(&location.block);
                exposed.retain(|path| !own.contains(path));
                Location {
                    pass,
                    exposed,
                    scope,
                }
            }));
        }
    }
}

/// Returns the reserved paths for which nginx can choose each location of a server.
fn owned(server: &[Directive]) -> HashMap<*const Directive, Vec<&'static str>> {
    let mut owned: HashMap<*const Directive, Vec<&'static str>> = HashMap::new();
    let answered = answered(server);
    let patterns = Patterns::of(server);
    let reserved = rules::reserved().into_iter();
    for path in reserved.filter(|path| !answered.contains(path)) {
        for owner in patterns.owners(path) {
            let paths = owned.entry(ptr::from_ref(owner)).or_default();
            // A location can be both the owner and one that can match.
            if paths.last() != Some(&path) {
                paths.push(path);
            }
        }
    }
    owned
}

/// Returns the locations of a server, and those inside them.
fn nested<'conf>(
    block: &'conf [Directive],
    scope: &Scope<'conf>,
) -> Vec<(&'conf Directive, Scope<'conf>)> {
    let mut found = Vec::new();
    for location in block.iter().filter(|it| it.name == "location") {
        let scope = scope.inside(&location.block);
        found.extend(nested(&location.block, &scope));
        found.push((location, scope));
    }
    found
}

/// A location that passes requests.
#[derive(Debug)]
struct Location<'conf> {
    pass: &'conf Directive,
    scope: Scope<'conf>,
    /// The reserved paths for which nginx chooses it.
    exposed: Vec<&'static str>,
}

impl Location<'_> {
    fn proxies(&self, upstreams: &Upstreams<'_>) -> Vec<Proxy> {
        let url = self.pass.words.first().map_or("", String::as_str);
        let Some((_, rest)) = url.split_once("://") else {
            return Vec::new();
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let named = upstreams.get(authority).into_iter().flatten();
        let mut proxies: Vec<Proxy> = named
            .map(|upstream| self.proxy(authority, Some(upstream)))
            .collect();
        if proxies.is_empty() && !authority.contains('$') {
            proxies.push(self.proxy(authority, None));
        }
        proxies
    }

    fn proxy(&self, name: &str, upstream: Option<&Directive>) -> Proxy {
        let servers = match upstream {
            Some(upstream) => {
                let servers = upstream.block.iter().take(MAX_UPSTREAM);
                let servers = servers.filter(|it| it.name == "server");
                let servers = servers.filter_map(|it| Some((it.words.first()?, &it.place)));
                servers
                    .map(|(text, place)| Sited::new(server(text), place.clone()))
                    .collect()
            }
            None => vec![Sited::new(server(name), self.pass.place.clone())],
        };
        let place = &self.pass.place;
        Proxy {
            title: "nginx".to_owned(),
            place: place.clone(),
            upstream: name.to_owned(),
            servers,
            read_timeout: Some(self.limit("proxy_read_timeout", READ_TIMEOUT, time)),
            idle_timeout: upstream.and_then(idle_timeout),
            body_limit: Some(self.limit("client_max_body_size", Some(BODY_LIMIT), quantity::limit)),
            readiness: None,
            exposed: self.exposed.clone(),
            // The same locations can be used with several upstreams.
            file: upstream.map_or(place, |it| &it.place).file.clone(),
        }
    }

    fn limit<T>(&self, key: &'static str, default: T, parse: fn(&str) -> Option<T>) -> Limit<T> {
        let directive = self.scope.find(key);
        let set = directive.and_then(|it| Some((parse(it.words.first()?)?, it.place.clone())));
        match set {
            Some((value, place)) => Limit {
                key,
                value,
                place: Some(place),
            },
            None => Limit {
                key,
                value: default,
                place: None,
            },
        }
    }
}

/// Returns the reserved paths that a snippet in a server or a location hides.
pub(crate) fn hidden(snippet: &[Directive]) -> Vec<&'static str> {
    let scope = Scope::default().inside(snippet);
    let mut hidden = rules::reserved();
    if scope.is_restricted() {
        return hidden;
    }
    let all = nested(snippet, &scope);
    let patterns = Patterns::of(snippet);
    let own = answered(snippet);
    hidden.retain(|path| {
        let owner = patterns.owner(path, &mut Vec::new()).0;
        let owner = owner.and_then(|owner| all.iter().find(|(it, _)| ptr::eq(*it, owner)));
        let is_hidden = owner.is_some_and(|(location, scope)| {
            let passes = location.block.iter().any(|it| it.name == "proxy_pass");
            !passes || scope.is_restricted() || answered(&location.block).contains(path)
        });
        is_hidden || own.contains(path)
    });
    hidden
}

/// Returns the time that a connection to an upstream stays open without a request. `None` without `keepalive`.
fn idle_timeout(upstream: &Directive) -> Option<Limit<Duration>> {
    let block = upstream.block.iter().take(MAX_UPSTREAM);
    let find = |name: &str| block.clone().find(|it| it.name == name);
    find("keepalive")?;
    let set = find("keepalive_timeout");
    let value = set
        .and_then(|it| time(it.words.first()?))
        .unwrap_or(IDLE_TIMEOUT);
    Some(Limit {
        key: "keepalive_timeout",
        value,
        place: set.map(|it| it.place.clone()),
    })
}

fn time(text: &str) -> Option<Duration> {
    quantity::duration(text, Plain::Seconds)
}

fn server(text: &str) -> Server {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
        _ => (text, Some(80)),
    };
    Server {
        host: host.to_owned(),
        port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_a_configuration() {
        assert!(is_configuration("location / { proxy_pass http://a; }"));
        assert!(is_configuration("upstream a {\n"));
        assert!(!is_configuration(
            "# proxy_pass http://a;\nproxy_set_header a b;"
        ));
    }
}
