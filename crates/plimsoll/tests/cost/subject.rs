//! A measured service: started under a tool, loaded in lock step, ended by a signal.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use harness::eventually_within;
use rustix::process::{Pid, Signal, kill_process_group};

use super::client::{Protocol, http1, http2};

/// A start under a tool is slow.
const START: Duration = Duration::from_secs(60);

/// Rounds of a short and of a long run: they differ only in requests.
const ROUNDS: [usize; 2] = [20, 120];

/// The service that is measured.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Path below the release folder.
    pub(crate) program: &'static str,
    path: &'static str,
    protocol: Protocol,
    /// Whether it has an admin listener with operator controls.
    has_controls: bool,
}

/// The reference service with all features.
pub(crate) const CHASSIS: Subject = Subject {
    name: "chassis",
    program: "rust-axum-app",
    path: "/",
    protocol: Protocol::Http1(1),
    has_controls: false,
};

/// The same with 16 pipelined requests, whose responses share a write.
pub(crate) const CHASSIS_PIPELINED: Subject = Subject {
    name: "chassis, 16 pipelined",
    protocol: Protocol::Http1(16),
    ..CHASSIS
};

/// The same with operator controls.
pub(crate) const CONTROLS: Subject = Subject {
    name: "controls",
    has_controls: true,
    ..CHASSIS
};

/// The same over HTTP/2. One stream at a time: callgrind makes a turn of several streams so slow that some
/// of them get tasks.
pub(crate) const CHASSIS_HTTP2: Subject = Subject {
    name: "chassis, HTTP/2",
    protocol: Protocol::Http2(1),
    ..CHASSIS
};

/// The same with ten streams at a time, whose responses share a write.
pub(crate) const CHASSIS_STREAMS: Subject = Subject {
    name: "chassis, 10 streams",
    protocol: Protocol::Http2(10),
    ..CHASSIS
};

/// A router on `axum::serve`.
pub(crate) const BARE: Subject = Subject {
    name: "bare",
    program: "examples/plain",
    path: "/hello",
    protocol: Protocol::Http1(1),
    has_controls: false,
};

/// The same over HTTP/2.
pub(crate) const BARE_HTTP2: Subject = Subject {
    name: "bare, HTTP/2",
    protocol: Protocol::Http2(1),
    ..BARE
};

/// A tool and the service that it runs. A failed run leaves none of them behind.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let group = Pid::from_child(&self.0);
            // An error means that the group has ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

impl Subject {
    /// Starts the service under `tool`, sends `rounds` requests over each connection, and ends it.
    fn run(&self, tool: &mut Command, rounds: usize) {
        let addr = free_address();
        let socket = std::env::temp_dir().join(format!("plimsoll-cost-{}.sock", addr.port()));
        let admin = ("ADMIN_ADDR", format!("unix:{}", socket.display()));
        let service = tool
            .arg(self.program())
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", addr.port().to_string())
            .env("WORKERS", "1")
            .env("TOKIO_WORKER_THREADS", "1")
            .envs(
                self.protocol
                    .is_http2()
                    .then_some(("HTTP2_CLEARTEXT", "true")),
            )
            .envs(self.has_controls.then_some(admin))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the tool is installed");
        let mut service = Group(service);
        self.ask(addr, rounds);
        // Both tools forward the signal to the service, or are the service.
        let id = service.0.id().to_string();
        let status = Command::new("pkill").args(["-TERM", "-P", &id]).status();
        let is_signalled = status.expect("there is a pkill").success()
            || Command::new("kill")
                .arg(&id)
                .status()
                .is_ok_and(|it| it.success());
        assert!(is_signalled, "it can be ended");
        service.0.wait().expect("it ends");
        if self.has_controls {
            // The service leaves the file that locks its socket.
            let lock = socket.with_extension("sock.lock");
            fs::remove_file(lock).expect("the socket was locked");
        }
    }

    fn program(&self) -> PathBuf {
        let here = std::env::current_exe().expect("a test is a file");
        let target = here.ancestors().nth(3).expect("it is in target/debug/deps");
        let program = target.join("release").join(self.program);
        assert!(program.exists(), "build {} first", program.display());
        program
    }

    fn ask(&self, addr: SocketAddr, rounds: usize) {
        let connect = || TcpStream::connect(addr).ok();
        let connections = (0..self.protocol.connections())
            .map(|_| eventually_within(START, connect).expect("connections are taken"));
        match self.protocol {
            Protocol::Http1(pipelined) => {
                http1::ask(connections.collect(), self.path, pipelined, rounds);
            }
            Protocol::Http2(streams) => {
                http2::ask(connections.collect(), self.path, streams, rounds);
            }
        }
    }
}

/// Returns an address without a listener.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address")
}

/// Runs a subject twice under a tool that writes into a folder. Returns the difference of what
/// `read` finds there, per request.
pub(crate) fn per_request<T>(
    subject: &Subject,
    tool: impl Fn(&Path) -> Command,
    read: impl Fn(&Path) -> T,
    less: impl Fn(T, T, f64) -> T,
) -> T {
    let [short, long] = ROUNDS.map(|rounds| {
        let name = format!("plimsoll-cost-{}-{rounds}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("it is new");
        subject.run(&mut tool(&folder), rounds);
        let found = read(&folder);
        fs::remove_dir_all(&folder).expect("it is still there");
        found
    });
    #[expect(clippy::cast_precision_loss, reason = "some thousand")]
    less(
        long,
        short,
        ((ROUNDS[1] - ROUNDS[0]) * subject.protocol.requests()) as f64,
    )
}

/// Counts by name, per request.
pub(crate) fn differences(
    long: BTreeMap<String, f64>,
    short: &BTreeMap<String, f64>,
    requests: f64,
) -> BTreeMap<String, f64> {
    long.into_iter()
        .map(|(name, count)| {
            let before = short.get(&name).copied().unwrap_or_default();
            (name, (count - before) / requests)
        })
        .collect()
}

/// Returns system calls of all threads, per request.
pub(crate) fn system_calls(subject: &Subject) -> BTreeMap<String, f64> {
    let tool = |folder: &Path| {
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-c", "-o"])
            .arg(folder.join("calls"));
        strace
    };
    let read = |folder: &Path| -> BTreeMap<String, f64> {
        let text = fs::read_to_string(folder.join("calls")).expect("strace has written");
        let rows = text.lines().filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (calls, name) = (fields.get(3)?.parse().ok()?, fields.last()?);
            (*name != "total").then(|| ((*name).to_owned(), calls))
        });
        rows.collect()
    };
    per_request(subject, tool, read, |long, short, requests| {
        differences(long, &short, requests)
    })
}
