//! Checks `docs/contract.md`: each clause names tests that exist, or contains "not yet".
//!
//! Checks of `deploy/test` and `.ci/run` count as tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The groups of the contract, and the number of clauses of each.
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

/// The folders of each crate and service that contain tests.
const TEST_FOLDERS: [&str; 2] = ["src", "tests"];

/// Returns the root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the ids of all clauses.
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

/// Returns the rows of the contract by id. Adds each malformed row to the errors.
fn rows(contract: &str, errors: &mut Vec<String>) -> BTreeMap<String, Row> {
    let known = clauses();
    let mut rows = BTreeMap::new();
    for (number, line) in (1..).zip(contract.lines()) {
        let Some(row) = line
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'))
        else {
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let id = cells[0];
        if id == "id" || id.chars().all(|c| matches!(c, '-' | ':')) {
            continue;
        }
        let [_, text, tests] = cells[..] else {
            errors.push(format!("line {number}: {} cells instead of 3", cells.len()));
            continue;
        };
        if !known.contains(id) {
            errors.push(format!("line {number}: there is no clause {id:?}"));
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
            errors.push(format!("line {number}: {id} comes twice"));
        }
    }
    rows
}

/// Collects the names of all test functions below a folder.
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

/// Returns the names of the functions with a test attribute.
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

/// Returns the names of the checks of `deploy/test`, from the lines `check NAME` of its parts.
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

/// Returns the functions that a script defines and runs with `check NAME` or `check HEADLINE NAME`.
fn checks_of(source: &str) -> Vec<String> {
    let is_defined = |name: &&str| source.contains(&format!("\n{name}() {{\n"));
    source
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("check ")?.rsplit(' ').next())
        .filter(is_defined)
        .map(str::to_owned)
        .collect()
}

/// Returns all tests of all crates and services, and all checks of `deploy/test` and `.ci/run`.
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

/// Returns the errors in a contract, given the tests that exist.
fn errors(contract: &str, existing: &BTreeSet<String>) -> Vec<String> {
    let mut errors = Vec::new();
    let rows = rows(contract, &mut errors);
    for id in clauses() {
        if !rows.contains_key(&id) {
            errors.push(format!("{id} is missing"));
        }
    }
    for (id, row) in &rows {
        if row.text.is_empty() {
            errors.push(format!("{id} is empty"));
        }
        if row.tests.is_empty() && !row.is_open {
            errors.push(format!("{id} has neither a test nor \"not yet\""));
        }
        for test in row.tests.iter().filter(|test| !existing.contains(*test)) {
            errors.push(format!("{id} names the test {test}, which does not exist"));
        }
    }
    errors
}

#[test]
fn contract_names_tests_that_exist() {
    let path = root().join("docs/contract.md");
    let contract =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let errors = errors(&contract, &existing_tests());
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn invalid_contract_rows_are_errors() {
    /// Checks the only error of a contract whose row of IMG-3 is replaced by these lines.
    #[track_caller]
    fn check(lines: &str, expected: &str) {
        let rest: String = clauses()
            .iter()
            .filter(|id| *id != "IMG-3")
            .map(|id| format!("| {id} | Text. | `proof` |\n"))
            .collect();
        let contract = format!("| id | clause | tests |\n|---|---|---|\n{rest}{lines}\n");
        let existing = BTreeSet::from(["proof".to_owned()]);
        let errors = errors(&contract, &existing);
        assert_eq!(
            errors.len(),
            usize::from(!expected.is_empty()),
            "{lines}: {errors:?}"
        );
        assert!(
            errors.iter().all(|text| text.contains(expected)),
            "{lines}: {errors:?}"
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
    check("| IMG-3 | | `proof` |", "is empty");
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
fn functions_with_a_test_attribute_are_tests() {
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
fn functions_that_check_runs_are_checks() {
    let script =
        "part_x() {\n  check one\n  check absent\n}\n\none() {\n  true\n}\n\ntwo() {\n  true\n}\n";
    assert_eq!(checks_of(script), ["one"]);
    let script = "one() {\n  true\n}\n\ncheck 'a headline' one\ncheck 'two' absent\n";
    assert_eq!(checks_of(&format!("\n{script}")), ["one"]);
}
