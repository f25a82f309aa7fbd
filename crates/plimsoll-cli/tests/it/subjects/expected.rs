//! The expected verdicts on a subject, from its `expected.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use plimsoll_contract::{Contract, Level};
use serde::Deserialize;
use serde_json::Value;

use crate::support::{Report, is_unmeasured};

/// The expected verdicts. A check has every verdict that a correct run can give, usually one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Expected {
    holds: BTreeSet<String>,
    /// A part of what the service sent instead.
    violated: BTreeMap<String, String>,
    /// The checks that a violated one blocks.
    blocked: BTreeMap<String, BTreeSet<String>>,
    /// The checks with a reason, of which this is a part.
    not_proven: BTreeMap<String, BTreeSet<String>>,
}

impl Expected {
    /// Reads the file in the folder of a subject.
    pub(super) fn read(folder: &Path) -> Self {
        let file = folder.join("expected.toml");
        let text = fs::read_to_string(&file).expect("each subject has this file");
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Returns the checks of a level whose verdict or reason is another one.
    pub(super) fn faults(&self, level: Level, report: &Report) -> Vec<String> {
        let checks = Contract::get().clauses.iter().flat_map(|clause| {
            let checks = clause.checks.iter();
            checks.map(|check| (format!("{}:{}", clause.id, check.id), check.level))
        });
        let checks: BTreeMap<String, Level> = checks.collect();
        let names = self.names().filter(|name| !checks.contains_key(*name));
        let unknown = names.map(|name| format!("{name} is no check"));
        let judged = checks
            .iter()
            .filter(|(_, of)| level == Level::Full || **of == Level::Core);
        let others = judged.filter_map(|(id, _)| {
            let check = report.check(id);
            let matches = check.is_some_and(|check| self.allows(id, check));
            let found = check.map_or("not judged".to_owned(), Value::to_string);
            (!matches).then(|| format!("{id} is expected {}: {found}", self.expectation(id)))
        });
        unknown.chain(others).collect()
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        let lists = self.blocked.values().chain(self.not_proven.values());
        let listed = lists.chain([&self.holds]).flatten();
        listed.chain(self.violated.keys())
    }

    fn allows(&self, id: &str, check: &Value) -> bool {
        let text = |found: &Value| found.as_str().unwrap_or_default().to_owned();
        let has = |reasons: &BTreeMap<String, BTreeSet<String>>, found: &str| {
            let mut reasons = reasons.iter();
            reasons.any(|(reason, ids)| ids.contains(id) && found.contains(reason))
        };
        match check["verdict"].as_str() {
            Some("holds") => self.holds.contains(id),
            Some("violated") => {
                let expected = self.violated.get(id);
                expected.is_some_and(|it| text(&check["finding"]["received"]).contains(it))
            }
            Some("blocked") => has(&self.blocked, &text(&check["blocked_by"])),
            Some("not_proven") => {
                is_unmeasured(check) || has(&self.not_proven, &text(&check["reason"]))
            }
            _ => false,
        }
    }

    fn expectation(&self, id: &str) -> String {
        let listed = |verdict: &str, reasons: &BTreeMap<String, BTreeSet<String>>| {
            let reasons = reasons.iter().filter(|(_, ids)| ids.contains(id));
            let reasons = reasons.map(|(reason, _)| format!("{verdict} ({reason})"));
            reasons.collect::<Vec<_>>()
        };
        let holds = self.holds.contains(id).then(|| "to hold".to_owned());
        let violated = self.violated.get(id);
        let violated = violated.map(|text| format!("violated ({text})"));
        let verdicts = [
            holds.into_iter().chain(violated).collect(),
            listed("blocked", &self.blocked),
            listed("not proven", &self.not_proven),
        ]
        .concat();
        match verdicts.is_empty() {
            true => "nowhere".to_owned(),
            false => verdicts.join(" or "),
        }
    }
}
