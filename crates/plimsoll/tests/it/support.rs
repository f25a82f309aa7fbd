//! Shared support of the tests: the fixture as a child process, requests and checks.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::{Connection, ExitedProcess, Process, Response, example, timed};

pub(crate) use harness::skip;

/// Runs a program of the example `programs`, which ends by itself.
#[track_caller]
pub(crate) fn run_program(arguments: &[&str], env: &[(&str, &str)]) -> ExitedProcess {
    Process::spawn_with(example("programs"), arguments, env).wait(END)
}

/// The name of the fixture in records and labels.
pub(crate) const SERVICE: &str = "fixture-service";

pub(crate) const VERSION: &str = "1.2.3";

pub(crate) const BUILD_TIME: &str = "2025-12-19T09:18:13Z";

/// Above every timeout of a child under test.
pub(crate) const END: Duration = Duration::from_secs(30);

/// Returns the path of the fixture binary.
#[track_caller]
pub(crate) fn fixture() -> PathBuf {
    example("fixture")
}

/// Returns the environment of every fixture, with additions.
fn environment<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut env = vec![
        ("SERVICE_NAME", SERVICE),
        ("VERSION", VERSION),
        ("BUILD_TIME", BUILD_TIME),
    ];
    env.extend_from_slice(more);
    env
}

/// Starts a fixture and waits until it accepts traffic.
#[track_caller]
pub(crate) fn start(env: &[(&str, &str)]) -> Process {
    Process::start(fixture(), &environment(env))
}

/// Starts a fixture that may never accept traffic.
#[track_caller]
pub(crate) fn spawn(env: &[(&str, &str)]) -> Process {
    Process::spawn(fixture(), &environment(env))
}

/// Runs a fixture that ends by itself.
#[track_caller]
pub(crate) fn run(args: &[&str], env: &[(&str, &str)]) -> ExitedProcess {
    Process::spawn_with(fixture(), args, &environment(env)).wait(END)
}

/// Returns a request whose body has a known length.
pub(crate) fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Waits for the access record of the only request for this raw path, and returns its line.
#[track_caller]
pub(crate) fn access_line(process: &Process, raw_path: &str) -> String {
    let raw_path = format!("\"rawPath\":\"{raw_path}\"");
    process.wait_for_line(|line| {
        let line = line.replace("\": ", "\":");
        line.contains("\"http_request\"") && line.contains(&raw_path)
    })
}

/// Checks that a response is a problem document of the chassis.
#[track_caller]
pub(crate) fn assert_problem(answer: &Response, status: u16) {
    assert_eq!(answer.status, status);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let problem = answer.json();
    assert!(
        problem["title"]
            .as_str()
            .is_some_and(|title| !title.is_empty()),
        "{problem}"
    );
    assert_eq!(problem["status"], status, "{problem}");
    let id = answer
        .header("x-request-id")
        .expect("every answer has a request id");
    assert_eq!(problem["request_id"], id, "{problem}");
}

/// Returns whether a text has the form of a generated request id.
pub(crate) fn is_generated_id(id: &str) -> bool {
    id.len() == 32
        && id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Sends `count` requests over one connection, in batches, and passes the responses to `each`.
#[track_caller]
pub(crate) fn pipeline(
    connection: &mut Connection,
    count: usize,
    mut request: impl FnMut(usize) -> String,
    mut each: impl FnMut(Response),
) {
    const AT_ONCE: usize = 32;
    let mut sent = 0;
    while sent < count {
        let batch = AT_ONCE.min(count - sent);
        let requests: String = (sent..sent + batch).map(&mut request).collect();
        connection.send(requests);
        for _ in 0..batch {
            each(connection.read());
        }
        sent += batch;
    }
}

/// Returns whether a required program is installed. If not, prints that the test is skipped, or
/// fails in CI.
#[track_caller]
pub(crate) fn require_or_skip(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// Arguments of `unshare` for a PID namespace that ends with its first process.
pub(crate) const PROCESSES: [&str; 5] = [
    "--user",
    "--map-root-user",
    "--pid",
    "--fork",
    "--kill-child",
];

/// Returns whether `unshare` can create such namespaces. If not, prints that the test is skipped,
/// or fails in CI.
#[track_caller]
pub(crate) fn namespaces_or_skip(args: &[&str]) -> bool {
    let allowed = Command::new("unshare")
        .args(args)
        .arg("true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
        skip(&format!("unshare {} is not allowed", args.join(" ")));
    }
    allowed
}

/// Writes a file for one test and returns its path.
#[track_caller]
pub(crate) fn scratch_file(name: &str, contents: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).expect("the scratch directory can be written");
    path.to_str()
        .expect("the scratch directory has a plain name")
        .to_owned()
}

/// Returns the shortest of three runs, so that load of another process does not fail the test. A
/// service over its limit exceeds it in all three.
pub(crate) fn shortest(mut run: impl FnMut() -> Duration) -> Duration {
    run().min(run()).min(run())
}

/// Reads until the service ends the connection. Returns the bytes and the duration.
#[track_caller]
pub(crate) fn time_to_end(connection: &mut Connection) -> (Vec<u8>, Duration) {
    timed(|| connection.read_to_end())
}

/// Returns a duration in milliseconds.
pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
