//! The report as JSON, in the schema `plimsoll.verify/1`.
//!
//! Fields are added within a version of the schema, and not removed.

use plimsoll_contract::{Class, Level, Severity};
use serde::Serialize;

use super::{Subject, Summary, clauses, counts};
use crate::{
    verify::{
        Target, judgement,
        run::{CheckResult, Results, Verdict},
        select::id,
        surface::Surface,
    },
    waivers,
};

const SCHEMA: &str = "plimsoll.verify/1";

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    subject: Service<'a>,
    level: Level,
    seed: String,
    starts: usize,
    elapsed_ms: u128,
    clauses: Counts,
    checks: Vec<Check<'a>>,
    /// The waivers that match no violation.
    unused_waivers: Vec<Waiver<'a>>,
    surface: &'a Surface,
}

#[derive(Serialize)]
struct Service<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_ms: Option<u128>,
}

/// The number of clauses with each verdict.
#[derive(Serialize)]
struct Counts {
    holds: usize,
    violated: usize,
    blocked: usize,
    not_proven: usize,
    waived: usize,
}

#[derive(Serialize)]
struct Check<'a> {
    id: String,
    clause: &'a str,
    title: &'a str,
    level: Level,
    severity: Severity,
    class: Class,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<Finding<'a>>,
    /// The findings about other instances.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Finding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiver: Option<Waiver<'a>>,
}

/// A waiver in a file.
#[derive(Serialize)]
struct Waiver<'a> {
    check: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    until: String,
    file: &'a str,
    line: usize,
}

#[derive(Serialize)]
struct Finding<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    sent: &'a str,
    received: &'a str,
    expected: &'a str,
    why: &'a str,
    fix: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<&'a str>,
}

/// Returns the report.
pub(in crate::verify) fn json(subject: &Subject<'_>, results: &Results) -> String {
    let counts = counts(&clauses(&results.checks));
    let count = |summary: Summary| counts.get(&summary).copied().unwrap_or_default();
    let report = Report {
        schema: SCHEMA,
        subject: service(subject, results),
        level: subject.level,
        seed: format!("{:x}", subject.seed),
        starts: results.starts,
        elapsed_ms: results.elapsed.as_millis(),
        clauses: Counts {
            holds: count(Summary::Holds),
            violated: count(Summary::Violated),
            blocked: count(Summary::Blocked),
            not_proven: count(Summary::NotProven),
            waived: count(Summary::Waived),
        },
        checks: results.checks.iter().map(check).collect(),
        unused_waivers: results.unused.iter().map(waiver).collect(),
        surface: &results.surface,
    };
    let text = serde_json::to_string_pretty(&report).expect("all keys are texts");
    format!("{text}\n")
}

fn service<'a>(subject: &Subject<'a>, results: &Results) -> Service<'a> {
    let ready_ms = results.first.map(|first| first.ready.as_millis());
    match subject.target {
        Target::Command(command) => Service {
            command: Some(command),
            url: None,
            ready_ms,
        },
        Target::Url(url) => Service {
            command: None,
            url: Some(url.to_string()),
            ready_ms,
        },
    }
}

fn check(result: &CheckResult) -> Check<'_> {
    let mut check = Check {
        id: id(result.clause, result.check),
        clause: &result.clause.id,
        title: &result.check.title,
        level: result.check.level,
        severity: result.check.severity,
        class: result.check.class,
        verdict: "holds",
        finding: None,
        others: Vec::new(),
        blocked_by: None,
        reason: None,
        waiver: None,
    };
    match &result.verdict {
        Verdict::Holds => {}
        Verdict::Violated(found) => {
            check.verdict = "violated";
            check.finding = Some(finding(result, found));
            check.others = found.others.iter().map(|it| finding(result, it)).collect();
        }
        Verdict::Blocked { by } => {
            check.verdict = "blocked";
            check.blocked_by = Some(by);
        }
        Verdict::NotProven { reason } => {
            check.verdict = "not_proven";
            check.reason = Some(reason);
        }
        Verdict::Waived {
            finding: found,
            waiver: accepting,
        } => {
            check.verdict = "waived";
            check.finding = Some(finding(result, found));
            check.reason = Some(&accepting.reason);
            check.waiver = Some(waiver(accepting));
        }
    }
    check
}

fn finding<'a>(result: &'a CheckResult, finding: &'a judgement::Finding) -> Finding<'a> {
    Finding {
        subject: finding.subject.as_deref(),
        sent: &finding.sent,
        received: &finding.received,
        expected: &finding.expected,
        why: &result.clause.rationale,
        fix: &result.check.fix,
        repeat: finding.repeat.as_deref(),
    }
}

fn waiver(waiver: &waivers::Waiver) -> Waiver<'_> {
    Waiver {
        check: &waiver.check,
        subject: waiver.subject.as_deref(),
        until: waiver.until.to_string(),
        file: &waiver.place.file,
        line: waiver.place.line,
    }
}
