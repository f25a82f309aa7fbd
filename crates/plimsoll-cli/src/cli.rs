//! The arguments that all commands share, and the list of commands.

use clap::{Parser, Subcommand, ValueEnum};

#[cfg(feature = "console")]
use crate::console;
use crate::{completions, exit, lint, manual, new, top, verify};

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
    Verify(Box<verify::Arguments>),
    New(new::Arguments),
    Top(top::Arguments),
    #[cfg(feature = "console")]
    Console(console::Arguments),
    Completions(completions::Arguments),
    Manual(manual::Arguments),
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

    #[test]
    fn examples_of_every_command_are_accepted() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().unwrap().to_string();
            let examples = help.lines().filter_map(|line| line.strip_prefix("  "));
            let examples: Vec<&str> = examples.filter(|line| !line.starts_with('#')).collect();
            let name = command.get_name();
            assert!((2..=4).contains(&examples.len()), "{name}: {examples:?}");
            for example in examples {
                let words = example.split_whitespace();
                let words = words.skip_while(|word| *word != "plimsoll");
                let words = words.take_while(|word| *word != "&&" && !word.starts_with('>'));
                let result = Cli::try_parse_from(words.clone());
                result.unwrap_or_else(|error| panic!("{example}: {error}"));
                assert_eq!(words.take(2).collect::<Vec<_>>(), ["plimsoll", name]);
            }
        }
    }
}
