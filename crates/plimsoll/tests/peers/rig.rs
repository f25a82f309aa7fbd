//! The scale of a run, the service under test, and the figures that a run gives.

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

/// Whether the full figures were asked for.
pub(crate) fn full() -> bool {
    is_on("PLIMSOLL_FULL")
}

/// Whether the attacks go against `axum::serve` alone.
pub(crate) fn plain() -> bool {
    is_on("PLIMSOLL_PLAIN")
}

/// The small figure, or the full one where it was asked for.
pub(crate) fn scaled<T>(small: T, full_scale: T) -> T {
    if full() { full_scale } else { small }
}

/// The machine's clock: everything here happens between processes.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes run in real time, which a paused clock must not stop"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The service that is attacked, ready to be asked.
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

/// How many descriptors a process has open.
pub(crate) fn descriptors(process: &Process) -> usize {
    let folder = format!("/proc/{}/fd", process.pid());
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// The memory of a process that is in RAM, in KiB.
pub(crate) fn resident_kib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

/// What must be the same after an attack as before it.
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

    /// Alive, at most 20 descriptors more than before, nothing in flight.
    pub(crate) fn after(&self, figures: &mut Figures, process: &Process) {
        let resident = resident_kib(process);
        figures.told(
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

/// The figures of one test. They are all told before the first miss fails the test.
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

    /// What must hold at every scale.
    pub(crate) fn exact<T: PartialEq + Display>(&mut self, name: &str, asked: T, seen: T) {
        let met = asked == seen;
        self.tell(name, asked, seen, met);
    }

    /// A time or a share, which only the full scale is judged by.
    pub(crate) fn limit(&mut self, name: &str, asked: impl Display, seen: impl Display, met: bool) {
        self.tell(name, asked, seen, met || !full());
    }

    /// What nothing is asked of.
    pub(crate) fn told(&mut self, name: &str, seen: impl Display) {
        self.tell(name, "-", seen, true);
    }

    fn tell(&mut self, name: &str, asked: impl Display, seen: impl Display, met: bool) {
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

/// The slowest of the fastest 99 %.
pub(crate) fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let rank = (times.len() * 99).div_ceil(100);
    rank.checked_sub(1)
        .map_or(Duration::ZERO, |last| times[last])
}

/// A port of the loopback interface that the system gives to nobody else. Whoever sets
/// `SO_REUSEADDR` can listen on it meanwhile.
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

/// Another program, which ends with its test.
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
        // Neither can fail in a way that matters: it has ended, or ends now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder for one test, empty.
pub(crate) fn scratch_folder(name: &str) -> PathBuf {
    let name = format!("peers-{}-{name}", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}
