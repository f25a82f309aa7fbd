//! The scale of a run, the service under test, and the figures of a run.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Process, eventually, eventually_within, example};
use socket2::{Domain, Socket, Type};

use crate::support::fixture;

#[expect(
    clippy::disallowed_methods,
    reason = "the setting of the test run, not of a service"
)]
fn is_on(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "1")
}

/// Returns whether `PLIMSOLL_FULL=1` is set.
pub(crate) fn full() -> bool {
    is_on("PLIMSOLL_FULL")
}

/// Returns whether the attacks target `axum::serve` alone.
pub(crate) fn plain() -> bool {
    is_on("PLIMSOLL_PLAIN")
}

/// Returns the small figure, or the full one with `PLIMSOLL_FULL=1`.
pub(crate) fn scaled<T>(small: T, full_scale: T) -> T {
    if full() { full_scale } else { small }
}

/// Returns the real time, since the measurements are between processes.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes run in real time, which a paused clock must not stop"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Starts the attacked service and waits until it is ready.
#[track_caller]
pub(crate) fn serve(env: &[(&str, &str)]) -> Process {
    let program = match plain() {
        true => example("plain"),
        false => fixture(),
    };
    let process = if full() {
        // The load runs on the other core, by the command in `docs/reliability.md`.
        let program = program.into_os_string();
        Process::spawn_with("taskset", &["-c".into(), "0".into(), program], env)
    } else {
        Process::spawn(program, env)
    };
    if plain() {
        eventually("the plain service accepts", || process.try_connect().ok());
    } else {
        process.wait_until_ready();
    }
    process
}

/// Returns the number of open descriptors of a process.
pub(crate) fn descriptors(process: &Process) -> usize {
    let folder = format!("/proc/{}/fd", process.pid());
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Returns the resident memory of a process, in KiB.
pub(crate) fn resident_kib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

/// State that an attack must not change.
pub(crate) struct Rest {
    descriptors: usize,
    resident: u64,
}

// === impl Rest ===

impl Rest {
    pub(crate) fn before(process: &Process) -> Self {
        Self {
            descriptors: descriptors(process),
            resident: resident_kib(process),
        }
    }

    /// Checks that the service is alive, has at most 20 more descriptors, and nothing in flight.
    pub(crate) fn after(&self, figures: &mut Figures, process: &Process) {
        let resident = resident_kib(process);
        figures.info(
            "memory before and after, KiB",
            format!("{} {resident}", self.resident),
        );
        let given_back = eventually_within(scaled(10, 60) * Duration::from_secs(1), || {
            (descriptors(process) <= self.descriptors + 20).then_some(())
        });
        figures.exact("descriptors are given back", true, given_back.is_some());
        figures.exact("the process is alive", true, process.is_alive());
        if !plain() {
            let at_rest = eventually_within(Duration::from_secs(10), || {
                (process.metrics().value("http_requests_in_flight", &[]) == Some(0.0)).then_some(())
            });
            figures.exact("nothing is in flight", true, at_rest.is_some());
        }
    }
}

/// The figures of one test. All are printed before a missed one fails the test.
pub(crate) struct Figures {
    test: &'static str,
    missed: Vec<String>,
}

// === impl Figures ===

impl Figures {
    pub(crate) fn of(test: &'static str) -> Self {
        let missed = Vec::new();
        Self { test, missed }
    }

    /// Adds a figure that must hold at every scale.
    pub(crate) fn exact<T: PartialEq + Display>(&mut self, name: &str, asked: T, seen: T) {
        let met = asked == seen;
        self.add(name, asked, seen, met);
    }

    /// Adds a time or a share, which is checked only at full scale.
    pub(crate) fn limit(&mut self, name: &str, asked: impl Display, seen: impl Display, met: bool) {
        self.add(name, asked, seen, met || !full());
    }

    /// Adds a figure that is not checked.
    pub(crate) fn info(&mut self, name: &str, seen: impl Display) {
        self.add(name, "-", seen, true);
    }

    fn add(&mut self, name: &str, asked: impl Display, seen: impl Display, met: bool) {
        let service = if plain() { "axum::serve" } else { "plimsoll" };
        let line = format!("figure: {}: {name} asked={asked} seen={seen}", self.test);
        #[expect(clippy::print_stdout, reason = "the figures are what a run is for")]
        {
            println!("{line} service={service}");
        }
        if !met && !plain() {
            self.missed.push(line);
        }
    }

    /// Fails the test if a figure was missed.
    #[track_caller]
    pub(crate) fn judge(self) {
        assert!(
            self.missed.is_empty(),
            "missed:\n{}",
            self.missed.join("\n")
        );
    }
}

/// Returns the 99th percentile.
pub(crate) fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let rank = (times.len() * 99).div_ceil(100);
    rank.checked_sub(1)
        .map_or(Duration::ZERO, |last| times[last])
}

/// A reserved port of the loopback interface. A process that sets `SO_REUSEADDR` can still listen
/// on it.
pub(crate) struct Reserved(Socket);

// === impl Reserved ===

impl Reserved {
    pub(crate) fn port() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).unwrap();
        Self(socket)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

/// Another program, which is ended with its test.
pub(crate) struct Peer(Child);

// === impl Peer ===

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Errors are irrelevant: the program has ended, or ends now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Creates an empty folder for one test.
pub(crate) fn scratch_folder(name: &str) -> PathBuf {
    let name = format!("peers-{}-{name}", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}
