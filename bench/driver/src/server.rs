//! A running peer. It ends with its value, and with this process, however that ends.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
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
    Failure, build,
    client::{self, Answer},
    cpu,
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
    /// Starts it on its core, and returns as soon as it answers what everybody answers.
    pub fn start(peer: &'static Peer, core: usize) -> Result<Self, Failure> {
        let server = Self::spawn(peer, core, &[])?;
        let answer = server.first_answer("/")?;
        server.check(&answer)?;
        Ok(server)
    }

    /// Starts it, with some more settings, and does not wait for it.
    pub fn spawn(
        peer: &'static Peer,
        core: usize,
        environment: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        // Free a moment ago; should somebody else take it, the server says so and the run fails.
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
        command.arg(build::program(peer));
        // What is set in this shell must not change what is measured.
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOST", addr.ip().to_string())
            .env("PORT", addr.port().to_string());
        command.env("WORKERS", "1");
        command
            .envs(peer.environment.iter().copied())
            .envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
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

    /// The answer to the first request that is not refused.
    pub fn first_answer(&self, path: &str) -> Result<Answer, Failure> {
        let started = Instant::now();
        loop {
            match client::get(self.addr, path) {
                Ok(answer) => return Ok(answer),
                Err(failure) if started.elapsed() > PATIENCE => {
                    return Err(format!("{} does not answer: {failure}", self.peer.name).into());
                }
                Err(_) => thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    fn check(&self, answer: &Answer) -> Result<(), Failure> {
        let text = answer.head.contains("\r\ncontent-type: text/plain");
        if answer.status == 200 && text && answer.body == BANNER {
            return Ok(());
        }
        Err(format!("{} answers {answer:?}", self.peer.name).into())
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

    /// How many answers to `GET /` it has counted itself.
    pub fn counted(&self, counter: &str) -> Result<u64, Failure> {
        let exposition = client::get(self.addr, "/metrics")?.body;
        let of_the_banner = |line: &&str| {
            let labels = line
                .strip_prefix(counter)
                .and_then(|it| it.strip_prefix('{'));
            labels.is_some_and(|it| it.contains("=\"/\""))
        };
        let values = exposition.lines().filter(of_the_banner).map(|line| {
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

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
