//! The arguments that all commands share, and the list of commands.

use clap::{Parser, Subcommand, ValueEnum};

use crate::{exit, lint, new, top, verify};

/// Creates services on plimsoll, checks services and their deployment, and observes instances
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, after_help = exit::table(), disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// When the output has colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command, with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Lint(lint::Arguments),
    Verify(verify::Arguments),
    New(new::Arguments),
    Top(top::Arguments),
}

/// When the output has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
