//! The selection of checks: `--level`, `--only` and `--skip`.
//!
//! The checks that selected ones require are made, too, and not reported.

use std::collections::BTreeSet;

use plimsoll_contract::{Check, Clause, Contract, Level};

/// The checks of a run.
#[derive(Debug)]
pub(super) struct Selection {
    level: Level,
    only: Vec<Pattern>,
    skip: Vec<Pattern>,
    /// The checks of the run, and those that they require.
    made: BTreeSet<String>,
}

/// A group such as `LOG`, a clause such as `LOG-3`, or a check such as `LOG-3:order`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(String);

impl Selection {
    pub(super) fn new(level: Level, only: &[Pattern], skip: &[Pattern]) -> Self {
        let mut selection = Self {
            level,
            only: only.to_vec(),
            skip: skip.to_vec(),
            made: BTreeSet::new(),
        };
        let mut open = selection.checks();
        while let Some((clause, check)) = open.pop() {
            if selection.made.insert(id(clause, check)) {
                let required = check.requires.iter();
                open.extend(required.filter_map(|id| Contract::get().check(id)));
            }
        }
        selection
    }

    /// Returns the ids of the checks of the run, and of those that they require.
    pub(super) fn made(&self) -> &BTreeSet<String> {
        &self.made
    }

    /// Whether the run reports the check.
    ///
    /// A check that `--only` names by its whole id is made at every level.
    pub(super) fn includes(&self, clause: &Clause, check: &Check) -> bool {
        let id = id(clause, check);
        let is_named = self.only.iter().any(|pattern| pattern.0 == id);
        let is_in = |patterns: &[Pattern]| patterns.iter().any(|it| it.matches(clause, &id));
        let is_chosen = self.only.is_empty() || is_in(&self.only);
        (is_named || check.level <= self.level && is_chosen) && !is_in(&self.skip)
    }

    /// Returns the checks of the run, in the order of the contract.
    pub(super) fn checks(&self) -> Vec<(&'static Clause, &'static Check)> {
        let clauses = Contract::get().clauses.iter();
        let checks = clauses.flat_map(|clause| clause.checks.iter().map(move |it| (clause, it)));
        checks
            .filter(|(clause, check)| self.includes(clause, check))
            .collect()
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }
}

impl Pattern {
    /// Reads an argument. It must name something in the contract.
    ///
    /// # Errors
    ///
    /// The message for the user.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let pattern = Self(text.to_owned());
        let mut clauses = Contract::get().clauses.iter();
        let names_something = clauses.any(|clause| {
            let mut checks = clause.checks.iter();
            clause.id == text
                || clause.group() == text
                || checks.any(|check| id(clause, check) == text)
        });
        if names_something {
            Ok(pattern)
        } else {
            Err("it names no group, clause or check; `plimsoll verify --list` has them".to_owned())
        }
    }

    fn matches(&self, clause: &Clause, id: &str) -> bool {
        self.0 == id || self.0 == clause.id || self.0 == clause.group()
    }
}

/// Returns the ids of all checks, which waivers use.
pub(crate) fn check_ids() -> Vec<String> {
    let clauses = Contract::get().clauses.iter();
    let ids = clauses.flat_map(|clause| clause.checks.iter().map(move |it| id(clause, it)));
    ids.collect()
}

/// Returns the id of a check with that of its clause.
pub(super) fn id(clause: &Clause, check: &Check) -> String {
    format!("{}:{}", clause.id, check.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(level: Level, only: &[&str], skip: &[&str]) -> Vec<String> {
        let parse = |ids: &[&str]| -> Vec<Pattern> {
            ids.iter().map(|id| Pattern::parse(id).unwrap()).collect()
        };
        let selection = Selection::new(level, &parse(only), &parse(skip));
        let checks = selection.checks().into_iter();
        checks.map(|(clause, check)| id(clause, check)).collect()
    }

    #[test]
    fn groups_clauses_and_checks_are_selected() {
        assert_eq!(
            ids(Level::Core, &["RID-1"], &[]),
            ["RID-1:echo", "RID-1:generated"]
        );
        assert_eq!(ids(Level::Core, &["RID"], &["RID-1"]), ["RID-3:access"]);
        assert_eq!(ids(Level::Core, &["LOG-4:level"], &[]), ["LOG-4:level"]);
        let full = ids(Level::Full, &["HTTP-3"], &[]);
        assert_eq!(full, ["HTTP-3:live", "HTTP-3:body"]);
    }

    #[test]
    fn check_named_in_full_is_made_at_every_level() {
        assert_eq!(ids(Level::Core, &["HTTP-3:body"], &[]), ["HTTP-3:body"]);
        assert!(ids(Level::Core, &["HTTP-3"], &["HTTP-3:live"]).is_empty());
    }

    #[test]
    fn required_checks_are_made() {
        let only = [Pattern::parse("TLS-5:counter").unwrap()];
        let selection = Selection::new(Level::Core, &only, &[]);
        assert_eq!(selection.checks().len(), 1);
        assert!(selection.made().contains("TLS-1:versions"));
    }

    #[test]
    fn unknown_ids_are_rejected() {
        assert!(Pattern::parse("HTTP-99").is_err());
        assert!(Pattern::parse("http").is_err());
    }
}
