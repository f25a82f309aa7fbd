//! A running peer. It ends with its value, and with this process, however that ends.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Failure, build, client, cpu,
    peer::{BANNER, Peer},
    records::Records,
};

/// For a server to start, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Server {
    pub peer: &'static Peer,
    pub addr: SocketAddr,
    pub records: Arc<Records>,
    child: Child,
}

impl Server {
    /// Starts it, with some more settings, and does not wait for it.
    pub fn spawn(
        peer: &'static Peer,
        core: usize,
        environment: &[(&'static str, String)],
    ) -> Result<Self, Failure> {
        let (mut command, addr) = command(peer, core, environment)?;
        command.arg(build::program(peer)).stdin(Stdio::null());
        Self::of(command, peer, addr)
    }

    /// Starts it and returns the time to its first response.
    pub fn start_timed(peer: &'static Peer, core: usize) -> Result<(Self, Duration), Failure> {
        let (mut command, addr) = command(peer, core, &[])?;
        // The wrappers' own start does not count: the shell waits for a line, then becomes the peer.
        command
            .args(["sh", "-c", r#"read -r line && exec "$0""#])
            .arg(build::program(peer));
        command.stdin(Stdio::piped());
        let mut server = Self::of(command, peer, addr)?;
        let mut stdin = server.child.stdin.take().ok_or("no pipe")?;
        // Nothing signals that the shell waits; it does after some milliseconds.
        thread::sleep(Duration::from_millis(50));
        let started = Instant::now();
        stdin.write_all(b"\n")?;
        while client::get(addr, "/").is_err() {
            if started.elapsed() > PATIENCE {
                return Err(format!("{} does not answer", peer.name).into());
            }
            thread::sleep(Duration::from_micros(50));
        }
        let took = started.elapsed();
        server.check("/")?;
        Ok((server, took))
    }

    fn of(mut command: Command, peer: &'static Peer, addr: SocketAddr) -> Result<Self, Failure> {
        let mut child = command
            .spawn()
            .map_err(|it| format!("{}: {it}", peer.name))?;
        let stdout = child.stdout.take().ok_or("no pipe")?;
        Ok(Self {
            peer,
            addr,
            records: Records::read(stdout, peer.record),
            child,
        })
    }

    pub fn pid(&self) -> Pid {
        // Linux has none above 2^22.
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Waits until it answers, and checks the response.
    pub fn check(&self, path: &str) -> Result<(), Failure> {
        let answer = self.patiently(|| client::get(self.addr, path))?;
        let text = answer.head.contains("\r\ncontent-type: text/plain");
        if answer.status == 200 && text && answer.body == BANNER {
            return Ok(());
        }
        Err(format!("{} answers {answer:?}", self.peer.name).into())
    }

    /// Waits until it listens.
    pub fn until_connected(&self) -> Result<(), Failure> {
        self.patiently(|| Ok(TcpStream::connect(self.addr)?))
            .map(drop)
    }

    fn patiently<T>(&self, attempt: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let started = Instant::now();
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(failure) if started.elapsed() > PATIENCE => {
                    return Err(format!("{} does not answer: {failure}", self.peer.name).into());
                }
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// CPU time until now, by two ways that must agree.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        let exact = cpu::of_process(self.pid())?;
        let ticks = cpu::of_process_in_ticks(self.pid())?;
        // User and system time are cut to ticks, each by itself.
        if exact.abs_diff(ticks) > Duration::from_millis(30) {
            let name = self.peer.name;
            return Err(
                format!("{name}: {exact:?} of CPU by its clock, {ticks:?} by /proc").into(),
            );
        }
        Ok(exact)
    }

    /// Waits until it has written all records it is going to write, and did not write for a while.
    pub fn settle(&self) -> Result<(), Failure> {
        let started = Instant::now();
        let mut before = u64::MAX;
        while started.elapsed() < PATIENCE {
            let now = self.records.bytes();
            if now == before {
                return Ok(());
            }
            before = now;
            thread::sleep(Duration::from_millis(50));
        }
        Err(format!(
            "{} still writes records long after the load",
            self.peer.name
        )
        .into())
    }

    /// How many answers it has counted itself, but for those to scrapes.
    pub fn counted(&self, counter: &str) -> Result<u64, Failure> {
        let exposition = client::get(self.addr, "/metrics")?.body;
        let values = exposition
            .lines()
            .filter(|line| {
                let labels = line
                    .strip_prefix(counter)
                    .and_then(|it| it.strip_prefix('{'));
                labels.is_some_and(|it| !it.contains("=\"/metrics\""))
            })
            .map(|line| {
                let value = line
                    .rsplit(' ')
                    .next()
                    .and_then(|it| it.parse::<u64>().ok());
                value.ok_or_else(|| format!("{counter} has no count: {line}"))
            });
        Ok(values.sum::<Result<u64, _>>()?)
    }

    /// Ends it as a platform would, and makes sure of it.
    pub fn stop(mut self) -> Result<(), Failure> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("{} has ended by itself: {status}", self.peer.name).into());
        }
        kill(self.pid(), Signal::SIGTERM)?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > PATIENCE {
                return Err(format!("{} does not end", self.peer.name).into());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// What the program is started with: a core, a port, one worker, and the peer's settings.
fn command(
    peer: &Peer,
    core: usize,
    environment: &[(&'static str, String)],
) -> Result<(Command, SocketAddr), Failure> {
    // The port is free now. If another process takes it, the server reports that and the run fails.
    let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    // Without this the servers would outlive an interrupted run.
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "taskset",
        "--cpu-list",
        &core.to_string(),
    ]);
    // What is set in this shell must not change what is measured.
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("HOST", addr.ip().to_string())
        .env("PORT", addr.port().to_string());
    command.env("WORKERS", "1");
    command.envs(peer.environment.iter().copied());
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    command.stdout(Stdio::piped());
    Ok((command, addr))
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
