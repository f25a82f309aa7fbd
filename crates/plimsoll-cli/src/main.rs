//! The command `plimsoll`: creates services, checks them and their deployment, and observes instances.
//!
//! Each command is a module with `Arguments` and `run`, and a variant in `cli.rs`.
//! The command does not depend on the chassis: a shared parser would hide its own faults.

mod cli;
mod completions;
mod duration;
mod exit;
mod lint;
mod manual;
mod new;
mod place;
mod project;
mod sarif;
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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return term::usage(&error).into(),
    };
    term::set_color(cli.color);
    let result = match cli.command {
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Manual(arguments) => manual::run(&arguments),
    };
    result
        .unwrap_or_else(|failure| {
            term::report(&failure);
            failure.exit()
        })
        .into()
}
