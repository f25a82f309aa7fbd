//! The command `manual`: pages for `man`, one for each command.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory as _, ValueHint, builder::StyledStr};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use crate::{
    cli::Cli,
    exit::{Exit, Failure},
};

const EXAMPLES: &str = "\
Examples:
  # For all users
  plimsoll manual /usr/local/share/man/man1

  # A page, without an installation
  plimsoll manual target/man1 && man target/man1/plimsoll-verify.1";

/// Write manual pages, one for each command
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder of the pages; it is created if it is absent
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// [`Failure::Manual`] if a page cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    write(&arguments.folder).map_err(|source| Failure::Manual {
        path: arguments.folder.clone(),
        source,
    })?;
    Ok(Exit::Success)
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Cli::command();
    command.build();
    for command in [&command].into_iter().chain(command.get_subcommands()) {
        // A date would differ from build to build. An empty one would be left out, and the source take its place.
        let man = Man::new(command.clone()).date(" ");
        let man = man.source(concat!("plimsoll ", env!("CARGO_PKG_VERSION")));
        fs::write(folder.join(man.get_filename()), page(&man, command)?)?;
    }
    Ok(())
}

/// Returns a page. Its last sections are those of the help.
fn page(man: &Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let help = command.get_after_help().map(StyledStr::to_string);
    sections(&help.unwrap_or_default()).to_writer(&mut page)?;
    Ok(page)
}

/// Returns the sections of a text: each headline ends with a colon, and its lines are indented.
fn sections(text: &str) -> Roff {
    let mut sections = Roff::new();
    for line in text.lines() {
        match line.strip_suffix(':') {
            Some(headline) if !line.starts_with(' ') => {
                sections.control("fi", []);
                sections.control("SH", [headline.to_uppercase().as_str()]);
                // The lines that follow are kept as they are.
                sections.control("nf", []);
            }
            _ => {
                sections.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
        }
    }
    sections.control("fi", []);
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_section_are_kept() {
        let text = sections("Examples:\n  # one\n  a --b\n\n  c").to_roff();
        let lines: Vec<&str> = text.lines().filter(|line| *line != ".fi").collect();
        assert_eq!(
            lines,
            [".SH EXAMPLES", ".nf", "# one", "a \\-\\-b", "", "c"]
        );
    }
}
