//! The command `console`: a live page for services in development.
//!
//! The page, the children and the store are in the crate `plimsoll-console`.
//! Only that crate uses the chassis, so the checks of `verify` stay independent of it.

use std::{ffi::OsString, net::SocketAddr, process::ExitCode, time::Duration};

use clap::{Args, ValueHint};
use plimsoll_console::{Child, LogFile, Options};

use crate::{duration, exit::Failure, size};

const EXAMPLES: &str = "\
Examples:
  # A service, and its page
  plimsoll console -- cargo run

  # Two services
  plimsoll console --run orders=target/debug/orders --run billing=target/debug/billing

  # A service in a cluster
  kubectl logs -f deploy/orders | plimsoll console --logs orders=-

  # In a script: the status is that of the service
  plimsoll console --quiet --exit-with-child --listen 127.0.0.1:0 -- target/debug/orders";

/// Start services and show their requests and records on a local page
///
/// Ctrl-C and SIGTERM stop the services with SIGTERM, and a second one repeats it. A third one, or the end
/// of --grace, kills them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Start another service, whose command line is run by the shell
    #[arg(long, value_name = "NAME=COMMAND", value_parser = named)]
    run: Vec<Child>,

    /// Follow the log of a running service; - is standard input
    #[arg(long, value_name = "[NAME=]FILE", value_parser = log, value_hint = ValueHint::FilePath)]
    logs: Vec<LogFile>,

    /// Address of the page; the next free port if this one is taken
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4680")]
    listen: SocketAddr,

    /// Address of the receiver of OTLP over HTTP; the next free port if this one is taken
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4318")]
    otlp: SocketAddr,

    /// Origin whose pages may send telemetry, such as http://localhost:3000
    #[arg(long, value_name = "ORIGIN")]
    otlp_origin: Option<String>,

    /// Another host name under which browsers open the page, such as that of a remote workspace
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// Memory for what the services write; the oldest part is evicted first
    #[arg(long, value_name = "SIZE", default_value = "160MiB", value_parser = size::parse)]
    memory: usize,

    /// Time that services have to end before they are killed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    grace: Duration,

    /// Open the page in the browser
    #[arg(long)]
    open: bool,

    /// Do not write the lines of the services to the terminal
    #[arg(long)]
    quiet: bool,

    /// End when a service ends by itself, with its exit status
    #[arg(long)]
    exit_with_child: bool,

    /// The command that starts a service, and its arguments
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

/// Runs the command.
///
/// # Errors
///
/// [`Failure::Console`] if the options are wrong, or the page cannot be served.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let command = Some(arguments.command).filter(|command| !command.is_empty());
    let children = command.map(Child::Command).into_iter();
    let status = plimsoll_console::run(&Options {
        children: children.chain(arguments.run).collect(),
        logs: arguments.logs,
        listen: arguments.listen,
        otlp: arguments.otlp,
        otlp_origin: arguments.otlp_origin,
        allowed_hosts: arguments.allow_host,
        memory: arguments.memory,
        grace: arguments.grace,
        open: arguments.open,
        quiet: arguments.quiet,
        exit_with_child: arguments.exit_with_child,
    })?;
    Ok(ExitCode::from(status))
}

fn named(text: &str) -> Result<Child, String> {
    let parts = text.split_once('=');
    let parts = parts.filter(|(name, line)| !name.is_empty() && !line.trim().is_empty());
    let (name, line) = parts.ok_or("it must be NAME=COMMAND")?;
    Ok(Child::Shell {
        name: name.to_owned(),
        line: line.to_owned(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a parser of clap")]
fn log(text: &str) -> Result<LogFile, String> {
    // A path with a folder before the character is no name.
    let named = text.split_once('=');
    let named = named.filter(|(name, _)| !name.is_empty() && !name.contains('/'));
    let (name, path) = named.map_or((None, text), |(name, path)| (Some(name), path));
    Ok(LogFile {
        name: name.map(str::to_owned),
        path: path.into(),
    })
}
