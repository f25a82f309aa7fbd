//! Keeps `docs/contract.md` honest: every clause names tests, or checks of `deploy/test` or `.ci/run`,
//! that exist, or says "not yet".

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The groups of the contract, and how many clauses each has.
const GROUPS: &[(&str, u32)] = &[
    ("HTTP", 10),
    ("RID", 5),
    ("LOG", 15),
    ("MET", 9),
    ("CFG", 11),
    ("CLI", 3),
    ("IP", 5),
    ("ADM", 5),
    ("LIFE", 12),
    ("WRK", 4),
    ("SIG", 5),
    ("SRV", 7),
    ("TLS", 8),
    ("H2", 6),
    ("TRC", 8),
    ("OUT", 3),
    ("DIF", 11),
    ("IMG", 3),
];

/// Where tests are: in these folders of every crate and service.
const TEST_FOLDERS: [&str; 2] = ["src", "tests"];

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every clause that the contract has.
fn clauses() -> BTreeSet<String> {
    let group = |(name, count)| (1..=count).map(move |number| format!("{name}-{number}"));
    GROUPS.iter().copied().flat_map(group).collect()
}

/// A row of the contract's tables.
struct Row {
    text: String,
    tests: Vec<String>,
    is_open: bool,
}

/// The rows of the contract by their ids; every oddity is a complaint.
fn rows(contract: &str, complaints: &mut Vec<String>) -> BTreeMap<String, Row> {
    let known = clauses();
    let mut rows = BTreeMap::new();
    for (number, line) in (1..).zip(contract.lines()) {
        let Some(inside) = line
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'))
        else {
            continue;
        };
        let cells: Vec<&str> = inside.split('|').map(str::trim).collect();
        let id = cells[0];
        if id == "id" || id.chars().all(|c| matches!(c, '-' | ':')) {
            continue;
        }
        let [_, text, tests] = cells[..] else {
            complaints.push(format!("line {number}: {} cells instead of 3", cells.len()));
            continue;
        };
        if !known.contains(id) {
            complaints.push(format!("line {number}: there is no clause {id:?}"));
        }
        let row = Row {
            text: text.to_owned(),
            tests: tests
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect(),
            is_open: tests.contains("not yet"),
        };
        if rows.insert(id.to_owned(), row).is_some() {
            complaints.push(format!("line {number}: {id} comes twice"));
        }
    }
    rows
}

/// The names of all test functions below a folder.
fn collect_tests(folder: &Path, names: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry
            .expect("a folder of the repository can be read")
            .path();
        if path.is_dir() {
            collect_tests(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source file can be read");
            names.extend(tests_of(&source));
        }
    }
}

/// The names of the functions that stand under a test attribute.
fn tests_of(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        }
        let function = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "));
        if let Some(rest) = function
            && std::mem::take(&mut is_test)
        {
            let name = rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            names.extend(name.map(str::to_owned));
        }
    }
    names
}

/// The names of the checks of `deploy/test`: of the lines `check NAME` in its parts.
fn deployment_checks() -> BTreeSet<String> {
    let folder = root().join("deploy/checks");
    let entries = fs::read_dir(folder).expect("deploy/test has checks");
    let mut names = BTreeSet::new();
    for entry in entries {
        let path = entry
            .expect("a folder of the repository can be read")
            .path();
        if path.extension().is_some_and(|extension| extension == "sh") {
            let source = fs::read_to_string(&path).expect("a script can be read");
            names.extend(checks_of(&source));
        }
    }
    names
}

/// The functions that a script defines and runs as checks: of lines `check NAME` and
/// `check HEADLINE NAME`.
fn checks_of(source: &str) -> Vec<String> {
    let is_defined = |name: &&str| source.contains(&format!("\n{name}() {{\n"));
    source
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("check ")?.rsplit(' ').next())
        .filter(is_defined)
        .map(str::to_owned)
        .collect()
}

/// All tests of all crates and services, and all checks of `deploy/test` and `.ci/run`.
fn existing_tests() -> BTreeSet<String> {
    let mut names = deployment_checks();
    let ci = fs::read_to_string(root().join(".ci/run")).expect("the script can be read");
    names.extend(checks_of(&ci));
    for members in ["crates", "services"] {
        let members = fs::read_dir(root().join(members)).expect("the workspace has members");
        for member in members {
            let member = member.expect("a member's folder can be read").path();
            for folder in TEST_FOLDERS {
                collect_tests(&member.join(folder), &mut names);
            }
        }
    }
    names
}

/// What is wrong with a contract, given the tests that there are.
fn complaints(contract: &str, existing: &BTreeSet<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    let rows = rows(contract, &mut complaints);
    for id in clauses() {
        if !rows.contains_key(&id) {
            complaints.push(format!("{id} is missing"));
        }
    }
    for (id, row) in &rows {
        if row.text.is_empty() {
            complaints.push(format!("{id} says nothing"));
        }
        if row.tests.is_empty() && !row.is_open {
            complaints.push(format!("{id} has neither a test nor \"not yet\""));
        }
        for test in row.tests.iter().filter(|test| !existing.contains(*test)) {
            complaints.push(format!("{id} names the test {test}, which does not exist"));
        }
    }
    complaints
}

#[test]
fn every_clause_of_the_contract_names_tests_that_exist() {
    let path = root().join("docs/contract.md");
    let contract =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let complaints = complaints(&contract, &existing_tests());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_contract_with_gaps_is_complained_about() {
    /// Checks the one complaint about a contract in which these lines stand for the row of IMG-3.
    #[track_caller]
    fn check(lines: &str, expected: &str) {
        let rest: String = clauses()
            .iter()
            .filter(|id| *id != "IMG-3")
            .map(|id| format!("| {id} | Text. | `proof` |\n"))
            .collect();
        let contract = format!("| id | clause | tests |\n|---|---|---|\n{rest}{lines}\n");
        let existing = BTreeSet::from(["proof".to_owned()]);
        let complaints = complaints(&contract, &existing);
        assert_eq!(
            complaints.len(),
            usize::from(!expected.is_empty()),
            "{lines}: {complaints:?}"
        );
        assert!(
            complaints.iter().all(|text| text.contains(expected)),
            "{lines}: {complaints:?}"
        );
    }
    check("| IMG-3 | Text. | `proof` |", "");
    check("| IMG-3 | Text. | not yet |", "");
    check("| IMG-3 | Text. | `proof`; not yet: the rest |", "");
    check(
        "| IMG-3 | Text. | `proof`, `absent` |",
        "absent, which does not exist",
    );
    check("| IMG-3 | Text. | |", "neither a test");
    check("| IMG-3 | | `proof` |", "says nothing");
    check(
        "| IMG-3 | Text. | `proof` |\n| IMG-4 | Text. | `proof` |",
        "no clause",
    );
    check(
        "| IMG-3 | Text. | `proof` |\n| IMG-3 | Text. | `proof` |",
        "comes twice",
    );
    check("IMG-3 is in no table", "IMG-3 is missing");
    check(
        "| IMG-3 | Text. | `proof` |\n| IMG-3 | Text. |",
        "cells instead of 3",
    );
}

#[test]
fn only_functions_under_a_test_attribute_are_tests() {
    let source = "
        fn helper() {}
        #[test]
        #[expect(lint, reason = \"x\")]
        fn plain() {}
        #[tokio::test(start_paused = true)]
        async fn paused() {}
        fn after() {}
        proptest! {
            #[test]
            fn property(x in 0..1) {}
        }
    ";
    assert_eq!(tests_of(source), ["plain", "paused", "property"]);
}

#[test]
fn only_functions_that_are_run_as_checks_are_checks() {
    let script =
        "part_x() {\n  check one\n  check absent\n}\n\none() {\n  true\n}\n\ntwo() {\n  true\n}\n";
    assert_eq!(checks_of(script), ["one"]);
    let script = "one() {\n  true\n}\n\ncheck 'a headline' one\ncheck 'two' absent\n";
    assert_eq!(checks_of(&format!("\n{script}")), ["one"]);
}
