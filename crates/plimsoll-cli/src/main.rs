//! The command `plimsoll`: creates services, checks them and their deployment, and observes instances.
//!
//! Each command is a module with `Arguments` and `run`, and a variant in `cli.rs`.
//! The command does not name the chassis: a shared parser would hide its own faults.
//! `console` uses it through the crate `plimsoll-console`, for the server of its page.

mod cli;
mod completions;
#[cfg(feature = "console")]
mod console;
mod duration;
mod exit;
mod lint;
mod manual;
mod new;
mod place;
mod project;
mod sarif;
#[cfg(feature = "console")]
mod size;
mod target;
mod term;
mod top;
mod verify;
mod waivers;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    // Not commands for users: the console starts this program again for each of its children.
    #[cfg(feature = "console")]
    if let Some(status) = plimsoll_console::helper(std::env::args_os().skip(1)) {
        return status;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return term::usage(&error).into(),
    };
    term::set_color(cli.color);
    let result = match cli.command {
        Command::Lint(arguments) => lint::run(&arguments).map(ExitCode::from),
        Command::Verify(arguments) => verify::run(&arguments).map(ExitCode::from),
        Command::New(arguments) => new::run(&arguments).map(ExitCode::from),
        Command::Top(arguments) => top::run(&arguments).map(ExitCode::from),
        #[cfg(feature = "console")]
        Command::Console(arguments) => console::run(arguments),
        Command::Completions(arguments) => completions::run(&arguments).map(ExitCode::from),
        Command::Manual(arguments) => manual::run(&arguments).map(ExitCode::from),
    };
    result.unwrap_or_else(|failure| {
        term::report(&failure);
        failure.exit().into()
    })
}
