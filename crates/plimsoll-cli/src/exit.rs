//! The exit statuses of all commands, and the failures that end a command early.
//!
//! The statuses are public: scripts depend on them.
//! 64 and 70 are those of `sysexits.h`.

use std::{io, path::PathBuf, process::ExitCode};

#[cfg(feature = "console")]
use plimsoll_console::ConsoleError;
use plimsoll_scrape::NoSource;

use crate::{lint::ProgramError, new::NewError, project::ProjectError, target::StartError};

/// The result of a command, as its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// No finding.
    Success = 0,
    /// At least one finding that counts, such as a violated clause.
    Findings = 1,
    /// No finding, but a part could not be checked.
    Incomplete = 2,
    /// The service was not started or not reached, so nothing was checked.
    Unreachable = 3,
    /// The arguments, or the files that they name, are wrong.
    Usage = 64,
    /// The command itself failed.
    Internal = 70,
}

impl Exit {
    const ALL: [(Self, &str); 6] = [
        (Self::Success, "no finding"),
        (
            Self::Findings,
            "a finding at or above the level that fails the command",
        ),
        (
            Self::Incomplete,
            "no such finding, but a part was not checked",
        ),
        (Self::Unreachable, "service not started or not reached"),
        (Self::Usage, "usage error, or a file that cannot be read"),
        (Self::Internal, "internal error, or interrupted by a signal"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Returns the table of exit statuses for `--help`.
pub(crate) fn table() -> String {
    let rows = Exit::ALL.map(|(exit, meaning)| format!("\n  {:<4}{meaning}", exit as u8));
    format!("Exit status:{}", rows.concat())
}

/// An error that ends a command without a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Arguments that contradict each other, or name something that does not exist.
    #[error("{0}")]
    Usage(String),

    /// The program cannot be run.
    #[error(transparent)]
    Start(#[from] StartError),

    /// The service does not answer.
    #[error("the service did not start: {start}; {hint}{}", lines(output))]
    NotStarted {
        start: String,
        hint: &'static str,
        /// The last lines of its output.
        output: Vec<String>,
    },

    /// The host of a URL has no address.
    #[error("cannot resolve the host of {url}")]
    Unresolved { url: String, source: io::Error },

    /// The service at a URL does not answer.
    #[error("{url} does not answer GET /ready")]
    NoAnswer { url: String },

    /// The log of a service at a URL cannot be read.
    #[error("--logs {}: cannot be read", path.display())]
    Logs { path: PathBuf, source: io::Error },

    /// An instance to observe does not exist.
    #[error(transparent)]
    Source(#[from] NoSource),

    /// The terminal cannot be read or drawn on.
    #[error("cannot use the terminal")]
    Terminal(#[source] io::Error),

    /// The output could not be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),

    /// A report could not be written.
    #[error("cannot write the report {}", path.display())]
    Report { path: PathBuf, source: io::Error },

    /// A manual page could not be written.
    #[error("cannot write the manual pages to {}", path.display())]
    Manual { path: PathBuf, source: io::Error },

    /// No port is free.
    #[error("cannot reserve a port")]
    Port(#[source] io::Error),

    /// The folder for the files of a start could not be made.
    #[error("cannot make a folder for temporary files")]
    Folder(#[source] io::Error),

    /// The system refuses what the command needs to run.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),

    /// A signal has ended the command.
    #[error("interrupted")]
    Interrupted,

    /// The service could not be created.
    #[error(transparent)]
    New(#[from] NewError),

    /// The configuration of the project cannot be used.
    #[error("the configuration cannot be used")]
    Project(#[from] ProjectError),

    /// The console cannot run.
    #[cfg(feature = "console")]
    #[error(transparent)]
    Console(#[from] ConsoleError),

    /// The service's binary has no settings.
    #[error("--service: the settings cannot be read")]
    Service(#[source] ProgramError),
}

impl Failure {
    /// Returns the exit status for this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Logs { .. } | Self::Project(_) | Self::Service(_) => Exit::Usage,
            Self::Start(_)
            | Self::NotStarted { .. }
            | Self::Unresolved { .. }
            | Self::Source(_)
            | Self::NoAnswer { .. } => Exit::Unreachable,
            Self::Report { .. }
            | Self::Manual { .. }
            | Self::Output(_)
            | Self::Terminal(_)
            | Self::Port(_)
            | Self::Folder(_)
            | Self::Runtime(_)
            | Self::Interrupted => Exit::Internal,
            #[cfg(feature = "console")]
            Self::Console(ConsoleError::Options(_)) => Exit::Usage,
            #[cfg(feature = "console")]
            Self::Console(_) => Exit::Internal,
            Self::New(error) => error.exit(),
        }
    }
}

fn lines(output: &[String]) -> String {
    let lines = output.iter().map(|line| format!("\n  | {line}"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_exit_status() {
        let rows: Vec<String> = table()
            .lines()
            .skip(1)
            .map(|row| row.split_whitespace().next().unwrap_or("").to_owned())
            .collect();
        assert_eq!(rows, ["0", "1", "2", "3", "64", "70"]);
    }
}
