//! The result of `lint`, as text, JSON or SARIF.

mod sarif;

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::finding::{Finding, Severity};
use crate::place::{Broken, Place, Sited};
use crate::waivers::Waiver;

/// The result of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    /// Findings with the waiver that accepts them.
    pub(crate) waived: Vec<(Finding, Waiver)>,
    /// Waivers that match no finding.
    pub(crate) unused: Vec<Waiver>,
    /// Values and files that the sums rest on without having been read.
    pub(crate) assumed: Vec<Sited<String>>,
    pub(crate) not_checked: Vec<Sited<String>>,
    pub(crate) broken: Vec<Broken>,
    /// The services that were checked.
    pub(crate) services: Vec<Sited<String>>,
    pub(crate) proxies: usize,
    /// Containers and units that are no services on the chassis.
    pub(crate) others: usize,
    /// Whether the settings are those of the service's binary.
    pub(crate) has_program: bool,
}

impl Report {
    /// Returns the report for people.
    pub(crate) fn human(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        for finding in &self.findings {
            let _ = writeln!(text, "{}", human(finding));
        }
        for broken in &self.broken {
            let _ = writeln!(text, "{}  unreadable\n  {}\n", broken.place, broken.what);
        }
        for Sited { value, place } in &self.not_checked {
            let _ = writeln!(text, "{place}  not checked\n  {value}\n");
        }
        for (finding, waiver) in &self.waived {
            let Finding { place, rule, .. } = finding;
            let _ = writeln!(
                text,
                "{place}  waived  {rule}: {} (until {})",
                waiver.reason, waiver.until
            );
        }
        for waiver in &self.unused {
            let _ = writeln!(text, "{}  unused waiver of {}", waiver.place, waiver.check);
        }
        for Sited { value, place } in &self.assumed {
            let _ = writeln!(
                text,
                "{place}  not read: {value}; settings in it count as unset"
            );
        }
        text.push_str(&self.summary());
        text
    }

    fn summary(&self) -> String {
        let count = |severity| {
            self.findings
                .iter()
                .filter(|it| it.severity == severity)
                .count()
        };
        let settings = match (self.services.is_empty(), self.has_program) {
            (true, _) => "",
            (_, true) => "; settings from --check-config",
            (_, false) => "; settings from files and defaults, without the service's binary",
        };
        format!(
            "{}, {}: {}, {}{}{settings}\n",
            counted(self.services.len(), "service", "services"),
            counted(self.proxies, "proxy", "proxies"),
            counted(count(Severity::Error), "error", "errors"),
            counted(count(Severity::Warning), "warning", "warnings"),
            if self.others == 0 {
                String::new()
            } else {
                format!("; {} of other kinds", self.others)
            },
        )
    }

    /// Returns the report for programs.
    pub(crate) fn json(&self) -> String {
        let report = json!({
            "schema": "plimsoll.lint/1",
            "findings": self.findings.iter().map(json).collect::<Vec<_>>(),
            "waived": self.waived.iter().map(|(finding, waiver)| json!({
                "finding": json(finding),
                "reason": waiver.reason,
                "until": waiver.until.to_string(),
            })).collect::<Vec<_>>(),
            "unusedWaivers": self.unused.iter().map(|it| line(&it.place, &it.check)).collect::<Vec<_>>(),
            "assumed": self.assumed.iter().map(|it| line(&it.place, &it.value)).collect::<Vec<_>>(),
            "notChecked": self.not_checked.iter().map(|it| line(&it.place, &it.value)).collect::<Vec<_>>(),
            "unreadable": self.broken.iter().map(|it| line(&it.place, &it.what)).collect::<Vec<_>>(),
            "services": self.services.iter().map(|it| line(&it.place, &it.value)).collect::<Vec<_>>(),
            "proxies": self.proxies,
            "others": self.others,
        });
        format!("{report:#}\n")
    }
}

fn human(finding: &Finding) -> String {
    let Finding {
        rule,
        severity,
        place,
        message,
        sum,
        fix,
        ..
    } = finding;
    let color = match severity {
        Severity::Error => "\u{1b}[1;31m",
        Severity::Warning => "\u{1b}[1;33m",
    };
    let severity = severity.name();
    let sum = sum
        .as_ref()
        .map(|sum| format!("    {sum}\n"))
        .unwrap_or_default();
    format!("{place}  {color}{severity}\u{1b}[0m  {rule}\n  {message}\n{sum}  fix: {fix}\n")
}

fn json(finding: &Finding) -> Value {
    json!({
        "rule": finding.rule,
        "severity": finding.severity.name(),
        "file": &*finding.place.file,
        "line": finding.place.line,
        "subject": finding.subject,
        "message": finding.message,
        "sum": finding.sum,
        "fix": finding.fix,
    })
}

fn line(place: &Place, text: &str) -> Value {
    json!({ "file": &*place.file, "line": place.line, "text": text })
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
