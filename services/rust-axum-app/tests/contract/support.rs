//! Helpers of the contract tests: the service as a child process.

use std::path::Path;
use std::time::Duration;

use harness::{ExitedProcess, Process};

/// The default name of the service: a build argument, else the name of its package.
pub(crate) const SERVICE: &str =
    build_argument(option_env!("SERVICE_NAME"), env!("CARGO_PKG_NAME"));

/// The default version: a build argument, else the version of the package.
pub(crate) const VERSION: &str = build_argument(option_env!("VERSION"), env!("CARGO_PKG_VERSION"));

/// The default build time: a build argument, else `unknown`.
pub(crate) const BUILD_TIME: &str = build_argument(option_env!("BUILD_TIME"), "unknown");

/// The longest wait for the exit of a child process. It is above every limit of the service.
pub(crate) const END: Duration = Duration::from_secs(30);

const PROGRAM: &str = env!("CARGO_BIN_EXE_rust-axum-app");

const fn build_argument(argument: Option<&'static str>, default: &'static str) -> &'static str {
    match argument {
        Some(argument) if !argument.is_empty() => argument,
        _ => default,
    }
}

/// Starts the service, and waits until it accepts connections.
#[track_caller]
pub(crate) fn start(env: &[(&str, &str)]) -> Process {
    Process::start(PROGRAM, env)
}

/// Runs the service until it exits by itself.
#[track_caller]
pub(crate) fn run(args: &[&str], env: &[(&str, &str)]) -> ExitedProcess {
    Process::spawn_with(PROGRAM, args, env).wait(END)
}

/// Writes a file for one test, and returns its path.
#[track_caller]
pub(crate) fn scratch_file(name: &str, contents: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).expect("the scratch directory can be written");
    path.to_str()
        .expect("the scratch directory has a UTF-8 name")
        .to_owned()
}
