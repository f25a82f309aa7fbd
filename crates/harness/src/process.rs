//! Runs a service as a child process and observes it from outside.
//!
//! Signals, exit statuses, the port and standard output are observable only from another process.
//! [`Process`] starts the binary with its own environment, keeps every line it writes, and opens
//! raw connections to it.
//! If the child is still alive when its `Process` is dropped, it is killed.
//!
//! # Invariants
//!
//! * The child's environment is `PATH`, `HOST`, `PORT` and the variables of the test, nothing else.
//! * The child's pipes are always read, unless [`Process::pause_reading`] was called.
//! * Every wait has a deadline.
//!
//! Port selection is in `listen_address`.

mod exit;
mod exited;
mod listen_address;
mod output;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plimsoll::testing::Scrape;
use serde_json::Value;

use self::listen_address::ListenAddress;
use crate::connection::{Connection, Response};
use crate::output_lines::OutputLines;
use crate::request::request;
use crate::wait::{eventually_within, now};

pub use self::exited::ExitedProcess;
pub use self::listen_address::ReservedPort;

/// Maximum time until a service is ready.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Maximum time until a record or line appears.
const RECORD_LIMIT: Duration = Duration::from_secs(10);

/// Maximum time until a service exits: above the default of every shutdown limit.
const EXIT_LIMIT: Duration = Duration::from_secs(30);

/// Maximum time until the pipes of an exited child are closed: a grandchild can hold them open.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Message of the log record of a service that accepts traffic.
const READY: &str = "infra_app_ready";

/// Number of output lines in the message of a failed test.
const TAIL_LINES: usize = 20;

/// A service running as a child process.
///
/// # Examples
///
/// ```no_run
/// use harness::Process;
///
/// let service = Process::start("target/debug/my-service", &[("DRAIN_DELAY", "0")]);
/// assert_eq!(service.get("/health").text(), "ok\n");
///
/// let exited = service.terminate();
/// assert_eq!(exited.code, Some(0));
/// assert_eq!(exited.records_with("http_request").len(), 0);
/// ```
#[derive(Debug)]
pub struct Process {
    child: Mutex<Child>,
    pid: u32,
    address: ListenAddress,
    stdout: Arc<OutputLines>,
    stderr: Arc<OutputLines>,
    started: Instant,
    signalled: Mutex<Option<Instant>>,
    /// Reserves the port; see `listen_address`.
    _reserved: ReservedPort,
}

// === impl Process ===

impl Process {
    /// Starts a service and waits until it accepts traffic.
    ///
    /// # Panics
    ///
    /// If the program cannot be started, exits before it is ready, or is not ready after 30
    /// seconds.
    #[must_use]
    #[track_caller]
    pub fn start(program: impl AsRef<Path>, env: &[(&str, &str)]) -> Self {
        let process = Self::spawn(program, env);
        process.wait_until_ready();
        process
    }

    /// Starts a service without waiting until it is ready.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    #[must_use]
    #[track_caller]
    pub fn spawn(program: impl AsRef<Path>, env: &[(&str, &str)]) -> Self {
        Self::spawn_with(program, &[] as &[&str], env)
    }

    /// Starts a program with arguments without waiting until it is ready.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    #[must_use]
    #[track_caller]
    pub fn spawn_with(
        program: impl AsRef<Path>,
        args: &[impl AsRef<OsStr>],
        env: &[(&str, &str)],
    ) -> Self {
        Self::spawn_with_input(program, args, env, Stdio::null())
    }

    /// Starts a program with the given standard input, for example a socket for a shell.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    #[must_use]
    #[track_caller]
    pub fn spawn_with_input(
        program: impl AsRef<Path>,
        args: &[impl AsRef<OsStr>],
        env: &[(&str, &str)],
        input: impl Into<Stdio>,
    ) -> Self {
        let program = program.as_ref();
        let reserved = ReservedPort::bind();
        let port = reserved.number().to_string();
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs(search_path())
            .env("HOST", "127.0.0.1")
            .env("PORT", &port)
            .envs(env.iter().copied())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {}: {error}", program.display()),
        };
        let pid = child.id();
        let stdout = OutputLines::read_from(child.stdout.take().expect("standard output is piped"));
        let stderr = OutputLines::read_from(child.stderr.take().expect("standard error is piped"));
        let setting = |name| {
            let found = env.iter().rev().find(|(candidate, _)| *candidate == name);
            found.map(|(_, value)| *value)
        };
        Self {
            child: Mutex::new(child),
            pid,
            address: ListenAddress::from_settings(
                setting("HOST").unwrap_or("127.0.0.1"),
                setting("PORT").unwrap_or(&port),
            ),
            stdout,
            stderr,
            started,
            signalled: Mutex::new(None),
            _reserved: reserved,
        }
    }

    /// Waits until the service accepts traffic, 30 seconds at most.
    ///
    /// # Panics
    ///
    /// If the service exits before it is ready, or is not ready after 30 seconds.
    #[track_caller]
    pub fn wait_until_ready(&self) {
        let ready = self.stdout.wait_for(START_LIMIT, |_, line| {
            serde_json::from_slice::<Value>(line)
                .is_ok_and(|record| record["message"] == READY)
                .then_some(())
        });
        if ready.is_none() {
            panic!("the service did not become ready; {}", self.describe());
        }
    }

    /// Returns the TCP address for connections to the service.
    ///
    /// If the service listens on every address, the loopback address is returned.
    ///
    /// # Panics
    ///
    /// If the service listens on a Unix socket.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        match &self.address {
            ListenAddress::Tcp(addr) => *addr,
            ListenAddress::Unix(path) => panic!("the service listens on {}", path.display()),
        }
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Opens a connection.
    ///
    /// # Panics
    ///
    /// If the service refuses the connection.
    #[must_use]
    #[track_caller]
    pub fn connect(&self) -> Connection {
        match self.try_connect() {
            Ok(connection) => connection,
            Err(error) => panic!("cannot connect ({error}); {}", self.describe()),
        }
    }

    /// Opens a connection to a service that may refuse it.
    ///
    /// # Errors
    ///
    /// Returns the error of `connect`, for example a refused connection.
    pub fn try_connect(&self) -> std::io::Result<Connection> {
        match &self.address {
            ListenAddress::Tcp(addr) => Connection::tcp(*addr),
            ListenAddress::Unix(path) => Connection::unix(path),
        }
    }

    /// Sends `GET path` over a new connection and reads the response.
    ///
    /// # Panics
    ///
    /// If there is no complete response.
    #[must_use]
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.request(request("GET", path, ""))
    }

    /// Sends a raw request over a new connection and reads the final response; 1xx responses are
    /// skipped.
    ///
    /// The request is sent unchanged, so it must contain a `Host` header.
    ///
    /// # Panics
    ///
    /// If there is no complete response.
    #[must_use]
    #[track_caller]
    pub fn request(&self, raw: impl AsRef<[u8]>) -> Response {
        let raw = raw.as_ref();
        let mut connection = self.connect();
        connection.send(raw);
        loop {
            let response = match raw.starts_with(b"HEAD ") {
                true => connection.read_head(),
                false => connection.read(),
            };
            if response.status >= 200 {
                return response;
            }
        }
    }

    /// Scrapes `/metrics`.
    ///
    /// # Panics
    ///
    /// If the status is not 200, or the body is not in the Prometheus text format.
    #[must_use]
    #[track_caller]
    pub fn metrics(&self) -> Scrape {
        let response = self.get("/metrics");
        assert_eq!(response.status, 200, "status of /metrics");
        match Scrape::parse(response.text()) {
            Ok(scrape) => scrape,
            Err(error) => panic!("/metrics: {error}\n{}", response.text()),
        }
    }

    /// Returns the state and the last output of the process, for the message of a failed test.
    fn describe(&self) -> String {
        // A process closes its output shortly before it can be waited for.
        let limit = match self.stdout.wait_until_closed(Duration::ZERO) {
            true => Duration::from_secs(1),
            false => Duration::ZERO,
        };
        let state = match eventually_within(limit, || self.try_wait()) {
            Some(status) => {
                // The last output may still be in the pipe.
                self.stderr.wait_until_closed(limit);
                format!("the process has exited: {status}")
            }
            None => "the process is alive".to_owned(),
        };
        format!(
            "{state}\nstandard output:\n{}standard error:\n{}",
            tail(&self.stdout.text()),
            tail(&self.stderr.text()),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(
                clippy::print_stderr,
                reason = "a failed test must show the output of its child"
            )]
            {
                eprintln!("process {}: {}", self.pid, self.describe());
            }
        }
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Both calls fail only if the child has already exited.
        let _ = child.kill();
        let _ = child.wait();
        // A paused reading thread would never exit.
        self.stdout.set_paused(false);
    }
}

/// Returns `PATH`, the only inherited variable: without it, a child finds no other program.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment of the test run, not a setting of a service"
)]
fn search_path() -> Option<(&'static str, std::ffi::OsString)> {
    std::env::var_os("PATH").map(|path| ("PATH", path))
}

/// Returns the last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(TAIL_LINES);
    let mut tail = match skipped {
        0 => String::new(),
        _ => format!("  ({skipped} earlier lines)\n"),
    };
    for line in &lines[skipped..] {
        tail.push_str("  ");
        tail.push_str(line);
        tail.push('\n');
    }
    tail
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::signal::Signal;

    const READY_LINE: &str = r#"echo '{"message":"infra_app_ready"}'"#;

    /// Starts a shell script in place of a service.
    fn script(script: &str, env: &[(&str, &str)]) -> Process {
        Process::spawn_with("/bin/sh", &["-c", script], env)
    }

    #[test]
    fn wait_for_record_finds_and_keeps_records() {
        let process = script(
            r#"echo '{"message":"a","n":1}'; echo '{"message":"b","n":2}'; exec sleep 60"#,
            &[],
        );
        let record = process.wait_for_record(|record| record["n"] == 2);
        assert_eq!(record["message"], "b");
        assert_eq!(process.records().len(), 2);
        assert_eq!(process.records_with("a").len(), 1);
        assert!(process.is_alive());
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment of the test process, which the child must not inherit"
    )]
    fn child_inherits_only_the_given_environment() {
        let names = ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME"];
        assert!(names.iter().all(|name| std::env::var_os(name).is_some()));
        let process = script("env", &[("ANSWER", "42")]);
        let exited = process.wait(EXIT_LIMIT);
        let mut seen: Vec<&str> = exited
            .stdout
            .lines()
            .filter_map(|line| line.split_once('=').map(|(name, _)| name))
            // The shell adds these itself.
            .filter(|name| !["PWD", "SHLVL", "OLDPWD", "_"].contains(name))
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, ["ANSWER", "HOST", "PATH", "PORT"]);
    }

    #[test]
    fn connections_are_refused_until_the_child_listens() {
        let process = script("exec sleep 60", &[]);
        let error = process.try_connect().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        // As the child does: the standard library sets `SO_REUSEADDR` before it binds.
        let _listener = TcpListener::bind(process.addr()).unwrap();
        assert!(process.try_connect().is_ok());
    }

    #[test]
    fn exit_code_and_signal_are_reported() {
        #[track_caller]
        fn check(text: &str, code: Option<i32>, signal: Option<i32>) {
            let exited = script(text, &[]).wait(EXIT_LIMIT);
            assert_eq!((exited.code, exited.signal), (code, signal), "{text}");
        }
        check("exit 0", Some(0), None);
        check("exit 78", Some(78), None);
        check("kill -KILL $$", None, Some(9));
    }

    #[test]
    fn signal_reaches_the_child() {
        let process = script(
            "trap 'echo caught; exit 3' TERM; echo set; while :; do sleep 0.01; done",
            &[],
        );
        process.wait_for_line(|line| line == "set");
        let exited = process.terminate();
        assert_eq!(exited.code, Some(3));
        assert_eq!(exited.stdout, "set\ncaught\n");
    }

    #[test]
    fn service_is_ready_after_its_record() {
        let process = script(&format!("{READY_LINE}; exec sleep 60"), &[]);
        process.wait_until_ready();
        assert_eq!(process.records_with(READY).len(), 1);
    }

    #[test]
    fn exit_before_readiness_panics_with_output() {
        let process = script("echo 'no luck' >&2; exit 7", &[]);
        let wait = std::panic::AssertUnwindSafe(|| process.wait_until_ready());
        let outcome = std::panic::catch_unwind(wait);
        let message = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("no luck"), "{message}");
        assert!(message.contains('7'), "{message}");
    }

    #[test]
    fn drop_kills_the_child() {
        let process = script("exec sleep 60", &[]);
        let proc = format!("/proc/{}", process.pid());
        assert!(Path::new(&proc).exists());
        drop(process);
        assert!(!Path::new(&proc).exists());
    }

    #[test]
    fn writer_blocks_while_reading_is_paused() {
        // 1 MiB is more than the capacity of the pipe and one read of the thread.
        let process = script(
            "trap 'go=1' USR1; echo set; while [ -z \"$go\" ]; do sleep 0.01; done; \
             head -c 1048576 /dev/zero | tr '\\0' '\\n'; echo done >&2",
            &[],
        );
        process.wait_for_line(|line| line == "set");
        process.pause_reading();
        process.signal(Signal::Usr1);
        let early = eventually_within(Duration::from_millis(300), || {
            process.stderr().contains("done").then_some(())
        });
        assert_eq!(early, None, "the writer did not block");
        process.resume_reading();
        let exited = process.wait(EXIT_LIMIT);
        assert_eq!(exited.stdout.len(), "set\n".len() + 1_048_576);
        assert_eq!(exited.stderr, "done\n");
    }

    #[test]
    fn line_that_is_not_an_object_is_quoted() {
        let process = script("echo '[1]'", &[]);
        let exited = process.wait(EXIT_LIMIT);
        let outcome = std::panic::catch_unwind(|| exited.records());
        let message = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("[1]"), "{message}");
    }
}
