//! Checks the scenario table in `docs/reliability.md`: each row names clauses of the contract, or `–`.

use std::{collections::BTreeSet, fs, path::Path};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first cells of all table rows of a document.
fn first_cells(document: &str) -> BTreeSet<&str> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.split(" |").next()).collect()
}

/// The errors in the scenario table, given the clauses of the contract.
fn errors(document: &str, clauses: &BTreeSet<&str>) -> Vec<String> {
    let Some((_, rest)) = document.split_once("\n## Scenarios\n") else {
        return vec!["the section is missing".to_owned()];
    };
    let section = rest.split("\n##").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut errors = Vec::new();
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [scenario, named] = cells[..] else {
            errors.push(format!("{row}: {} cells instead of 2", cells.len()));
            continue;
        };
        if scenario.starts_with("**") {
            continue;
        }
        count += 1;
        let unknown = named
            .split(", ")
            .filter(|id| *id != "–" && !clauses.contains(id));
        errors.extend(unknown.map(|id| format!("{scenario}: there is no clause {id:?}")));
    }
    if count == 0 {
        errors.push("the table is empty".to_owned());
    }
    errors
}

#[test]
fn scenarios_name_clauses_of_the_contract() {
    let contract = read("docs/contract.md");
    let errors = errors(&read("docs/reliability.md"), &first_cells(&contract));
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn invalid_scenario_rows_are_errors() {
    #[track_caller]
    fn check(rows: &str, expected: &str) {
        let head = "| scenario | clauses |\n|---|---|\n| **Group** | |";
        let text = format!("# T\n\n## Scenarios\n\n{head}\n{rows}\n\n## Next\n| a |\n");
        let errors = errors(&text, &BTreeSet::from(["SRV-1", "SRV-2"])).join("\n");
        assert_eq!(errors.is_empty(), expected.is_empty(), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
    check("| Text. | SRV-1 |", "");
    check("| Text. | SRV-1, SRV-2 |", "");
    check("| Text. | – |", "");
    check("| Text. | SRV-3 |", "no clause \"SRV-3\"");
    check("| Text. | |", "no clause");
    check("| Text. | SRV-1 | `name` |", "cells instead of 2");
    check("", "empty");
}
