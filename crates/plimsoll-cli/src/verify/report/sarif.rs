//! The report for code scanning, in the Static Analysis Results Interchange Format 2.1.0.
//!
//! A service has no source lines, and scanners reject a result without a file.
//! So each result has the file of the project's configuration, `plimsoll.toml`.
//! The levels of the format have the names of the severities.

use serde_json::{Value, json};

use super::severity;
use crate::verify::{
    judgement::Finding,
    run::{CheckResult, Results, Verdict},
    select::id,
};

/// Returns the report: a rule for each check, and a result for each violation.
pub(in crate::verify) fn sarif(results: &Results) -> String {
    let violations = results
        .checks
        .iter()
        .filter_map(|result| match &result.verdict {
            Verdict::Violated(finding) => Some(violation(result, finding)),
            _ => None,
        });
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "plimsoll verify",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": results.checks.iter().map(rule).collect::<Vec<_>>(),
            } },
            "results": violations.collect::<Vec<_>>(),
        }],
    });
    format!("{report:#}\n")
}

fn rule(result: &CheckResult) -> Value {
    json!({
        "id": id(result.clause, result.check),
        "shortDescription": { "text": result.check.title },
        "fullDescription": { "text": result.clause.text },
        "help": { "text": result.check.fix },
        "defaultConfiguration": { "level": severity(result.check.severity) },
    })
}

fn violation(result: &CheckResult, finding: &Finding) -> Value {
    let text = format!(
        "{}. Sent: {}. Received: {}. Expected: {}.",
        result.check.title, finding.sent, finding.received, finding.expected
    );
    json!({
        "ruleId": id(result.clause, result.check),
        "level": severity(result.check.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": "plimsoll.toml" },
            "region": { "startLine": 1 },
        } }],
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::results;
    use super::*;

    #[test]
    fn violations_are_results_with_a_rule_and_a_file() {
        let report: Value = serde_json::from_str(&sarif(&results())).unwrap();
        let run = &report["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 3);
        let found = run["results"].as_array().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["ruleId"], "HTTP-2:info");
        assert_eq!(found[0]["level"], "error");
        let location = &found[0]["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "plimsoll.toml");
    }
}
