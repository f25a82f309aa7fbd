//! The command `verify`: checks a service against the operational contract.

mod list;

use clap::Args;

use crate::exit::{Exit, Failure};

/// Check a service, in any language, against the operational contract
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// List the clauses of the contract
    #[arg(long, required = true)]
    list: bool,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// As documented at [`Failure`].
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    list::run(arguments.json)
}
