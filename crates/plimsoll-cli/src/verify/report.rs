//! The report of a run: as text, and in formats for other programs.

mod human;
mod json;
mod junit;
mod sarif;

use std::collections::BTreeMap;

use plimsoll_contract::{Level, Severity};

use super::{CheckResult, Target, Verdict};

pub(super) use self::{human::human, json::json, junit::junit, sarif::sarif};

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
    Waived,
    NotProven,
    Blocked,
    Violated,
}

impl Summary {
    const ALL: [Self; 5] = [
        Self::Holds,
        Self::Violated,
        Self::Waived,
        Self::Blocked,
        Self::NotProven,
    ];

    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Violated(_) => Self::Violated,
            Verdict::Blocked { .. } => Self::Blocked,
            Verdict::NotProven { .. } => Self::NotProven,
            Verdict::Waived { .. } => Self::Waived,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plimsoll_contract::Contract;

    use super::*;
    use crate::{
        project::Project,
        verify::{judgement::Finding, run::Results, surface::Surface},
        waivers::{Day, Waiver},
    };

    /// A used waiver and an unused one.
    fn waivers() -> Vec<Waiver> {
        let waiver = |check: &str| {
            let until = Day::today();
            format!("[[waiver]]\ncheck = {check:?}\nreason = \"OPS-1\"\nuntil = {until}\n")
        };
        let text = waiver("LOG-7:ready") + &waiver("HTTP-1:banner");
        Project::parse(&text, "a.toml", Day::today())
            .unwrap()
            .waivers
    }

    /// Results with a clause of each kind.
    pub(super) fn results() -> Results {
        let finding = Finding::new("GET /info", "a <b> \"c\" \u{1b}", "an object");
        let reason = "no records".to_owned();
        let waivers = waivers();
        let waiver = waivers[0].clone();
        let checks = [
            ("HTTP-1:banner", Verdict::Holds),
            ("HTTP-2:info", Verdict::Violated(finding.clone())),
            ("LOG-1:json", Verdict::NotProven { reason }),
            ("LOG-7:ready", Verdict::Waived { finding, waiver }),
        ];
        let checks = checks.into_iter().map(|(id, verdict)| {
            let (clause, check) = Contract::get().check(id).unwrap();
            CheckResult {
                clause,
                check,
                verdict,
            }
        });
        Results {
            checks: checks.collect(),
            unused: waivers[1..].to_vec(),
            surface: Surface::default(),
            first: None,
            starts: 1,
            elapsed: Duration::from_millis(1500),
        }
    }

    #[test]
    fn text_has_groups_findings_and_reasons() {
        let target = Target::Command(vec!["serve".to_owned()]);
        let subject = Subject {
            target: &target,
            level: Level::Core,
            seed: 42,
        };
        let results = results();
        let today = results.unused[0].until;
        let text = human(&subject, &results);
        let text = anstream::adapter::strip_str(&text).to_string();
        let why = "Deployment tools compare these three values with what they have rolled out.";
        let fix = "Answer GET /info with status 200, application/json and an object of exactly \
                   these three texts.";
        let replaced = '\u{fffd}';
        let severity = format!("{:>23}", "error");
        let expected = format!(
            "serve · core · seed 2a

HTTP  endpoints             1 hold    1 violated
LOG   structured logs                               1 waived                 1 not proven

✗ HTTP-2:info  /info has service, version and buildTime{severity}
    sent      GET /info
    received  a <b> \"c\" {replaced}
    expected  an object
    why       {why}
    fix       {fix}

? LOG-1:json  not proven: no records
~ LOG-7:ready  waived until {today}: OPS-1

warning: a.toml:5: the waiver of HTTP-1:banner matches no violation

4 clauses: 1 hold, 1 violated, 1 waived, 1 not proven · 1 start · 1.5 s
"
        );
        assert_eq!(text.trim_end(), expected.trim_end());
    }

    #[test]
    fn json_has_the_verdict_of_each_check() {
        let target = Target::Command(vec!["serve".to_owned()]);
        let subject = Subject {
            target: &target,
            level: Level::Core,
            seed: 42,
        };
        let report: serde_json::Value = serde_json::from_str(&json(&subject, &results())).unwrap();
        assert_eq!(report["schema"], "plimsoll.verify/1");
        assert_eq!(report["subject"]["command"][0], "serve");
        assert_eq!(report["clauses"]["violated"], 1);
        assert_eq!(report["checks"][1]["finding"]["expected"], "an object");
        assert_eq!(report["checks"][2]["verdict"], "not_proven");
        assert_eq!(report["checks"][2]["reason"], "no records");
        assert_eq!(report["checks"][3]["verdict"], "waived");
        assert_eq!(report["checks"][3]["waiver"]["line"], 1);
        assert_eq!(report["unused_waivers"][0]["check"], "HTTP-1:banner");
    }
}
