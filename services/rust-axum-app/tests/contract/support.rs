//! What the tests of all clauses share: the service as a child process.

use std::path::Path;
use std::time::Duration;

use harness::{ExitedProcess, Process};
use serde_json::Value;

/// What the service is called where nobody says otherwise: a build argument, else its package.
pub(crate) const SERVICE: &str =
    build_argument(option_env!("SERVICE_NAME"), env!("CARGO_PKG_NAME"));

/// Its version, likewise.
pub(crate) const VERSION: &str = build_argument(option_env!("VERSION"), env!("CARGO_PKG_VERSION"));

/// Its build time, likewise.
pub(crate) const BUILD_TIME: &str = build_argument(option_env!("BUILD_TIME"), "unknown");

/// Above every limit that a child under test has when nothing hangs.
pub(crate) const END: Duration = Duration::from_secs(30);

const PROGRAM: &str = env!("CARGO_BIN_EXE_rust-axum-app");

const fn build_argument(given: Option<&'static str>, default: &'static str) -> &'static str {
    match given {
        Some(given) if !given.is_empty() => given,
        _ => default,
    }
}

/// A service that accepts traffic.
#[track_caller]
pub(crate) fn start(env: &[(&str, &str)]) -> Process {
    Process::start(PROGRAM, env)
}

/// A service that is expected to end by itself.
#[track_caller]
pub(crate) fn run(args: &[&str], env: &[(&str, &str)]) -> ExitedProcess {
    Process::spawn_with(PROGRAM, args, env).wait(END)
}

/// A request with `Connection: close` and more header lines, each with its line end.
pub(crate) fn request(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
}

/// The access record of the one request for this raw path, past or coming.
#[track_caller]
pub(crate) fn access_record(process: &Process, raw_path: &str) -> Value {
    process.wait_for_record(|record| {
        record["message"] == "http_request" && record["rawPath"] == raw_path
    })
}

/// Writes a file for one test and gives its path.
#[track_caller]
pub(crate) fn scratch_file(name: &str, contents: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).expect("the scratch directory can be written");
    path.to_str()
        .expect("the scratch directory has a plain name")
        .to_owned()
}
