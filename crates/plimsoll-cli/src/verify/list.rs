//! `verify --list`: the contract as text or JSON.

use plimsoll_contract::Contract;
use serde_json::json;

use super::{report, select::id};
use crate::{
    exit::{Exit, Failure},
    term,
};

/// Prints the contract.
///
/// # Errors
///
/// [`Failure::Output`].
pub(super) fn run(is_json: bool) -> Result<Exit, Failure> {
    let contract = Contract::get();
    let text = if is_json {
        json(contract)
    } else {
        text(contract)
    };
    term::print(&text)?;
    Ok(Exit::Success)
}

fn text(contract: &Contract) -> String {
    let mut text = String::new();
    for (group, clauses) in contract.by_group() {
        text.push_str(&format!("{}: {}\n", group.id, group.title));
        for clause in clauses {
            text.push_str(&format!("  {:<8}{}\n", clause.id, clause.text));
            for check in &clause.checks {
                let id = id(clause, check);
                let level = report::level(check.level);
                let severity = report::severity(check.severity);
                text.push_str(&format!(
                    "    {id:<17} {level}, {severity:<9}{}\n",
                    check.title
                ));
            }
        }
    }
    text
}

fn json(contract: &Contract) -> String {
    let contract = json!({ "schema": "plimsoll.contract/1", "clauses": contract.clauses });
    format!("{contract:#}\n")
}
