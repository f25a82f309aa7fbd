//! Runs a service as a child process and looks at it from outside.
//!
//! What a service promises about signals, exit statuses, its port and its standard output can only
//! be seen from another process. [`Process`] starts the binary with an environment of its own,
//! keeps every line it writes, talks to it over bare connections, and leaves nothing behind: a
//! child that is still alive when its `Process` is dropped is killed.
//!
//! # Invariants
//!
//! * The child sees `PATH`, `HOST`, `PORT` and what the test gives, nothing else of the test's
//!   environment.
//! * The child's pipes are always emptied, unless [`Process::pause_reading`] was called.
//! * Nothing waits without a deadline.
//!
//! How the port is found is the matter of `target`.

mod end;
mod ended;
mod output;
mod signal;
mod target;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::connection::{Answer, Connection};
use super::lines::Lines;
use super::metrics::Scrape;
use super::wait::{eventually_within, now};

use self::target::{Reserved, Target};

pub use self::ended::Ended;
pub use self::signal::Signal;

/// How long a service may take to become ready.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a record may take to appear.
const RECORD_LIMIT: Duration = Duration::from_secs(10);

/// How long a service may take to end: above every hard limit that the chassis has by default.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How long the pipes of a child that has ended may stay open, in the hands of a grandchild.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The message of the record that tells that a service accepts traffic.
const READY: &str = "infra_app_ready";

/// How many lines of a failed test's child are shown.
const SHOWN_LINES: usize = 20;

/// A service running as a child process.
///
/// # Examples
///
/// ```no_run
/// use plimsoll::testing::Process;
///
/// let service = Process::start("target/debug/my-service", &[("DRAIN_DELAY", "0")]);
/// assert_eq!(service.get("/health").text(), "ok\n");
///
/// let ended = service.terminate();
/// assert_eq!(ended.code, Some(0));
/// assert_eq!(ended.records_with("http_request").len(), 0);
/// ```
#[derive(Debug)]
pub struct Process {
    child: Mutex<Child>,
    pid: u32,
    target: Target,
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
    started: Instant,
    signalled: Mutex<Option<Instant>>,
    /// Holds the port; see `target`.
    _reserved: Reserved,
}

// === impl Process ===

impl Process {
    /// Starts a service and waits until it accepts traffic.
    ///
    /// # Panics
    ///
    /// When the program cannot be started, ends before it is ready, or is not ready after 30
    /// seconds.
    #[must_use]
    #[track_caller]
    pub fn start(program: impl AsRef<Path>, env: &[(&str, &str)]) -> Self {
        let process = Self::spawn(program, env);
        process.wait_until_ready();
        process
    }

    /// Starts a service without waiting for anything.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    #[must_use]
    #[track_caller]
    pub fn spawn(program: impl AsRef<Path>, env: &[(&str, &str)]) -> Self {
        Self::spawn_with(program, &[] as &[&str], env)
    }

    /// Starts a program with arguments without waiting for anything.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    #[must_use]
    #[track_caller]
    pub fn spawn_with(
        program: impl AsRef<Path>,
        args: &[impl AsRef<OsStr>],
        env: &[(&str, &str)],
    ) -> Self {
        Self::spawn_with_input(program, args, env, Stdio::null())
    }

    /// Starts a program whose standard input is given, such as a socket for a shell to pass on.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    #[must_use]
    #[track_caller]
    pub fn spawn_with_input(
        program: impl AsRef<Path>,
        args: &[impl AsRef<OsStr>],
        env: &[(&str, &str)],
        input: impl Into<Stdio>,
    ) -> Self {
        let program = program.as_ref();
        let reserved = Reserved::port();
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
        let stdout = Lines::of(child.stdout.take().expect("standard output is piped"));
        let stderr = Lines::of(child.stderr.take().expect("standard error is piped"));
        let setting = |name| {
            let found = env.iter().rev().find(|(candidate, _)| *candidate == name);
            found.map(|(_, value)| *value)
        };
        Self {
            child: Mutex::new(child),
            pid,
            target: Target::of(
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
    /// When it ends before that, or is not ready by then.
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

    /// The address that the service listens on, or will.
    ///
    /// For a service that listens on every address it is the loopback one.
    ///
    /// # Panics
    ///
    /// When the service listens on a Unix socket.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        match &self.target {
            Target::Tcp(addr) => *addr,
            Target::Unix(path) => panic!("the service listens on {}", path.display()),
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Opens a connection.
    ///
    /// # Panics
    ///
    /// When the service takes none.
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
    /// What `connect` gives, for example a refusal.
    pub fn try_connect(&self) -> std::io::Result<Connection> {
        match &self.target {
            Target::Tcp(addr) => Connection::tcp(*addr),
            Target::Unix(path) => Connection::unix(path),
        }
    }

    /// Sends `GET path` over a connection of its own and reads the answer.
    ///
    /// # Panics
    ///
    /// When there is no whole answer.
    #[must_use]
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
    }

    /// Sends a raw request over a connection of its own and reads the answer, skipping 1xx ones.
    ///
    /// The request is sent as it is; it brings its own `Host`.
    ///
    /// # Panics
    ///
    /// When there is no whole answer.
    #[must_use]
    #[track_caller]
    pub fn request(&self, raw: impl AsRef<[u8]>) -> Answer {
        let raw = raw.as_ref();
        let mut connection = self.connect();
        connection.send(raw);
        loop {
            let answer = match raw.starts_with(b"HEAD ") {
                true => connection.read_head(),
                false => connection.read(),
            };
            if answer.status >= 200 {
                return answer;
            }
        }
    }

    /// Scrapes `/metrics`.
    ///
    /// # Panics
    ///
    /// When the answer is not 200, or not in the Prometheus text format.
    #[must_use]
    #[track_caller]
    pub fn metrics(&self) -> Scrape {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "status of /metrics");
        match Scrape::parse(answer.text()) {
            Ok(metrics) => metrics,
            Err(error) => panic!("/metrics: {error}\n{}", answer.text()),
        }
    }

    /// The end of what the process wrote, for the message of a failed test.
    fn describe(&self) -> String {
        // A process closes its output a moment before it can be waited for.
        let limit = match self.stdout.wait_until_closed(Duration::ZERO) {
            true => Duration::from_secs(1),
            false => Duration::ZERO,
        };
        let state = match eventually_within(limit, || self.try_wait()) {
            Some(status) => {
                // What it wrote last may be on its way to this side still.
                self.stderr.wait_until_closed(limit);
                format!("it has ended: {status}")
            }
            None => "it is alive".to_owned(),
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
                reason = "a failed test must show what its child said"
            )]
            {
                eprintln!("process {}: {}", self.pid, self.describe());
            }
        }
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Neither can fail in a way that matters: the child has ended, or ends now.
        let _ = child.kill();
        let _ = child.wait();
        // A thread that waits for leave to read would wait for ever.
        self.stdout.set_paused(false);
    }
}

/// The one variable that a child inherits: without it, it finds no other program.
#[expect(
    clippy::disallowed_methods,
    reason = "the child's environment is the test's business, not a setting of a service"
)]
fn search_path() -> Option<(&'static str, std::ffi::OsString)> {
    std::env::var_os("PATH").map(|path| ("PATH", path))
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(SHOWN_LINES);
    let mut shown = match skipped {
        0 => String::new(),
        _ => format!("  ({skipped} lines before)\n"),
    };
    for line in &lines[skipped..] {
        shown.push_str("  ");
        shown.push_str(line);
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const READY_LINE: &str = r#"echo '{"message":"infra_app_ready"}'"#;

    /// A stand-in for a service: a shell script.
    fn script(script: &str, env: &[(&str, &str)]) -> Process {
        Process::spawn_with("/bin/sh", &["-c", script], env)
    }

    #[test]
    fn records_are_waited_for_and_kept() {
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
        reason = "the test process's own environment is what must not be seen"
    )]
    fn the_child_sees_only_what_it_is_given() {
        let names = ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME"];
        assert!(names.iter().all(|name| std::env::var_os(name).is_some()));
        let process = script("env", &[("ANSWER", "42")]);
        let ended = process.wait(END_LIMIT);
        let mut seen: Vec<&str> = ended
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
    fn the_port_is_refused_until_the_child_listens_on_it() {
        let process = script("exec sleep 60", &[]);
        let error = process.try_connect().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        // What the child does: the standard library sets `SO_REUSEADDR` before it binds.
        let _listener = TcpListener::bind(process.addr()).unwrap();
        assert!(process.try_connect().is_ok());
    }

    #[test]
    fn how_a_process_ended_is_told() {
        #[track_caller]
        fn check(text: &str, code: Option<i32>, signal: Option<i32>) {
            let ended = script(text, &[]).wait(END_LIMIT);
            assert_eq!((ended.code, ended.signal), (code, signal), "{text}");
        }
        check("exit 0", Some(0), None);
        check("exit 78", Some(78), None);
        check("kill -KILL $$", None, Some(9));
    }

    #[test]
    fn signals_arrive() {
        let process = script(
            "trap 'echo caught; exit 3' TERM; echo set; while :; do sleep 0.01; done",
            &[],
        );
        process.wait_for_line(|line| line == "set");
        let ended = process.terminate();
        assert_eq!(ended.code, Some(3));
        assert_eq!(ended.stdout, "set\ncaught\n");
    }

    #[test]
    fn a_service_is_ready_when_it_says_so() {
        let process = script(&format!("{READY_LINE}; exec sleep 60"), &[]);
        process.wait_until_ready();
        assert_eq!(process.records_with(READY).len(), 1);
    }

    #[test]
    fn a_service_that_ends_before_it_is_ready_is_told_with_what_it_said() {
        let process = script("echo 'no luck' >&2; exit 7", &[]);
        let wait = std::panic::AssertUnwindSafe(|| process.wait_until_ready());
        let outcome = std::panic::catch_unwind(wait);
        let message = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("no luck"), "{message}");
        assert!(message.contains('7'), "{message}");
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let process = script("exec sleep 60", &[]);
        let proc = format!("/proc/{}", process.pid());
        assert!(Path::new(&proc).exists());
        drop(process);
        assert!(!Path::new(&proc).exists());
    }

    #[test]
    fn a_writer_waits_while_reading_is_paused() {
        // 1 MiB is more than the pipe and one read of the thread hold.
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
        assert_eq!(early, None, "the writer did not wait");
        process.resume_reading();
        let ended = process.wait(END_LIMIT);
        assert_eq!(ended.stdout.len(), "set\n".len() + 1_048_576);
        assert_eq!(ended.stderr, "done\n");
    }

    #[test]
    fn a_line_that_is_no_object_is_named() {
        let process = script("echo '[1]'", &[]);
        let ended = process.wait(END_LIMIT);
        let outcome = std::panic::catch_unwind(|| ended.records());
        let message = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("[1]"), "{message}");
    }
}
