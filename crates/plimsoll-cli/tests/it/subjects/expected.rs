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
    /// The violated check.
    blocked: BTreeMap<String, String>,
    /// A part of the reason.
    not_proven: BTreeMap<String, String>,
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
        let texts = [&self.violated, &self.blocked, &self.not_proven];
        self.holds
            .iter()
            .chain(texts.into_iter().flat_map(BTreeMap::keys))
    }

    fn allows(&self, id: &str, check: &Value) -> bool {
        let has = |texts: &BTreeMap<String, String>, found: &Value| {
            let found = found.as_str().unwrap_or_default();
            texts.get(id).is_some_and(|text| found.contains(text))
        };
        match check["verdict"].as_str() {
            Some("holds") => self.holds.contains(id),
            Some("violated") => has(&self.violated, &check["finding"]["received"]),
            Some("blocked") => has(&self.blocked, &check["blocked_by"]),
            Some("not_proven") => is_unmeasured(check) || has(&self.not_proven, &check["reason"]),
            _ => false,
        }
    }

    fn expectation(&self, id: &str) -> String {
        let mut verdicts = Vec::new();
        if self.holds.contains(id) {
            verdicts.push("to hold".to_owned());
        }
        for (verdict, texts) in [
            ("violated", &self.violated),
            ("blocked", &self.blocked),
            ("not proven", &self.not_proven),
        ] {
            if let Some(text) = texts.get(id) {
                verdicts.push(format!("{verdict} ({text})"));
            }
        }
        match verdicts.is_empty() {
            true => "nowhere".to_owned(),
            false => verdicts.join(" or "),
        }
    }
}
