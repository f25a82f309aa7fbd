//! The command `completions`: a script that completes commands and options in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::{Generator as _, Shell};

use crate::{
    cli::Cli,
    exit::{Exit, Failure},
    term,
};

const EXAMPLES: &str = "\
Examples:
  # Bash, with the package bash-completion
  plimsoll completions bash >~/.local/share/bash-completion/completions/plimsoll

  # Zsh, for all users
  plimsoll completions zsh >/usr/local/share/zsh/site-functions/_plimsoll

  # Fish
  plimsoll completions fish >~/.config/fish/completions/plimsoll.fish";

/// Print a script that completes commands and options in a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The shell that reads the script
    shell: Shell,
}

/// Runs the command.
///
/// # Errors
///
/// [`Failure::Output`], as documented there.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.set_bin_name("plimsoll");
    command.build();
    let mut script = Vec::new();
    let result = arguments.shell.try_generate(&command, &mut script);
    result.map_err(Failure::Output)?;
    term::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
