//! Reads the clauses of `docs/contract.md`.
//!
//! A group is a section such as `## SRV: server`, with a table of two columns: id and clause.
//! Its clauses are numbered from 1 without gaps.

/// A clause of the contract.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) id: String,
    pub(super) line: usize,
    /// Whether a part of it is promised for a later version.
    pub(super) is_open: bool,
    /// Whether it has ended. Its number is not used again.
    pub(super) is_retired: bool,
}

/// Returns the clauses in their order. What is wrong with the tables is added to `findings`.
pub(super) fn read(contract: &str, findings: &mut Vec<String>) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut group = "";
    let mut number = 0;
    for (line, text) in (1..).zip(contract.lines()) {
        if let Some(heading) = text.strip_prefix("## ") {
            group = heading.split_once(':').map_or("", |(group, _)| group);
            number = 0;
        }
        let Some(cells) = row(text) else { continue };
        let mut report = |fault: &str| findings.push(format!("docs/contract.md:{line}: {fault}"));
        let [id, clause] = cells[..] else {
            report(&format!("{} cells instead of 2", cells.len()));
            continue;
        };
        if clauses.iter().any(|it| it.id == id) {
            report(&format!("{id} is a duplicate"));
            continue;
        }
        number += 1;
        let expected = format!("{group}-{number}");
        if id != expected {
            report(&format!("{id} instead of {expected}"));
        }
        if clause.is_empty() {
            report(&format!("{id} is empty"));
        }
        clauses.push(Clause {
            id: id.to_owned(),
            line,
            is_open: clause.contains("*Not yet"),
            is_retired: clause.starts_with("*Retired"),
        });
    }
    clauses
}

/// Returns the cells of a row, unless it is the head of a table.
fn row(line: &str) -> Option<Vec<&str>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inside.split('|').map(str::trim).collect();
    let is_head = cells[0] == "id" || cells[0].chars().all(|c| matches!(c, '-' | ':'));
    (!is_head).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: &str, count: usize, expected: &str) {
        let contract = format!("# T\n\n## SRV: server\n\n| id | clause |\n|---|---|\n{rows}\n");
        let mut findings = Vec::new();
        let clauses = read(&contract, &mut findings);
        assert_eq!(clauses.len(), count, "{clauses:?}");
        assert_eq!(findings.is_empty(), expected.is_empty(), "{findings:?}");
        assert!(findings.concat().contains(expected), "{findings:?}");
    }

    #[test]
    fn tables_of_the_contract_are_checked() {
        check("| SRV-1 | A. |\n| SRV-2 | B. |", 2, "");
        check("| SRV-1 | A. |\n| SRV-2 | *Retired.* |", 2, "");
        check(
            "| SRV-1 | A. |\n| SRV-3 | B. |",
            2,
            "SRV-3 instead of SRV-2",
        );
        check(
            "| SRV-1 | A. |\n| SRV-1 | B. |",
            1,
            "docs/contract.md:8: SRV-1 is a duplicate",
        );
        check("| TLS-1 | A. |", 1, "TLS-1 instead of SRV-1");
        check("| SRV-1 | |", 1, "SRV-1 is empty");
        check("| SRV-1 | A. | B. |", 0, "3 cells");
    }

    #[test]
    fn marks_of_clauses_are_read() {
        let contract = "## A: a\n| A-1 | X. *Not yet: y.* |\n| A-2 | *Retired.* |\n";
        let clauses = read(contract, &mut Vec::new());
        assert!(clauses[0].is_open && !clauses[0].is_retired);
        assert!(clauses[1].is_retired && !clauses[1].is_open);
    }
}
