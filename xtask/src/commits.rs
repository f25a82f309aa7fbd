//! The command `commits`: checks the messages of the commits in a range.
//!
//! A subject is `area: change` or `area(scope): change`, with 72 characters at most.
//! A body states the problem, the solution, and how it was checked.

use crate::{
    files,
    tidy::{text::Words, words},
};

/// The most characters of a subject.
const MAX_SUBJECT: usize = 72;

/// Runs the command for a range of git, such as `main..HEAD`. Returns what is wrong.
pub(crate) fn run(range: &str) -> Vec<String> {
    // One record a commit: hash and message, separated by characters that no message has.
    let log = files::git(&[
        "log",
        "--no-merges",
        "--reverse",
        "--format=%h%x1f%B%x1e",
        range,
    ]);
    let log = match log {
        Ok(log) => log,
        Err(error) => return vec![error.to_string()],
    };
    let commits = log
        .split('\x1e')
        .filter_map(|record| record.trim().split_once('\x1f'));
    let mut count = 0;
    let mut findings = Vec::new();
    for (hash, message) in commits {
        count += 1;
        let faults = faults(message);
        findings.extend(faults.iter().map(|fault| format!("{hash}: {fault}")));
    }
    println!("{count} commits in {range}");
    findings
}

/// Returns what is wrong with a message.
fn faults(message: &str) -> Vec<String> {
    let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
    let mut faults = Vec::new();
    if !has_area(subject) {
        faults.push("use `area: change` or `area(scope): change`".to_owned());
    }
    let length = subject.chars().count();
    if length > MAX_SUBJECT {
        faults.push(format!("{length} characters: use {MAX_SUBJECT} at most"));
    }
    if subject.ends_with('.') {
        faults.push("ends with a period".to_owned());
    }
    let words = Words::of(&[(1, subject.to_owned())]);
    let hits = words::find(&words, true).into_iter();
    faults.extend(hits.map(|hit| format!("{}: use {}", hit.word, hit.instead)));
    if !body.lines().any(is_text) {
        faults.push("has no body".to_owned());
    }
    faults
        .into_iter()
        .map(|fault| format!("{subject:?}: {fault}"))
        .collect()
}

/// Whether a line of a body is text, and no trailer such as `Signed-off-by: name`.
fn is_text(line: &str) -> bool {
    let is_trailer = line
        .split_once(": ")
        .is_some_and(|(key, _)| key.ends_with("-by"));
    !line.trim().is_empty() && !is_trailer
}

fn has_area(subject: &str) -> bool {
    let Some((head, change)) = subject.split_once(": ") else {
        return false;
    };
    let (area, scope) = match head.split_once('(') {
        Some((area, scope)) => (area, scope.strip_suffix(')')),
        None => (head, Some("none")),
    };
    let is_name = |name: &str| {
        let is_part = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '/' | '.' | ',')
        };
        !name.is_empty() && name.chars().all(is_part)
    };
    is_name(area) && scope.is_some_and(is_name) && !change.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &[&str]) {
        let faults = faults(message);
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn good_messages_are_accepted() {
        check(
            "server: grow the read buffer once per connection\n\nBody.",
            &[],
        );
        check("docs(performance): report memory\n\nBody.", &[]);
        check("tests/compat: name the boundary\n\nBody.", &[]);
        check(".ci: run the checks\n\nBody.", &[]);
    }

    #[test]
    fn subject_has_area_length_and_no_period() {
        check("Fix it\n\nBody.", &["area"]);
        check("Server: fix it\n\nBody.", &["area"]);
        check("server(: fix it\n\nBody.", &["area"]);
        check("server: fix it.\n\nBody.", &["period"]);
        let long = format!("server: {}\n\nBody.", "a".repeat(65));
        check(&long, &["73 characters"]);
    }

    #[test]
    fn subject_has_no_banned_word() {
        check("server: tell a connection\n\nBody.", &["tell: use"]);
    }

    #[test]
    fn body_is_required() {
        check("server: fix it", &["no body"]);
        check("server: fix it\n\nSigned-off-by: A", &["no body"]);
    }
}
