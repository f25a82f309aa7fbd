//! `verify --list`: the contract as text or JSON.

use plimsoll_contract::Contract;
use serde_json::json;

use crate::{
    exit::{Exit, Failure},
    term,
};

/// Prints the contract.
///
/// # Errors
///
/// [`Failure::Output`].
pub(crate) fn run(is_json: bool) -> Result<Exit, Failure> {
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
        }
    }
    text
}

fn json(contract: &Contract) -> String {
    let contract = json!({ "schema": "plimsoll.contract/1", "clauses": contract.clauses });
    format!("{contract:#}\n")
}
