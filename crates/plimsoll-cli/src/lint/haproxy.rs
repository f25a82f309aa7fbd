//! Configuration of HAProxy: the backends, and the frontends that lead to them.

mod parse;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub(crate) use self::parse::{Configuration, is_configuration, parse};
use self::parse::{Line, Section};
use super::{
    model::{Detection, Limit, Proxy, Server},
    quantity::{self, Plain},
    rules,
};
use crate::place::{Place, Sited};

/// The time after which HAProxy begins to close unused connections to servers.
const PURGE_DELAY: Duration = Duration::from_secs(5);

/// The interval of health checks, and the failures until a server is down.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
const CHECK_FAILURES: u32 = 3;

impl Configuration {
    /// Returns a proxy for each backend with servers.
    pub(crate) fn proxies(&self) -> Vec<Proxy> {
        let sections = self.sections.iter();
        let backends = sections.filter(|it| it.kind == "backend" || it.kind == "listen");
        let frontends = self.frontends();
        let proxies = backends.filter_map(|backend| {
            let frontends = frontends.get(backend.name.as_str());
            self.proxy(backend, frontends.map_or(&[], Vec::as_slice))
        });
        proxies.collect()
    }

    /// Returns the frontends by the backend that they lead to. The conditions of `use_backend` are not evaluated.
    fn frontends(&self) -> BTreeMap<&str, Vec<&Section>> {
        let mut frontends: BTreeMap<&str, Vec<&Section>> = BTreeMap::new();
        for section in &self.sections {
            if section.kind == "listen" {
                frontends.entry(&section.name).or_default().push(section);
            }
            let lines = section.lines.iter().filter(|_| section.kind == "frontend");
            for line in lines.filter(|it| it.starts_with(&["default_backend"])) {
                let backend = line.words.get(1).map_or("", String::as_str);
                frontends.entry(backend).or_default().push(section);
            }
        }
        frontends
    }

    fn proxy(&self, backend: &Section, frontends: &[&Section]) -> Option<Proxy> {
        let servers: Vec<&Line> = backend
            .lines
            .iter()
            .filter(|it| it.starts_with(&["server"]))
            .collect();
        let first = servers.first()?;
        let addresses = servers
            .iter()
            .filter_map(|line| Some(Sited::new(server(line.words.get(2)?), line.place.clone())));
        let read_timeout = self.line(backend, &["timeout", "server"]);
        let mut exposed: Vec<&'static str> = frontends.iter().flat_map(|it| it.exposed()).collect();
        let denied = backend.denied();
        exposed.retain(|path| !denied.contains(path));
        exposed.sort_unstable();
        exposed.dedup();
        Some(Proxy {
            title: "HAProxy".to_owned(),
            place: first.place.clone(),
            upstream: backend.name.clone(),
            servers: addresses.collect(),
            read_timeout: read_timeout.and_then(|line| {
                Some(Limit {
                    key: "timeout server",
                    value: quantity::duration(line.words.get(2)?, Plain::Milliseconds)?,
                    place: Some(line.place.clone()),
                })
            }),
            idle_timeout: Some(self.idle_timeout(backend, first)),
            body_limit: None,
            readiness: self.readiness(backend, first),
            exposed,
            file: first.place.file.clone(),
        })
    }

    /// Returns the last line of a section that begins with some words, else that of its defaults.
    fn line<'conf>(&'conf self, section: &'conf Section, words: &[&str]) -> Option<&'conf Line> {
        let own = section.lines.iter().rfind(|line| line.starts_with(words));
        let defaults = section.defaults.and_then(|index| self.sections.get(index));
        own.or_else(|| defaults?.lines.iter().rfind(|line| line.starts_with(words)))
    }

    /// Returns an option of a server, or of `default-server`.
    fn option<'conf>(
        &'conf self,
        backend: &'conf Section,
        server: &'conf Line,
        name: &str,
    ) -> Option<(&'conf str, &'conf Place)> {
        let lines = [Some(server), self.line(backend, &["default-server"])];
        let mut lines = lines.into_iter().flatten();
        lines.find_map(|line| Some((line.after(name)?, &line.place)))
    }

    fn idle_timeout(&self, backend: &Section, server: &Line) -> Limit<Duration> {
        let set = self.option(backend, server, "pool-purge-delay");
        let set = set.and_then(|(text, place)| {
            Some((
                quantity::duration(text, Plain::Milliseconds)?,
                place.clone(),
            ))
        });
        Limit {
            key: "pool-purge-delay",
            value: set.as_ref().map_or(PURGE_DELAY, |(time, _)| *time),
            place: set.map(|(_, place)| place),
        }
    }

    /// Returns the times of checks that request `/ready`.
    fn readiness(&self, backend: &Section, server: &Line) -> Option<Sited<Detection>> {
        let check = self
            .line(backend, &["http-check", "send"])
            .filter(|it| it.after("uri").is_some());
        let check = check.or_else(|| self.line(backend, &["option", "httpchk"]))?;
        let is_ready = |word: &String| rules::is_ready_path(word);
        if !check.words.iter().any(is_ready) {
            return None;
        }
        let time = |name| {
            let (text, _) = self.option(backend, server, name)?;
            quantity::duration(text, Plain::Milliseconds)
        };
        let failures = self
            .option(backend, server, "fall")
            .and_then(|(text, _)| text.parse().ok());
        let timeout = self.line(backend, &["timeout", "check"]);
        let timeout =
            timeout.and_then(|line| quantity::duration(line.words.get(2)?, Plain::Milliseconds));
        let period = time("inter").unwrap_or(CHECK_INTERVAL);
        let detection = Detection {
            period,
            failures: failures.unwrap_or(CHECK_FAILURES),
            timeout: timeout.unwrap_or(period),
        };
        Some(Sited::new(detection, check.place.clone()))
    }
}

impl Section {
    /// Returns the reserved paths that this frontend passes on.
    fn exposed(&self) -> Vec<&'static str> {
        let denied = self.denied();
        let mut exposed = rules::exposed("/", false);
        exposed.retain(|path| !denied.contains(path));
        exposed
    }

    /// Returns the reserved paths that `http-request deny` and the like reject.
    fn denied(&self) -> Vec<&'static str> {
        const ACTIONS: [&str; 5] = ["deny", "return", "reject", "tarpit", "redirect"];
        let rejects = |line: &&Line| {
            let action = line.words.get(1).map_or("", String::as_str);
            line.starts_with(&["http-request"]) && ACTIONS.contains(&action)
        };
        let rejecting: Vec<&Line> = self.lines.iter().filter(rejects).collect();
        let mut denied = rules::exposed("/", false);
        denied.retain(|path| {
            // The names of the conditions that are meant for the path.
            let acls = self.lines.iter().filter(|it| it.starts_with(&["acl"]));
            let acls = acls
                .filter(|it| it.is_for(path))
                .filter_map(|it| it.words.get(1));
            let acls: BTreeSet<&String> = acls.collect();
            rejecting.iter().any(|line| {
                let is_for = line.is_for(path) || line.words.iter().any(|it| acls.contains(it));
                let is_inverted = line.words.iter().any(|word| word == "unless");
                is_for != is_inverted
            })
        });
        denied
    }
}

fn server(text: &str) -> Server {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    Server {
        host: host.to_owned(),
        port: port.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
defaults
    timeout server 35s
    default-server inter 1s fall 2
frontend public
    acl internal path /metrics /health
    http-request deny if internal
    http-request return status 404 if { path_reg ^/(ready|readyz)$ }
    default_backend app
backend app
    option httpchk GET /ready
    timeout check 500
    server one 127.0.0.1:8081 pool-purge-delay 10s # comment
    server two app:8082
";

    #[test]
    fn backend_inherits_defaults_and_frontends() {
        let proxies = parse(TEXT, "haproxy.cfg").proxies();
        assert_eq!(proxies.len(), 1);
        let proxy = &proxies[0];
        assert_eq!(
            proxy.read_timeout.as_ref().unwrap().value,
            Duration::from_secs(35)
        );
        assert_eq!(
            proxy.idle_timeout.as_ref().unwrap().value,
            Duration::from_secs(10)
        );
        assert_eq!(proxy.servers[1].value.host, "app");
        let readiness = proxy.readiness.as_ref().unwrap();
        assert_eq!(readiness.value.total(), Duration::from_millis(2500));
        assert_eq!(readiness.place.line, 10);
        assert_eq!(proxy.exposed, ["/healthz", "/livez", "/startupz"]);
    }

    #[test]
    fn conditions_of_frontends_are_not_exposed() {
        #[track_caller]
        fn check(condition: &str, exposed: &[&str]) {
            let text =
                format!("frontend a\n {condition}\n default_backend b\nbackend b\n server c d:1\n");
            assert_eq!(
                parse(&text, "a").proxies()[0].exposed,
                exposed,
                "{condition}"
            );
        }
        let deny = "http-request deny";
        check(
            &format!("{deny} if {{ path_beg /health /ready /metrics }}"),
            &["/livez", "/startupz"],
        );
        check(
            &format!("{deny} if {{ path_reg ^/(health|ready|metrics|livez)$ }}"),
            &["/healthz", "/readyz", "/startupz"],
        );
        check(
            &format!("{deny} if {{ path_reg ^/(health|ready|metrics|livez) }}"),
            &["/startupz"],
        );
        check(&format!("{deny} unless {{ path_beg /api }}"), &[]);
    }

    #[test]
    fn texts_of_other_programs_are_not_recognised() {
        assert!(is_configuration(TEXT));
        assert!(!is_configuration("[defaults]\ntimeout = 5\n"));
        assert!(!is_configuration("defaults\n"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), line in "(backend a|server|acl|timeout server|[ \"'\\\\#a:0-9])*") {
            let _ = parse(&text, "a").proxies();
            let _ = parse(&format!("listen a\n {line}\n"), "a").proxies();
        }
    }
}
