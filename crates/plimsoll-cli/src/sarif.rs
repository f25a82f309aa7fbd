//! The Static Analysis Results Interchange Format 2.1.0, as far as code scanning reads it.

use serde_json::{Value, json};

/// A rule that results refer to.
#[derive(Debug)]
pub(crate) struct SarifRule<'report> {
    pub(crate) id: &'report str,
    pub(crate) text: &'report str,
}

/// A result in a file.
#[derive(Debug)]
pub(crate) struct SarifResult<'report> {
    pub(crate) rule: &'report str,
    /// `error`, `warning` or `note`.
    pub(crate) level: &'report str,
    pub(crate) text: String,
    pub(crate) file: &'report str,
    pub(crate) line: usize,
    /// The reason of the waiver that accepts it.
    pub(crate) waiver: Option<&'report str>,
}

/// Returns a log with one run.
pub(crate) fn log(rules: &[SarifRule<'_>], results: &[SarifResult<'_>]) -> String {
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "plimsoll",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            }},
            "results": results.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    format!("{log:#}\n")
}

fn rule(rule: &SarifRule<'_>) -> Value {
    json!({ "id": rule.id, "shortDescription": { "text": rule.text } })
}

fn result(result: &SarifResult<'_>) -> Value {
    let mut value = json!({
        "ruleId": result.rule,
        "level": result.level,
        "message": { "text": result.text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(result.file) },
            "region": { "startLine": result.line },
        }}],
    });
    if let Some(reason) = result.waiver {
        value["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
    }
    value
}

/// Returns a path as a reference of RFC 3986.
pub(crate) fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_has_rule_level_place_and_waiver() {
        let rules = [SarifRule {
            id: "GRACE",
            text: "a condition",
        }];
        let results = [SarifResult {
            rule: "GRACE",
            level: "error",
            text: "too short".to_owned(),
            file: "a b/ü.yml",
            line: 3,
            waiver: Some("OPS-1"),
        }];
        let log: Value = serde_json::from_str(&log(&rules, &results)).unwrap();
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "GRACE");
        let result = &run["results"][0];
        assert_eq!(result["ruleId"], "GRACE");
        assert_eq!(result["suppressions"][0]["justification"], "OPS-1");
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "a%20b/%C3%BC.yml");
        assert_eq!(location["region"]["startLine"], 3);
    }
}
