//! The report for code scanning. Findings that a waiver accepts are suppressed.

use super::Report;
use crate::{
    lint::{finding::Finding, rules::RULES},
    sarif::{self, SarifResult, SarifRule},
};

impl Report {
    /// Returns the report for code scanning.
    pub(crate) fn sarif(&self) -> String {
        let rules = RULES.map(|rule| SarifRule {
            id: rule.name,
            text: rule.condition,
        });
        let findings = self.findings.iter().map(|it| result(it, None));
        let waived = self.waived.iter();
        let waived = waived.map(|(it, waiver)| result(it, Some(&waiver.reason)));
        let results: Vec<_> = findings.chain(waived).collect();
        sarif::log(&rules, &results)
    }
}

fn result<'report>(
    finding: &'report Finding,
    waiver: Option<&'report str>,
) -> SarifResult<'report> {
    let sum = finding.sum.as_ref().map(|sum| format!("\n{sum}"));
    SarifResult {
        rule: finding.rule,
        level: finding.severity.name(),
        text: format!(
            "{}{}\nfix: {}",
            finding.message,
            sum.unwrap_or_default(),
            finding.fix
        ),
        file: &finding.place.file,
        line: finding.place.line,
        waiver,
    }
}
