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
    model::{Model, Service},
};

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// The condition that files must fulfil.
    pub(crate) condition: &'static str,
    check: fn(&Model) -> Vec<Finding>,
}

/// All rules, in the order of `docs/lint.md`.
pub(crate) const RULES: [Rule; 14] = [
    Rule {
        name: "CONFIG",
        condition: "the service accepts its settings",
        check: config::check,
    },
    Rule {
        name: "GRACE",
        condition: "the time to SIGKILL exceeds the longest shutdown",
        check: grace::check,
    },
    Rule {
        name: "NOTICE",
        condition: "a prober observes /ready within DRAIN_DELAY",
        check: notice::check,
    },
    Rule {
        name: "PROBE",
        condition: "probes request a path and port that answer them",
        check: probe::check,
    },
    Rule {
        name: "PATIENCE",
        condition: "a proxy waits longer than REQUEST_TIMEOUT",
        check: patience::check,
    },
    Rule {
        name: "IDLE",
        condition: "a proxy closes idle connections before IDLE_TIMEOUT",
        check: idle::check,
    },
    Rule {
        name: "BODY",
        condition: "a proxy accepts no body above MAX_BODY_BYTES",
        check: body::check,
    },
    Rule {
        name: "TRUST",
        condition: "exactly the proxies in front are trusted",
        check: trust::check,
    },
    Rule {
        name: "MEMORY",
        condition: "connections and bodies fit into the memory limit",
        check: memory::check,
    },
    Rule {
        name: "FILES",
        condition: "the limit of open files exceeds MAX_CONNECTIONS",
        check: files::check,
    },
    Rule {
        name: "PORTS",
        condition: "all files agree on the ports",
        check: ports::check,
    },
    Rule {
        name: "PUBLIC",
        condition: "proxies hide metrics and probes",
        check: public::check,
    },
    Rule {
        name: "SECRET",
        condition: "no file contains a key",
        check: secret::check,
    },
    Rule {
        name: "EXIT",
        condition: "systemd knows the exit statuses",
        check: exit::check,
    },
];

/// Returns the findings of all rules, sorted by place.
pub(crate) fn check(model: &Model) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| (rule.check)(model)).collect();
    // A line can be part of several services, such as a base of several overlays.
    findings.sort_by(|a, b| (&a.place, a.rule, &a.message).cmp(&(&b.place, b.rule, &b.message)));
    findings.dedup_by(|a, b| {
        (&a.place, a.rule, &a.message, &a.sum) == (&b.place, b.rule, &b.message, &b.sum)
    });
    findings
}

/// Returns the reserved paths below a prefix, or at a path.
pub(crate) fn exposed(path: &str, is_exact: bool) -> Vec<&'static str> {
    let prefix = path.trim_end_matches('/');
    let is_exposed = |reserved: &&str| {
        let rest = reserved.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || (!is_exact && rest.starts_with('/')))
    };
    let paths = Surface::get().paths.iter().map(String::as_str);
    // `/info` is served if the code adds it, and then it is meant to be.
    paths
        .filter(|path| *path != "/info")
        .filter(is_exposed)
        .collect()
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
