//! Holds the table of `docs/compatibility.md` to the applications, their tests and `Cargo.lock`, and
//! the diff in `docs/moving.md` to its application.

use std::{collections::BTreeSet, fs, path::PathBuf};

/// A row of the table.
struct Row {
    application: String,
    crates: Vec<String>,
    checks: BTreeSet<String>,
    lines: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let path = folder().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn rows() -> Vec<Row> {
    let document = read("../../docs/compatibility.md");
    let rows = document.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", application, _, crates, checks, lines, ""] = cells[..] else {
            return None;
        };
        let application = application.strip_prefix('[')?.split_once(']')?.0.to_owned();
        Some(Row {
            application,
            crates: crates.split(", ").map(str::to_owned).collect(),
            checks: quoted(checks).collect(),
            lines: lines.to_owned(),
        })
    });
    rows.collect()
}

/// The names of the tests in a file.
fn tests(source: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = source.lines().collect();
    let tests = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    let names = tests.filter_map(|pair| pair[1].strip_prefix("fn ")?.split_once('('));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// How many lines of one text are not in the other, and the other way round, in order.
fn difference(before: &str, after: &str) -> (usize, usize) {
    let before: Vec<&str> = before.lines().collect();
    let after: Vec<&str> = after.lines().collect();
    // The length of the longest common subsequence, row by row.
    let mut common = vec![0; after.len() + 1];
    for line in &before {
        let mut diagonal = 0;
        for (index, other) in after.iter().enumerate() {
            let above = common[index + 1];
            common[index + 1] = match line == other {
                true => diagonal + 1,
                false => above.max(common[index]),
            };
            diagonal = above;
        }
    }
    let common = common[after.len()];
    (before.len() - common, after.len() - common)
}

#[test]
fn table_has_every_application() {
    let folders = fs::read_dir(folder().join("services")).unwrap();
    let folders: BTreeSet<_> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let named: BTreeSet<_> = rows().into_iter().map(|row| row.application).collect();
    assert_eq!(named, folders);
}

#[test]
fn table_has_the_versions_of_the_lock_file() {
    let lock = read("Cargo.lock");
    for row in rows() {
        for entry in row.crates {
            let (name, version) = entry.split_once(' ').expect("a crate and its version");
            let locked = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&locked), "{}: {entry}", row.application);
        }
    }
}

#[test]
fn table_has_the_checks_of_each_application() {
    for row in rows() {
        let source = read(&format!("tests/moved/{}.rs", row.application));
        assert_eq!(row.checks, tests(&source), "{}", row.application);
    }
}

#[test]
fn table_has_the_lines_that_changed() {
    for row in rows() {
        let source = |kind| read(&format!("services/{}/{kind}.rs", row.application));
        let (removed, added) = difference(&source("plain"), &source("moved"));
        assert_eq!(
            row.lines,
            format!("−{removed} +{added}"),
            "{}",
            row.application
        );
    }
}

/// The lines of the guide's diff that stand on one side of it.
fn side(diff: &str, mark: char) -> String {
    let lines = diff.lines().filter_map(|line| {
        if line.is_empty() {
            return Some("");
        }
        line.strip_prefix(mark).or_else(|| line.strip_prefix(' '))
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn guide_shows_the_diff_of_an_application() {
    let guide = read("../../docs/moving.md");
    let (_, diff) = guide.split_once("```diff\n").expect("there is a diff");
    let (diff, _) = diff.split_once("```").expect("it ends");
    let source = |kind: &str| read(&format!("services/openapi/{kind}.rs"));
    assert_eq!(side(diff, '-'), source("plain"));
    assert_eq!(side(diff, '+'), source("moved"));
}

#[test]
fn differing_lines_are_counted() {
    assert_eq!(difference("a\nb\nc", "a\nc\nd\ne"), (1, 2));
    assert_eq!(difference("a\nb", "a\nb"), (0, 0));
}
