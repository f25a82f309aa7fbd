//! The rules, each in a file with the condition that it checks.

mod body;
mod config;
mod exit;
mod files;
mod grace;
mod idle;
mod memory;
mod notice;
mod patience;
mod ports;
mod probe;
mod public;
mod secret;
mod trust;

use plimsoll_contract::Surface;

use super::{
    finding::Finding,
    model::{Model, Proxy, Service},
    settings::Settings,
};

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// The condition that files must fulfil.
    pub(crate) condition: &'static str,
    check: Check,
}

/// The part of the model that a rule reads.
#[derive(Debug)]
enum Check {
    /// A service and its platform.
    Service(fn(&Service) -> Option<Finding>),
    /// A proxy and the settings of a service behind it.
    Proxy(fn(&Proxy, &Settings) -> Option<Finding>),
    Model(fn(&Model) -> Vec<Finding>),
}

impl Check {
    fn findings(&self, model: &Model) -> Vec<Finding> {
        match self {
            Self::Service(finding) => model.services.iter().filter_map(finding).collect(),
            Self::Proxy(finding) => proxy_findings(model, *finding),
            Self::Model(findings) => findings(model),
        }
    }
}

/// All rules, in the order of `docs/lint.md`.
pub(crate) const RULES: [Rule; 14] = [
    Rule {
        name: "CONFIG",
        condition: "the service accepts its settings",
        check: Check::Model(config::check),
    },
    Rule {
        name: "GRACE",
        condition: "the time to SIGKILL exceeds the longest shutdown",
        check: Check::Service(grace::finding),
    },
    Rule {
        name: "NOTICE",
        condition: "a prober observes /ready within DRAIN_DELAY",
        check: Check::Model(notice::check),
    },
    Rule {
        name: "PROBE",
        condition: "probes request a path and port that answer them",
        check: Check::Model(probe::check),
    },
    Rule {
        name: "PATIENCE",
        condition: "a proxy waits longer than REQUEST_TIMEOUT",
        check: Check::Proxy(patience::finding),
    },
    Rule {
        name: "IDLE",
        condition: "a proxy closes idle connections before IDLE_TIMEOUT",
        check: Check::Proxy(idle::finding),
    },
    Rule {
        name: "BODY",
        condition: "a proxy accepts no body above MAX_BODY_BYTES",
        check: Check::Proxy(body::finding),
    },
    Rule {
        name: "TRUST",
        condition: "exactly the proxies in front are trusted",
        check: Check::Model(trust::check),
    },
    Rule {
        name: "MEMORY",
        condition: "connections and bodies fit into the memory limit",
        check: Check::Service(memory::finding),
    },
    Rule {
        name: "FILES",
        condition: "the limit of open files exceeds MAX_CONNECTIONS",
        check: Check::Service(files::finding),
    },
    Rule {
        name: "PORTS",
        condition: "all files agree on the ports",
        check: Check::Model(ports::check),
    },
    Rule {
        name: "PUBLIC",
        condition: "proxies hide metrics and probes",
        check: Check::Proxy(public::finding),
    },
    Rule {
        name: "SECRET",
        condition: "no file contains a key",
        check: Check::Model(secret::check),
    },
    Rule {
        name: "EXIT",
        condition: "systemd knows the exit statuses",
        check: Check::Model(exit::check),
    },
];

/// Returns the findings of all rules, sorted by place.
pub(crate) fn check(model: &Model) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES
        .iter()
        .flat_map(|rule| rule.check.findings(model))
        .collect();
    // A line can be part of several services, such as a base of several overlays.
    findings.sort_by(|a, b| (&a.place, a.rule, &a.message).cmp(&(&b.place, b.rule, &b.message)));
    findings.dedup_by(|a, b| {
        (&a.place, a.rule, &a.message, &a.sum) == (&b.place, b.rule, &b.message, &b.sum)
    });
    findings
}

/// Returns the findings of each proxy and the settings of each service behind it.
fn proxy_findings(
    model: &Model,
    finding: fn(&Proxy, &Settings) -> Option<Finding>,
) -> Vec<Finding> {
    let pairs = model.pairs();
    pairs
        .filter_map(|(proxy, _, settings)| finding(proxy, settings))
        .collect()
}

/// Returns the reserved paths below a prefix, or at a path.
pub(crate) fn exposed(path: &str, is_exact: bool) -> Vec<&'static str> {
    let prefix = path.trim_end_matches('/');
    let is_exposed = |reserved: &&str| {
        let rest = reserved.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || (!is_exact && rest.starts_with('/')))
    };
    let mut paths = reserved();
    paths.retain(is_exposed);
    paths
}

/// Returns the reserved paths.
pub(crate) fn reserved() -> Vec<&'static str> {
    let paths = Surface::get().paths.iter().map(String::as_str);
    // `/info` is served if the code adds it, and then it is meant to be.
    paths.filter(|path| *path != "/info").collect()
}

/// Whether a path answers 503 during the lame duck phase.
pub(crate) fn is_ready_path(path: &str) -> bool {
    matches!(path, "/ready" | "/readyz")
}

/// Returns the name of a service or proxy in waivers: the last word of its title.
fn subject(title: &str) -> String {
    let name = title.rsplit(' ').next();
    name.unwrap_or(title).to_owned()
}

impl Service {
    /// Returns the note of a sum whose summands may be different where the service runs.
    fn doubt(&self) -> &'static str {
        if self.settings.unread.is_empty() {
            ""
        } else {
            "; not all sources of its settings were read"
        }
    }
}
