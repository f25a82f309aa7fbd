//! The report for test result viewers: a suite for each group, a case for each clause.

use super::{Summary, clauses};
use crate::verify::{
    run::{CheckResult, Results, Verdict},
    select::id,
};

/// Returns the report. Clauses that are blocked, waived or not proven are skipped, with the
/// reason.
pub(in crate::verify) fn junit(results: &Results) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for (clause, summary) in clauses(&results.checks) {
        let checks = results.checks.iter();
        let checks: Vec<&CheckResult> = checks.filter(|it| it.clause.id == clause).collect();
        let Some(first) = checks.first() else {
            continue;
        };
        let case = case(clause, summary, &checks);
        match groups.last_mut() {
            Some((group, cases)) if *group == first.clause.group() => cases.push(case),
            _ => groups.push((first.clause.group(), vec![case])),
        }
    }
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (group, cases) in groups {
        let name = escaped(group);
        text.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{}\">\n",
            cases.len()
        ));
        text.push_str(&cases.concat());
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

fn case(clause: &str, summary: Summary, checks: &[&CheckResult]) -> String {
    let element = match summary {
        Summary::Holds => None,
        Summary::Violated => Some("failure"),
        Summary::Blocked | Summary::NotProven | Summary::Waived => Some("skipped"),
    };
    let name = escaped(clause);
    let head = format!("    <testcase name=\"{name}\" classname=\"plimsoll.verify\"");
    let Some(element) = element else {
        return format!("{head}/>\n");
    };
    let reasons: Vec<String> = checks.iter().filter_map(|check| reason(check)).collect();
    let message = escaped(&reasons.join("; "));
    let details: String = checks.iter().filter_map(|check| details(check)).collect();
    let details = escaped(&details);
    format!(
        "{head}>\n      <{element} message=\"{message}\">{details}</{element}>\n    </testcase>\n"
    )
}

fn reason(result: &CheckResult) -> Option<String> {
    let id = id(result.clause, result.check);
    match &result.verdict {
        Verdict::Holds => None,
        Verdict::Violated(_) => Some(format!("{id}: {}", result.check.title)),
        Verdict::Blocked { by } => Some(format!("{id}: blocked by {by}")),
        Verdict::NotProven { reason } => Some(format!("{id}: {reason}")),
        Verdict::Waived { waiver, .. } => Some(format!("{id}: waived: {}", waiver.reason)),
    }
}

fn details(result: &CheckResult) -> Option<String> {
    let Verdict::Violated(finding) = &result.verdict else {
        return None;
    };
    Some(format!(
        "{}\nsent: {}\nreceived: {}\nexpected: {}\nfix: {}\n",
        id(result.clause, result.check),
        finding.sent,
        finding.received,
        finding.expected,
        result.check.fix
    ))
}

/// Returns a text for XML 1.0, which has no form for most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::tests::results;
    use super::*;

    #[test]
    fn clauses_are_cases_of_their_group() {
        let report = junit(&results());
        for part in [
            "<testsuite name=\"HTTP\" tests=\"2\">",
            "<testcase name=\"HTTP-1\" classname=\"plimsoll.verify\"/>",
            "<failure message=\"HTTP-2:info: /info has service, version and buildTime\">",
            "received: a &lt;b&gt; &quot;c&quot; \u{fffd}",
            "<testsuite name=\"LOG\" tests=\"2\">",
            "<skipped message=\"LOG-1:json: no records\"></skipped>",
            "<skipped message=\"LOG-7:ready: waived: OPS-1\"></skipped>",
        ] {
            assert!(report.contains(part), "{part} is not in {report}");
        }
    }
}
