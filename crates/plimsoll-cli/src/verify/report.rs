//! The report of a run, for people and as JSON.

mod human;
mod json;

use std::collections::BTreeMap;

use plimsoll_contract::{Level, Severity};

use super::{CheckResult, Target, Verdict};

pub(super) use self::{human::human, json::json};

/// The service under test, and the options that a report names.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) target: &'a Target,
    pub(super) level: Level,
    pub(super) seed: u32,
}

/// The verdict of a clause: the worst of its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Summary {
    Holds,
    NotProven,
    Blocked,
    Violated,
}

impl Summary {
    const ALL: [Self; 4] = [Self::Holds, Self::Violated, Self::Blocked, Self::NotProven];

    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Violated(_) => Self::Violated,
            Verdict::Blocked { .. } => Self::Blocked,
            Verdict::NotProven { .. } => Self::NotProven,
        }
    }
}

/// Returns the clauses of a run with their verdicts.
fn clauses(checks: &[CheckResult]) -> Vec<(&'static str, Summary)> {
    let mut clauses: Vec<(&str, Summary)> = Vec::new();
    for result in checks {
        let summary = Summary::of(&result.verdict);
        match clauses.last_mut() {
            Some((id, worst)) if *id == result.clause.id => *worst = summary.max(*worst),
            _ => clauses.push((&result.clause.id, summary)),
        }
    }
    clauses
}

/// Returns the number of clauses with each verdict.
fn counts<'a>(
    clauses: impl IntoIterator<Item = &'a (&'static str, Summary)>,
) -> BTreeMap<Summary, usize> {
    let mut counts = BTreeMap::new();
    for (_, summary) in clauses {
        *counts.entry(*summary).or_default() += 1;
    }
    counts
}

/// Returns the name of a level.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::Core => "core",
        Level::Full => "full",
    }
}

/// Returns the name of a severity.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
