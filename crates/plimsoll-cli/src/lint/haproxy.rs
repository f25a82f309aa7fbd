//! Configuration of HAProxy: the backends, and the frontends that lead to them.

mod condition;
mod criterion;
mod parse;
#[cfg(test)]
mod peer;

use std::{collections::BTreeMap, time::Duration};

pub(crate) use self::parse::{Configuration, is_configuration, parse};
use self::{
    condition::{Acls, Condition},
    parse::{Line, Section},
};
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
        let passed = self.passed();
        let proxies = backends.filter_map(|backend| {
            let mut exposed = passed
                .get(backend.name.as_str())
                .cloned()
                .unwrap_or_default();
            exposed.sort_unstable();
            exposed.dedup();
            let rules = Rules::of(backend);
            exposed.retain(|path| !rules.deny(path));
            self.proxy(backend, exposed)
        });
        proxies.collect()
    }

    /// Returns the reserved paths that frontends pass on, by the backend.
    fn passed(&self) -> BTreeMap<&str, Vec<&'static str>> {
        let mut passed: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
        let sections = self.sections.iter();
        for section in sections.filter(|it| it.kind == "frontend" || it.kind == "listen") {
            let rules = Rules::of(section);
            let default = self.line(section, "default_backend");
            let own = Some(&section.name).filter(|_| section.kind == "listen");
            let default = default.and_then(|line| line.words.get(1)).or(own);
            for path in rules::reserved() {
                if !rules.deny(path) {
                    for backend in rules.backends(path, default) {
                        passed.entry(backend).or_default().push(path);
                    }
                }
            }
        }
        passed
    }

    fn proxy(&self, backend: &Section, exposed: Vec<&'static str>) -> Option<Proxy> {
        let servers: Vec<&Line> = backend
            .lines
            .iter()
            .filter(|it| it.starts_with(&["server"]))
            .collect();
        let first = servers.first()?;
        let addresses = servers
            .iter()
            .filter_map(|line| Some(Sited::new(server(line.words.get(2)?), line.place.clone())));
        let read_timeout = self.line(backend, "timeout server");
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

    /// Returns the last line of a section that begins with one word or two, else that of its defaults.
    fn line<'conf>(&'conf self, section: &'conf Section, words: &str) -> Option<&'conf Line> {
        let defaults = || self.sections.get(section.defaults?)?.last(words);
        section.last(words).or_else(defaults)
    }

    /// Returns an option of a server, or of `default-server`.
    fn option<'conf>(
        &'conf self,
        backend: &'conf Section,
        server: &'conf Line,
        name: &str,
    ) -> Option<(&'conf str, &'conf Place)> {
        let lines = [Some(server), self.line(backend, "default-server")];
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
            .line(backend, "http-check send")
            .filter(|it| it.after("uri").is_some());
        let check = check.or_else(|| self.line(backend, "option httpchk"))?;
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
        let timeout = self.line(backend, "timeout check");
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

/// The lines of a section that reject or distribute requests.
struct Rules<'conf> {
    acls: Acls<'conf>,
    /// Rules that end the request: whether they accept it, and when.
    decisions: Vec<(bool, Condition<'conf>)>,
    uses: Vec<(&'conf str, Condition<'conf>)>,
}

impl<'conf> Rules<'conf> {
    fn of(section: &'conf Section) -> Self {
        let decision = |line: &'conf Line| {
            let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
            let is_accepted = match words.as_slice() {
                ["http-request", "allow", ..] => true,
                [
                    "http-request",
                    "auth" | "deny" | "redirect" | "reject" | "return" | "silent-drop" | "tarpit",
                    ..,
                ]
                | ["redirect", ..] => false,
                _ => return None,
            };
            Some((is_accepted, Condition::of(line)))
        };
        let uses = section.lines.iter().filter_map(|line| {
            let backend = line.words.get(1)?;
            let is_use = line.starts_with(&["use_backend"]);
            is_use.then(|| (backend.as_str(), Condition::of(line)))
        });
        Self {
            acls: condition::acls(&section.lines),
            decisions: section.lines.iter().filter_map(decision).collect(),
            uses: uses.collect(),
        }
    }

    /// Whether clients without privileges cannot request a reserved path.
    fn deny(&self, path: &str) -> bool {
        for (is_accepted, condition) in &self.decisions {
            match (is_accepted, condition.holds(path, &self.acls)) {
                (true, Some(true) | None) => return false,
                (false, Some(true)) => return true,
                (_, Some(false)) | (false, None) => {}
            }
        }
        false
    }

    /// Returns the backends that can receive a reserved path.
    fn backends(&self, path: &str, default: Option<&'conf String>) -> Vec<&'conf str> {
        let mut backends = Vec::new();
        for (backend, condition) in &self.uses {
            let holds = condition.holds(path, &self.acls);
            if holds != Some(false) {
                backends.push(*backend);
            }
            if holds == Some(true) {
                return backends;
            }
        }
        backends.extend(default.map(String::as_str));
        backends
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
    fn paths_are_followed_to_their_backend() {
        #[track_caller]
        fn check(lines: &str, first: &[&str], second: &[&str]) {
            let text = format!(
                "frontend a\n{lines}\nbackend b\n server c d:1\nbackend c\n server c d:2\n"
            );
            let proxies = parse(&text, "a").proxies();
            assert_eq!(proxies[0].exposed, first, "{lines}");
            assert_eq!(proxies[1].exposed, second, "{lines}");
        }
        let all = {
            let mut all = rules::reserved();
            all.sort_unstable();
            all
        };
        let rest: Vec<&str> = all.iter().copied().filter(|it| *it != "/metrics").collect();
        check(
            " use_backend c if { path_beg /api }\n default_backend b",
            &all,
            &[],
        );
        check(
            " use_backend c if { path /metrics }\n default_backend b",
            &rest,
            &["/metrics"],
        );
        check(" use_backend b if { hdr(host) shop }", &all, &[]);
        check(
            " use_backend b if { hdr(host) shop }\n use_backend c",
            &all,
            &all,
        );
        check(
            " use_backend b if { src 10.0.0.0/8 }\n default_backend c",
            &[],
            &all,
        );
        let text = "defaults\n default_backend b\nfrontend a\nbackend b\n server c d:1\n";
        assert_eq!(parse(text, "a").proxies()[0].exposed, all);
        let text = "defaults\nlisten a\n http-request deny if { path /metrics }\n server c d:1\n";
        assert_eq!(parse(text, "a").proxies()[0].exposed, rest);
    }

    #[test]
    fn texts_of_other_programs_are_not_recognised() {
        assert!(is_configuration(TEXT));
        assert!(!is_configuration("[defaults]\ntimeout = 5\n"));
        assert!(!is_configuration("defaults\n"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), line in "(backend a|server|acl|http-request deny if|use_backend|path_reg|timeout server|[ !{}|(\"'\\\\#a:0-9])*") {
            let _ = parse(&text, "a").proxies();
            let _ = parse(&format!("listen a\n {line}\n"), "a").proxies();
        }
    }
}
