//! The operational contract as data: its clauses, and the checks that `plimsoll verify` makes.
//!
//! `contract.toml` in the folder of this crate is the one definition.
//! `docs/contract.md` is generated from it, and `plimsoll verify` reads it from here.
//! A check is identified by its clause and a name, such as `RID-2:charset`.

mod proof;
mod surface;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

pub use self::{
    proof::Proofs,
    surface::{Setting, Surface},
};

/// The contract: groups of clauses, in the order of the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The text before the first group.
    pub intro: String,
    /// The groups, in the order of the document.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    /// The clauses, in the order of the document.
    #[serde(rename = "clause")]
    pub clauses: Vec<Clause>,
}

/// A group of clauses, such as `HTTP`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The part of a clause's id before the hyphen.
    pub id: String,
    /// What the clauses are about.
    pub title: String,
    /// The text before the clauses, possibly empty.
    #[serde(default)]
    pub intro: String,
}

/// A promise of the contract.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// The group and a number, such as `RID-2`. A number is never used again.
    pub id: String,
    /// The promise, one paragraph.
    #[serde(deserialize_with = "paragraph")]
    pub text: String,
    /// The damage if the promise is broken. Clauses with checks have it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rationale: String,
    /// The reason why no check can observe the clause from outside. Clauses with checks have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outside: String,
    /// The checks of `plimsoll verify`, in the order of its report.
    #[serde(default, rename(deserialize = "check"))]
    pub checks: Vec<Check>,
}

/// Observes one aspect of a clause from outside the service.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The name within the clause, such as `charset`.
    pub id: String,
    /// The behaviour of a service that passes.
    pub title: String,
    /// What the check starts, sends or signals.
    pub sends: String,
    /// Whether the check belongs to the core of the contract.
    pub level: Level,
    /// The damage of a violation.
    pub severity: Severity,
    /// What the check does to a service.
    pub class: Class,
    /// The checks without which this one proves nothing, such as `RID-1:echo`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// The checks that show that the service has the feature, such as `TLS-1:versions`.
    ///
    /// If one of them is not proven, neither is this check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// The change that makes a service pass.
    pub fix: String,
}

/// The part of the contract that a check belongs to. A higher level includes the lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The behaviour that every service needs.
    Core,
    /// The whole contract.
    Full,
}

/// The damage of a violation, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A deviation without an immediate effect.
    Note,
    /// A fault that has an effect later.
    Warning,
    /// A fault that breaks something.
    Error,
}

/// The effect of a check on the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// It sends a few valid requests.
    Passive,
    /// It sends unusual or many requests.
    Intrusive,
    /// It ends the service by a signal.
    Shutdown,
}

impl Contract {
    /// Returns the contract.
    ///
    /// # Panics
    ///
    /// Never: the file is part of this crate, and a test reads it.
    #[must_use]
    pub fn get() -> &'static Self {
        static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
            toml::from_str(include_str!("../contract.toml")).expect("contract.toml is tested")
        });
        &CONTRACT
    }

    /// Returns a check with its clause, given an id such as `RID-2:charset`.
    #[must_use]
    pub fn check(&self, id: &str) -> Option<(&Clause, &Check)> {
        let (clause, check) = id.split_once(':')?;
        let clause = self.clauses.iter().find(|it| it.id == clause)?;
        let check = clause.checks.iter().find(|it| it.id == check)?;
        Some((clause, check))
    }

    /// Returns the groups with their clauses.
    pub fn by_group(&self) -> impl Iterator<Item = (&Group, Vec<&Clause>)> {
        let mut clauses: BTreeMap<&str, Vec<&Clause>> = BTreeMap::new();
        for clause in &self.clauses {
            clauses.entry(clause.group()).or_default().push(clause);
        }
        self.groups.iter().map(move |group| {
            let of_group = clauses.remove(group.id.as_str());
            (group, of_group.unwrap_or_default())
        })
    }
}

impl Clause {
    /// Returns the id of its group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.id.rsplit_once('-').map_or("", |(group, _)| group)
    }

    /// Whether a part of it is promised for a later version.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.text.contains("*Not yet")
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.text.starts_with("*Retired")
    }
}

/// Reads a text of several lines as one paragraph.
fn paragraph<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.lines().collect::<Vec<_>>().join(" "))
}
