//! The arguments of `verify`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use plimsoll_contract::{Level, Severity};

use super::{nonce, select::Pattern};
use crate::{duration, exit::Failure, target::Url};

const EXAMPLES: &str = "\
Examples:
  # A command, which is started as often as needed, with the variable PORT
  plimsoll verify -- target/debug/shop

  # The whole contract, with a report for CI; a warning fails the command, too
  plimsoll verify --level full --fail-on warning --report junit=verify.xml -- python entrypoint.py

  # A running service: passive checks only
  plimsoll verify http://localhost:8080

  # The reason of a clause, and its checks
  plimsoll verify --explain RID-1";

/// Check a service, in any language, against the operational contract
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A running service, http://HOST:PORT; passive checks only, unless --intrusive
    #[arg(value_name = "URL", conflicts_with_all = ["command", "env", "port", "start_timeout"])]
    url: Option<Url>,

    /// The command that starts the service, as often as needed; {port} and {dir} are replaced
    /// [default: that in the configuration]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,

    /// The configuration: command, routes, waivers [default: plimsoll.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Accepted violations [default: those in the configuration]
    #[arg(long, value_name = "FILE")]
    pub(super) waivers: Option<PathBuf>,

    /// Where the records are: stdout or stderr of the command, for a URL a FILE or - for standard
    /// input [default: stdout]
    #[arg(long, value_name = "WHERE")]
    pub(super) logs: Option<Logs>,

    /// The admin listener of the service at the URL, which answers probes and scrapes
    #[arg(long, value_name = "URL")]
    pub(super) admin: Option<Url>,

    /// Also make intrusive checks of the service at the URL: load, unusual and invalid requests
    #[arg(long)]
    pub(super) intrusive: bool,

    /// The host of the URL, repeated: --intrusive needs it beyond loopback
    #[arg(long, value_name = "HOST", requires = "intrusive")]
    confirm_host: Option<String>,

    /// A variable for the service
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(super) env: Vec<(String, String)>,

    /// The port of a command that does not read PORT
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,

    /// The part of the contract
    #[arg(long, default_value = "core")]
    level: LevelName,

    /// Make only these checks: LOG, LOG-3 or LOG-3:order
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = Pattern::parse)]
    pub(super) only: Vec<Pattern>,

    /// Make all but these checks
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = Pattern::parse)]
    pub(super) skip: Vec<Pattern>,

    /// Print what would be started and sent, and do nothing else
    #[arg(long)]
    pub(super) plan: bool,

    /// The least severity of a violation that fails the command
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    fail_on: SeverityName,

    /// Exit with status 2 if a check is not proven
    #[arg(long)]
    pub(super) require_proof: bool,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,

    /// Also write a report: junit=FILE, sarif=FILE or json=FILE
    #[arg(long, value_name = "FORMAT=FILE", value_parser = report_file)]
    pub(super) report: Vec<ReportFile>,

    /// Explain a clause or a check
    #[arg(long, value_name = "ID", exclusive = true)]
    pub(super) explain: Option<String>,

    /// List the clauses and checks of the contract
    #[arg(long, conflicts_with_all = ["url", "command", "plan"])]
    pub(super) list: bool,

    /// The seed of an earlier report, for the same random texts
    #[arg(long, value_name = "HEX", value_parser = seed)]
    seed: Option<u32>,

    /// Time for a response
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,

    /// Time for a start
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    start_timeout: Duration,

    /// Time for all checks; those after it are not proven
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration::parse)]
    max_time: Duration,
}

/// The service under test.
#[derive(Debug)]
pub(super) enum Target {
    Command(Vec<String>),
    Url(Url),
}

/// Where the records of a service are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Logs {
    Stdout,
    Stderr,
    File(PathBuf),
    Input,
}

impl From<&str> for Logs {
    fn from(text: &str) -> Self {
        match text {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "-" => Self::Input,
            path => Self::File(PathBuf::from(path)),
        }
    }
}

/// A report in a file.
#[derive(Debug, Clone)]
pub(super) struct ReportFile {
    pub(super) format: Format,
    pub(super) path: PathBuf,
}

/// The format of a report for other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Junit,
    Sarif,
}

/// The limits of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) exchange: Duration,
    pub(super) start: Duration,
    pub(super) total: Duration,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LevelName {
    Core,
    Full,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SeverityName {
    Error,
    Warning,
    Note,
}

impl Arguments {
    /// Returns the service under test: that of the arguments, or that of the configuration.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if there is neither a command nor a URL.
    pub(super) fn target(&self, configured: &[String]) -> Result<Target, Failure> {
        if let Some(url) = &self.url {
            return Ok(Target::Url(url.clone()));
        }
        let commands = [self.command.as_slice(), configured].into_iter();
        let command = commands.into_iter().find(|command| !command.is_empty());
        match command {
            Some(command) => Ok(Target::Command(command.to_vec())),
            None => {
                let reason = "the service is missing: plimsoll verify -- COMMAND, a URL, or command \
                              in [verify] of plimsoll.toml";
                Err(Failure::Usage(reason.to_owned()))
            }
        }
    }

    /// Checks that the options fit the service under test.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for an option that has no effect, or needs another one.
    pub(super) fn validate(&self, target: &Target) -> Result<(), Failure> {
        let fault = match (target, &self.logs) {
            (Target::Command(_), Some(Logs::File(_) | Logs::Input)) => {
                "--logs: the records of a command are on its stdout or stderr"
            }
            (Target::Command(_), _) if self.intrusive || self.admin.is_some() => {
                "--intrusive and --admin are for a service at a URL"
            }
            (Target::Url(_), Some(Logs::Stdout | Logs::Stderr)) => {
                "--logs: the records of a service at a URL are in a FILE, or - for standard input"
            }
            (Target::Url(url), _) if self.intrusive && !url.is_loopback() => {
                if self.confirm_host.as_deref() == Some(url.host()) {
                    return Ok(());
                }
                let host = url.host();
                return Err(Failure::Usage(format!(
                    "--intrusive can disturb {host}: repeat the host, --confirm-host {host}"
                )));
            }
            _ => return Ok(()),
        };
        Err(Failure::Usage(fault.to_owned()))
    }

    pub(super) fn level(&self) -> Level {
        match self.level {
            LevelName::Core => Level::Core,
            LevelName::Full => Level::Full,
        }
    }

    pub(super) fn fail_on(&self) -> Severity {
        match self.fail_on {
            SeverityName::Error => Severity::Error,
            SeverityName::Warning => Severity::Warning,
            SeverityName::Note => Severity::Note,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            exchange: self.timeout,
            start: self.start_timeout,
            total: self.max_time,
        }
    }

    pub(super) fn seed(&self) -> u32 {
        self.seed.unwrap_or_else(nonce::random_seed)
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must be NAME=VALUE".to_owned()),
    }
}

fn report_file(text: &str) -> Result<ReportFile, String> {
    let (format, path) = text.split_once('=').unwrap_or_default();
    let format = match format {
        "json" => Format::Json,
        "junit" => Format::Junit,
        "sarif" => Format::Sarif,
        _ => return Err("it must be junit=FILE, sarif=FILE or json=FILE".to_owned()),
    };
    let path = PathBuf::from(path);
    Ok(ReportFile { format, path })
}

fn seed(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 16).map_err(|_| "it must have 1 to 8 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_a_stream_a_file_or_the_input() {
        assert_eq!(Logs::from("stderr"), Logs::Stderr);
        assert_eq!(Logs::from("-"), Logs::Input);
        assert_eq!(
            Logs::from("./stdout"),
            Logs::File(PathBuf::from("./stdout"))
        );
    }

    #[test]
    fn variables_have_a_name() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert!(variable("A").is_err() && variable("=b").is_err());
    }
}
