//! The JSON of a service.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{Kind, Phase, RunStatus, Service, Status, Variable, text};
use crate::{children::state::State, store::Exit};

/// A service at one moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceView<'s> {
    name: &'s str,
    kind: &'static str,
    command: Option<&'s str>,
    state: State,
    since: f64,
    pid: Option<u32>,
    address: Option<String>,
    run: Option<u32>,
    last_line: Option<String>,
    version: Option<String>,
    set: &'s [Variable],
    runs: Vec<RunView>,
    controls: &'static [&'static str],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunView {
    run: u32,
    pid: Option<u32>,
    began: f64,
    ready: Option<f64>,
    ended: Option<f64>,
    exit: Option<ExitView>,
    requests: Option<u64>,
    last_lines: Vec<String>,
}

/// An exit as `{"status":3}` or `{"signal":"SIGKILL"}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum ExitView {
    Status(i32),
    Signal(String),
}

impl Service {
    /// Returns the service for the page. `requests` counts those of a run.
    pub(crate) fn view(&self, requests: impl Fn(u32) -> Option<u64>) -> ServiceView<'_> {
        let status = self.lock();
        let current = status.runs.back();
        let is_running = current.is_some_and(|run| run.end.is_none());
        ServiceView {
            name: self.name(),
            kind: match self.identity.kind {
                Kind::Child => "child",
                Kind::Attached => "attached",
            },
            command: self.identity.command.as_deref(),
            state: status.state,
            since: unix(status.since),
            pid: current.filter(|_| is_running).and_then(|run| run.pid),
            address: status.address.clone(),
            run: current.map(|run| run.number),
            last_line: status.last_lines.back().map(|line| text(line)),
            version: status.version.clone(),
            set: &self.identity.variables,
            runs: runs(&status, requests),
            controls: controls(self.identity.kind, &status),
        }
    }
}

fn runs(status: &Status, requests: impl Fn(u32) -> Option<u64>) -> Vec<RunView> {
    let view = |run: &RunStatus| RunView {
        run: run.number,
        pid: run.pid,
        began: unix(run.began),
        ready: run.ready.map(unix),
        ended: run.end.map(|(ended, _)| unix(ended)),
        exit: run.end.and_then(|(_, exit)| ExitView::of(exit)),
        requests: requests(run.number),
        last_lines: run.last_lines.clone(),
    };
    status.runs.iter().map(view).collect()
}

fn controls(kind: Kind, status: &Status) -> &'static [&'static str] {
    if kind == Kind::Attached || status.is_closed {
        return &[];
    }
    match status.phase {
        Phase::Idle => &["start"],
        Phase::Running => &["stop", "restart"],
        Phase::Ending => &[],
    }
}

impl ExitView {
    fn of(exit: Exit) -> Option<Self> {
        match exit {
            Exit::Status(status) => Some(Self::Status(status)),
            Exit::Signal(signal) => Some(Self::Signal(signal_name(signal))),
            Exit::Unknown => None,
        }
    }
}

/// Returns the name of a signal. Numbers above 15 differ between systems.
fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 15] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "", "FPE", "KILL", "", "SEGV", "", "PIPE",
        "ALRM", "TERM",
    ];
    let index = usize::try_from(signal).ok().and_then(|n| n.checked_sub(1));
    let name = index.and_then(|index| NAMES.get(index));
    match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {signal}"),
    }
}

/// Returns a time as seconds since 1970, with milliseconds.
fn unix(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        children::service::{Changes, Identity},
        store::Store,
    };

    #[test]
    fn view_has_the_names_of_the_interface() {
        let variable = Variable {
            name: "LOG_FORMAT",
            value: "json".to_owned(),
            forced: true,
        };
        let identity = Identity {
            name: "orders".into(),
            id: Store::new(1 << 20).service("orders"),
            kind: Kind::Child,
            command: Some("cargo run".to_owned()),
            variables: vec![variable],
        };
        let service = Service::new(identity, Changes::default());
        let began = UNIX_EPOCH + Duration::from_millis(1_500);
        service.begin(1, Some(7), began);
        service.keep_last(b"Compiling a\n");
        let json = |service: &Service| serde_json::to_value(service.view(|_| Some(3))).unwrap();
        let view = json(&service);
        assert_eq!(view["state"], "starting");
        assert_eq!(view["since"], 1.5);
        assert_eq!(view["lastLine"], "Compiling a");
        assert_eq!(view["set"][0]["forced"], true);
        assert_eq!(view["controls"], serde_json::json!(["stop", "restart"]));
        assert_eq!(view["runs"][0]["exit"], serde_json::Value::Null);

        service.exited(began + Duration::from_secs(1), Exit::Signal(9));
        assert_eq!(json(&service)["controls"], serde_json::json!([]));
        service.ended();
        let view = json(&service);
        assert_eq!(view["pid"], serde_json::Value::Null);
        assert_eq!(view["runs"][0]["exit"]["signal"], "SIGKILL");
        assert_eq!(view["runs"][0]["ended"], 2.5);
        assert_eq!(view["runs"][0]["lastLines"][0], "Compiling a");
        assert_eq!(view["runs"][0]["requests"], 3);
        assert_eq!(view["controls"], serde_json::json!(["start"]));
        service.close();
        assert_eq!(json(&service)["controls"], serde_json::json!([]));
    }

    #[test]
    fn signals_have_names() {
        assert_eq!(signal_name(15), "SIGTERM");
        assert_eq!(signal_name(7), "signal 7");
        assert_eq!(signal_name(64), "signal 64");
    }
}
