//! Runs the command and reads its report.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use serde_json::Value;

pub(crate) use harness::{Scratch, skip};

/// Held by tests that check services. A test that loads the machine holds it alone.
static MACHINE: RwLock<()> = RwLock::new(());

/// Shares the machine with other tests.
pub(crate) fn share_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no other test checks a service.
pub(crate) fn take_machine() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// A report of `plimsoll verify --json`.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) status: Option<i32>,
    /// The whole report.
    pub(crate) json: Value,
}

/// Runs the command.
pub(crate) fn plimsoll(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(arguments);
    command.output().expect("the command can be run")
}

/// Returns standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks a service and returns the report.
#[track_caller]
pub(crate) fn verify(options: &[&str], service: &[&str]) -> Report {
    let arguments: Vec<&str> = ["verify", "--json"]
        .iter()
        .chain(options)
        .chain(&["--"])
        .chain(service)
        .copied()
        .collect();
    Report::read(&plimsoll(&arguments))
}

/// Returns a path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("the path of this build is UTF-8")
}

/// Whether long tests run in their long form.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no settings; the variable chooses its long form"
)]
pub(crate) fn is_full() -> bool {
    std::env::var("PLIMSOLL_FULL").is_ok_and(|value| value == "1")
}

impl Report {
    /// Reads the report that the command has written.
    #[track_caller]
    pub(crate) fn read(output: &Output) -> Self {
        let json = serde_json::from_slice(&output.stdout);
        let json = json.unwrap_or_else(|error| panic!("{error}: {}", stderr(output)));
        Self {
            status: output.status.code(),
            json,
        }
    }

    /// Returns the result of a check.
    pub(crate) fn check(&self, id: &str) -> Option<&Value> {
        let checks = self.json["checks"].as_array()?;
        checks.iter().find(|check| check["id"] == id)
    }

    /// Returns the ids of the checks with a verdict.
    pub(crate) fn with(&self, verdict: &str) -> Vec<&str> {
        let verdicts = self.verdicts();
        let ids = verdicts.into_iter().filter(|(_, other)| *other == verdict);
        ids.map(|(id, _)| id).collect()
    }

    /// Returns the verdict of each check.
    pub(crate) fn verdicts(&self) -> BTreeMap<&str, &str> {
        let checks = self.json["checks"].as_array().into_iter().flatten();
        checks
            .filter_map(|check| Some((check["id"].as_str()?, check["verdict"].as_str()?)))
            .collect()
    }

    /// Returns the ids of the checks that are not proven for another reason than a busy machine, or a
    /// route that the service does not have.
    pub(crate) fn unknown(&self) -> Vec<&str> {
        let ids = self.with("not_proven").into_iter();
        let is_known = |check| is_unmeasured(check) || lacks_route(check);
        ids.filter(|id| !self.check(id).is_some_and(is_known))
            .collect()
    }

    /// Returns the checks with a verdict, with everything that the report has about them.
    pub(crate) fn details(&self, verdict: &str) -> String {
        let checks = self.json["checks"].as_array().into_iter().flatten();
        let checks = checks.filter(|check| check["verdict"] == verdict);
        checks.map(|check| format!("{check:#}\n")).collect()
    }
}

/// Whether a check is not proven because it needs a route that the service does not have.
pub(crate) fn lacks_route(check: &Value) -> bool {
    let reason = check["reason"].as_str().unwrap_or_default();
    check["verdict"] == "not_proven" && reason.contains("route missing")
}

/// Whether a check is not proven because the machine was too busy to measure times.
pub(crate) fn is_unmeasured(check: &Value) -> bool {
    let reason = check["reason"].as_str().unwrap_or_default();
    check["verdict"] == "not_proven" && reason.contains("timers were late")
}
