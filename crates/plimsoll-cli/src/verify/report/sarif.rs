//! The report for code scanning, in the Static Analysis Results Interchange Format 2.1.0.
//!
//! A service has no source lines, and scanners reject a result without a file.
//! So each result has the file of the project's configuration, `plimsoll.toml`.
//! The levels of the format have the names of the severities.

use serde_json::{Value, json};

use super::severity;
use crate::{
    sarif,
    verify::{
        judgement::Finding,
        run::{CheckResult, Results, Verdict},
        select::id,
    },
    waivers::Waiver,
};

/// Returns the report: a rule for each check, and a result for each violation. Those that are waived
/// are suppressed.
pub(in crate::verify) fn sarif(results: &Results) -> String {
    let violations = results.checks.iter().flat_map(|result| {
        let (finding, waiver) = match &result.verdict {
            Verdict::Violated(finding) => (finding, None),
            Verdict::Waived { finding, waiver } => (finding, Some(waiver)),
            _ => return Vec::new(),
        };
        let instances = finding.clone().instances();
        let instances = instances.map(|finding| violation(result, &finding, waiver));
        instances.collect()
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

fn violation(result: &CheckResult, finding: &Finding, waiver: Option<&Waiver>) -> Value {
    let text = format!(
        "{}. Sent: {}. Received: {}. Expected: {}.",
        result.check.title, finding.sent, finding.received, finding.expected
    );
    let file = waiver.map_or("plimsoll.toml", |waiver| &waiver.place.file);
    let line = waiver.map_or(1, |waiver| waiver.place.line);
    let mut violation = json!({
        "ruleId": id(result.clause, result.check),
        "level": severity(result.check.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": sarif::uri(file) },
            "region": { "startLine": line },
        } }],
    });
    if let Some(Waiver { reason, .. }) = waiver {
        violation["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
    }
    violation
}

#[cfg(test)]
mod tests {
    use super::super::tests::results;
    use super::*;

    #[test]
    fn violations_are_results_with_a_rule_and_a_file() {
        let report: Value = serde_json::from_str(&sarif(&results())).unwrap();
        let run = &report["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 4);
        let found = run["results"].as_array().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["ruleId"], "HTTP-2:info");
        assert_eq!(found[0]["level"], "error");
        let location = &found[0]["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "plimsoll.toml");
        assert!(found[0]["suppressions"].is_null());
        assert_eq!(found[1]["suppressions"][0]["justification"], "OPS-1");
        let location = &found[1]["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "a.toml");
    }
}
