//! `verify --explain ID`: a clause with its rationale and checks.

use plimsoll_contract::{Check, Clause, Contract, Proofs};

use super::select::id;
use crate::{
    exit::{Exit, Failure},
    term,
};

/// Prints a clause, or one of its checks.
///
/// # Errors
///
/// [`Failure::Usage`] if the contract has no such id.
pub(super) fn run(name: &str) -> Result<Exit, Failure> {
    let text = text(name).ok_or_else(|| {
        Failure::Usage(format!(
            "{name:?} is no clause and no check; `plimsoll verify --list` has them"
        ))
    })?;
    term::print(&text)?;
    Ok(Exit::Success)
}

fn text(name: &str) -> Option<String> {
    let contract = Contract::get();
    if let Some((clause, check)) = contract.check(name) {
        let (head, tests) = (head(clause), tests(clause));
        return Some(format!("{head}{}{tests}", body(clause, check)));
    }
    let clause = contract.clauses.iter().find(|clause| clause.id == name)?;
    let checks = clause.checks.iter().map(|check| body(clause, check));
    let checks = match clause.checks.is_empty() {
        true => format!("\nno check  {}\n", reason(clause)),
        false => checks.collect(),
    };
    Some(format!("{}{checks}{}", head(clause), tests(clause)))
}

/// Returns why a clause has no check.
fn reason(clause: &Clause) -> &str {
    match clause.is_retired() {
        true => "The clause has ended.",
        false => &clause.outside,
    }
}

/// Returns the tests of the clause in this repository, one a line.
fn tests(clause: &Clause) -> String {
    let proofs = Proofs::get().of(&clause.id).iter();
    let lines = proofs.map(|test| format!("  {test}\n"));
    let lines: String = lines.collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\ntests of plimsoll\n{lines}"),
    }
}

fn head(clause: &Clause) -> String {
    let mut text = format!("{}\n\n{}\n", clause.id, clause.text);
    if !clause.rationale.is_empty() {
        text.push_str(&format!("\nwhy       {}\n", clause.rationale));
    }
    text
}

fn body(clause: &Clause, check: &Check) -> String {
    let listed = |name: &str, ids: &[String]| match ids.is_empty() {
        true => String::new(),
        false => format!("  {name:<10}{}\n", ids.join(", ")),
    };
    let after = listed("after", &check.after) + &listed("requires", &check.requires);
    format!(
        "\n{}  {}\n  level     {}, {}\n  sends     {}\n{after}  fix       {}\n",
        id(clause, check),
        check.title,
        super::report::level(check.level),
        super::report::severity(check.severity),
        check.sends,
        check.fix
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clause_is_explained_with_its_checks() {
        let text = text("HTTP-1").unwrap();
        assert!(
            text.contains("HTTP-1:banner") && text.contains("HTTP-1:charset"),
            "{text}"
        );
        assert!(text.contains("why       The banner is"), "{text}");
        assert!(
            text.contains("http.rs: root_returns_the_banner\n"),
            "{text}"
        );
    }

    #[test]
    fn check_is_explained_alone() {
        let text = text("HTTP-1:charset").unwrap();
        assert!(!text.contains("HTTP-1:banner  "), "{text}");
        assert!(text.contains("after     HTTP-1:banner"), "{text}");
    }

    #[test]
    fn unknown_id_is_not_explained() {
        assert_eq!(text("HTTP"), None);
    }
}
