//! Finds the tests and checks that name clauses.

use crate::{files::File, test_functions};

/// A test function, or a check of a script, that names clauses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) clauses: Vec<String>,
}

/// Returns the test functions of a Rust file that name clauses.
pub(super) fn in_rust(file: &File) -> Vec<Proof> {
    let tests = test_functions::find(&file.text).into_iter();
    tests
        .map(|test| Proof {
            clauses: ids(test.doc.first().map_or("", |(_, text)| text)),
            name: test.name,
            path: file.path.clone(),
            line: test.line,
        })
        .filter(|proof| !proof.clauses.is_empty())
        .collect()
}

/// Returns the functions of a script that name clauses and are run by `check NAME` or
/// `check HEADLINE NAME`.
pub(super) fn in_script(file: &File) -> Vec<Proof> {
    let lines: Vec<&str> = file.text.lines().collect();
    let is_run = |name: &str| {
        let mut calls = lines
            .iter()
            .filter_map(|line| line.trim().strip_prefix("check "));
        calls.any(|call| call.rsplit(' ').next() == Some(name))
    };
    let mut proofs = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = line.strip_suffix("() {").filter(|name| is_run(name)) else {
            continue;
        };
        proofs.extend(below_comment(file, &lines, index, name));
    }
    proofs
}

/// Returns the cases of a test of Prometheus rules (`promtool test rules`) that name clauses.
pub(super) fn in_rule_tests(file: &File) -> Vec<Proof> {
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let cases = lines.iter().enumerate();
    cases
        .filter_map(|(index, line)| {
            let name = line.strip_prefix("- name: ")?;
            below_comment(file, &lines, index, name)
        })
        .collect()
}

/// Returns the proof at a line, if the comment above it begins with clauses.
fn below_comment(file: &File, lines: &[&str], index: usize, name: &str) -> Option<Proof> {
    let above = lines[..index].iter().rev();
    let comment = above.take_while(|line| line.starts_with('#')).last()?;
    let clauses = ids(&comment[1..]);
    (!clauses.is_empty()).then(|| Proof {
        name: name.to_owned(),
        path: file.path.clone(),
        line: index + 1,
        clauses,
    })
}

/// Returns the clauses at the beginning of a comment: ids with commas, up to the end, `:` or `.`.
fn ids(comment: &str) -> Vec<String> {
    let list = comment.split([':', '.']).next().unwrap_or_default();
    let ids: Vec<&str> = list.split(',').map(str::trim).collect();
    if !ids.iter().all(|id| is_id(id)) {
        return Vec::new();
    }
    ids.into_iter().map(str::to_owned).collect()
}

fn is_id(text: &str) -> bool {
    let is_group = |group: &str| {
        group.starts_with(|c: char| c.is_ascii_uppercase())
            && group
                .bytes()
                .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9'))
    };
    text.rsplit_once('-').is_some_and(|(group, number)| {
        is_group(group) && !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File {
            path: "a".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn ids_stand_at_the_beginning_of_a_comment() {
        assert_eq!(ids(" SRV-1"), ["SRV-1"]);
        assert_eq!(ids("SRV-1, H2-13: text, LOG-1"), ["SRV-1", "H2-13"]);
        assert_eq!(ids("LIFE-7, CLI-3."), ["LIFE-7", "CLI-3"]);
        assert_eq!(ids("UTF-8 is replaced."), [""; 0]);
        assert_eq!(ids("Text: SRV-1"), [""; 0]);
        assert_eq!(ids(""), [""; 0]);
    }

    #[test]
    fn tests_with_ids_are_found() {
        let text =
            "/// SRV-1: text.\n#[test]\nfn a() {}\n/// SRV-2\nfn b() {}\n#[test]\nfn c() {}\n";
        let proofs = in_rust(&file(text));
        assert_eq!(proofs.len(), 1);
        assert_eq!((proofs[0].name.as_str(), proofs[0].line), ("a", 3));
        assert_eq!(proofs[0].clauses, ["SRV-1"]);
    }

    #[test]
    fn only_functions_that_are_run_as_checks_count() {
        let text = "# IMG-1: text.\n# More.\none() {\n  true\n}\n\n# IMG-2\ntwo() {\n  true\n}\n\n\
            # IMG-3\nthree() {\n  true\n}\ncheck one\ncheck 'a headline' three\n";
        let proofs = in_script(&file(text));
        let found: Vec<_> = proofs
            .iter()
            .map(|it| (it.name.as_str(), it.line))
            .collect();
        assert_eq!(found, [("one", 3), ("three", 13)]);
        assert_eq!(proofs[0].clauses, ["IMG-1"]);
    }
    #[test]
    fn cases_of_rule_tests_below_an_id_are_found() {
        let text =
            "# About.\ntests:\n  - name: one\n\n  # HLT-1: text.\n  # More.\n  - name: two\n";
        let proofs = in_rule_tests(&file(text));
        assert_eq!(proofs.len(), 1);
        assert_eq!((proofs[0].name.as_str(), proofs[0].line), ("two", 7));
        assert_eq!(proofs[0].clauses, ["HLT-1"]);
    }
}
