//! The report as text.

use std::{collections::BTreeMap, time::Duration};

use plimsoll_contract::Contract;

use super::{Subject, Summary, clauses, counts, level, severity};
use crate::{
    verify::{
        Target,
        judgement::Finding,
        run::{CheckResult, Results, Verdict},
        select::id,
    },
    waivers::Waiver,
};

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// The most lines of an observation, and the most characters of a line.
const MAX_LINES: usize = 4;
const MAX_CHARACTERS: usize = 300;

/// The columns of the title of a group, unless a title is longer.
const TITLE: usize = 22;

/// The columns of a line with the title of a check.
const WIDTH: usize = 78;

/// Returns the report: groups, violations, and the other checks that do not hold.
pub(in crate::verify) fn human(subject: &Subject<'_>, results: &Results) -> String {
    let mut text = format!("{}\n\n", heading(subject, results));
    let clauses = clauses(&results.checks);
    let groups = Contract::get().groups.iter().map(|group| {
        let of_group = clauses.iter().filter(|(id, _)| {
            let (name, _) = id.rsplit_once('-').unwrap_or_default();
            name == group.id
        });
        (group, counts(of_group))
    });
    let groups: Vec<_> = groups.filter(|(_, counts)| !counts.is_empty()).collect();
    let titles = groups.iter().map(|(group, _)| group.title.len() + 2);
    let width = titles.max().unwrap_or_default().max(TITLE);
    for (group, counts) in groups {
        let counts = Summary::ALL.map(|summary| cell(&counts, summary));
        let line = format!("{:<6}{:<width$}{}", group.id, group.title, counts.concat());
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    for result in &results.checks {
        if let Verdict::Violated(finding) = &result.verdict {
            text.push_str(&violation(result, finding));
        }
    }
    text.push_str(&unknown(&results.checks));
    for waiver in &results.unused {
        let name = match &waiver.subject {
            Some(subject) => format!("{} for {subject}", waiver.check),
            None => waiver.check.clone(),
        };
        let line = format!(
            "{}: the waiver of {name} matches no violation",
            waiver.place
        );
        text.push_str(&format!("\n{YELLOW}warning{PLAIN}: {line}\n"));
    }
    text.push_str(&format!("\n{}\n", summary(&clauses, results)));
    text
}

fn heading(subject: &Subject<'_>, results: &Results) -> String {
    let target = match subject.target {
        Target::Command(command) => command.join(" "),
        Target::Url(url) => url.to_string(),
    };
    let mut parts = vec![format!("{BOLD}{target}{PLAIN}")];
    if let Some(first) = results.first {
        parts.push(format!("pid {}", first.pid));
        parts.extend(first.port.map(|port| format!("port {port}")));
        parts.push(format!("ready in {}", seconds(first.ready)));
    }
    parts.push(level(subject.level).to_owned());
    parts.push(format!("seed {:x}", subject.seed));
    parts.join(" · ")
}

/// Returns the number of clauses with a verdict, in its column.
fn cell(counts: &BTreeMap<Summary, usize>, summary: Summary) -> String {
    let (name, color, width) = match summary {
        Summary::Holds => ("hold", GREEN, 10),
        Summary::Violated => ("violated", RED, 14),
        Summary::Blocked => ("blocked", YELLOW, 13),
        Summary::NotProven => ("not proven", YELLOW, 14),
        Summary::Waived => ("waived", YELLOW, 12),
    };
    match counts.get(&summary) {
        None => " ".repeat(width),
        Some(count) => {
            let text = format!("{count} {name}");
            format!("{color}{text}{PLAIN}{}", " ".repeat(width - text.len()))
        }
    }
}

fn violation(result: &CheckResult, finding: &Finding) -> String {
    let check = result.check;
    let title = format!("{}  {}", id(result.clause, check), check.title);
    let severity = severity(check.severity);
    let width = WIDTH.saturating_sub(2 + severity.len());
    let mut text = format!("\n{RED}✗{PLAIN} {BOLD}{title:<width$}{PLAIN}{severity}\n");
    let rows = [
        ("sent", Some(finding.sent.as_str())),
        ("received", Some(finding.received.as_str())),
        ("expected", Some(finding.expected.as_str())),
        ("why", Some(result.clause.rationale.as_str())),
        ("fix", Some(check.fix.as_str())),
        ("repeat", finding.repeat.as_deref()),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            text.push_str(&format!("    {name:<10}{}\n", shortened(value)));
        }
    }
    let others = finding.others.iter().filter_map(|it| it.subject.as_deref());
    let others: Vec<&str> = others.collect();
    if !others.is_empty() {
        text.push_str(&format!(
            "    also      {}\n",
            shortened(&others.join(", "))
        ));
    }
    text
}

/// Returns the text with its first lines, below each other.
fn shortened(text: &str) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let end = line.char_indices().nth(MAX_CHARACTERS);
            end.map_or(line.to_owned(), |(end, _)| format!("{}…", &line[..end]))
        })
        .map(|line| line.replace(char::is_control, "\u{fffd}"))
        .collect();
    if lines.len() > MAX_LINES {
        let rest = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push(format!("… {rest} more lines"));
    }
    lines.join(&format!("\n{:14}", ""))
}

/// Returns the checks that are blocked, by their cause, and those that are not proven or waived.
fn unknown(results: &[CheckResult]) -> String {
    let mut blocked: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut text = String::new();
    for result in results {
        let id = id(result.clause, result.check);
        match &result.verdict {
            Verdict::Blocked { by } => blocked.entry(by).or_default().push(id),
            Verdict::NotProven { reason } => {
                text.push_str(&format!("{YELLOW}?{PLAIN} {id}  not proven: {reason}\n"));
            }
            Verdict::Waived { waiver, .. } => {
                let Waiver { reason, until, .. } = waiver;
                let line = format!("{id}  waived until {until}: {reason}");
                text.push_str(&format!("{YELLOW}~{PLAIN} {line}\n"));
            }
            Verdict::Holds | Verdict::Violated(_) => {}
        }
    }
    for (by, ids) in blocked {
        let ids = ids.join(", ");
        text.push_str(&format!("{YELLOW}–{PLAIN} blocked by {by}: {ids}\n"));
    }
    match text.is_empty() {
        true => text,
        false => format!("\n{text}"),
    }
}

fn summary(clauses: &[(&'static str, Summary)], results: &Results) -> String {
    let counts = counts(clauses);
    let parts = Summary::ALL.map(|summary| {
        let name = match summary {
            Summary::Holds => "hold",
            Summary::Violated => "violated",
            Summary::Blocked => "blocked",
            Summary::NotProven => "not proven",
            Summary::Waived => "waived",
        };
        counts.get(&summary).map(|count| format!("{count} {name}"))
    });
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!(
        "{} {}: {} · {} · {}",
        clauses.len(),
        plural(clauses.len(), "clause"),
        parts.join(", "),
        format_args!("{} {}", results.starts, plural(results.starts, "start")),
        seconds(results.elapsed)
    )
}

fn plural(count: usize, word: &str) -> String {
    match count {
        1 => word.to_owned(),
        _ => format!("{word}s"),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
