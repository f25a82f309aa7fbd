//! A service that is started as a child process, in a process group of its own.
//!
//! The group is killed when the [`Process`] is dropped, so no exit path leaves a process behind.

mod activated;
mod beside;
mod start;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use rustix::process::Signal;
use rustls::RootCertStore;
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

pub(crate) use self::{
    activated::Activated,
    beside::BesideError,
    start::{Ended, Start},
};
use super::{
    Folder, Notification, Output, ReservedPort, Stream, environment, group,
    notifications::Notifications,
};
use crate::wire::{Hello, Wire};

/// The pause between two requests to a service that starts.
const POLL: Duration = Duration::from_millis(20);

/// The pause between two readings of the states of threads.
const STOP_POLL: Duration = Duration::from_millis(2);

/// The request to a service that starts.
const READY: &[u8] = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The time for the rest of the output after the end of the main process.
const OUTPUT_LIMIT: Duration = Duration::from_secs(2);

/// How a service is started.
///
/// In the words of the command and in the values of variables, `{port}`, `{admin}`, `{collector}` and `{dir}` are
/// replaced.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Variables of the scenario, then those of the caller, which override them.
    pub(crate) variables: Vec<(String, String)>,
    /// The port of the service, or `None` if a variable names an impossible one.
    pub(crate) port: Option<u16>,
    /// The port of a second listener, reserved until the end of the process.
    pub(crate) admin: Arc<ReservedPort>,
    /// The folder of this start, which is kept as long.
    pub(crate) folder: Arc<Folder>,
    /// The time for the start, and for each request during the start.
    pub(crate) start_limit: Duration,
    pub(crate) exchange_limit: Duration,
    pub(crate) greeting: Greeting,
    /// The port of a collector of spans.
    pub(crate) collector: Option<u16>,
    /// The socket that the process gets from its service manager.
    pub(crate) socket: Option<Arc<OwnedFd>>,
}

/// How a service is asked whether it has started, if it does not answer plain HTTP.
#[derive(Debug, Clone)]
pub(crate) enum Greeting {
    /// Not at all.
    Plain,
    /// With these bytes before the request.
    Prefixed(&'static [u8]),
    /// Over TLS.
    Encrypted(Hello, Arc<RootCertStore>),
}

/// A started service.
#[derive(Debug)]
pub(crate) struct Process {
    command: Command,
    pid: u32,
    /// The end of the main process, once it has ended.
    end: watch::Receiver<Option<Ended>>,
    launch: Launch,
    /// Times count from the first start.
    epoch: Instant,
    started: Instant,
    output: Output,
    readers: [JoinHandle<()>; 2],
    notifications: Option<Notifications>,
}

/// A child process with its pipes.
struct Spawned {
    pid: u32,
    end: watch::Receiver<Option<Ended>>,
    readers: [JoinHandle<()>; 2],
}

/// A command that cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {program}")]
pub(crate) struct StartError {
    program: String,
    source: io::Error,
}

impl Process {
    /// Starts the command.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the program is not found or not executable.
    pub(crate) fn spawn(launch: Launch) -> Result<Self, StartError> {
        let text = |port: Option<u16>| port.map_or_else(String::new, |port| port.to_string());
        let (number, collector) = (text(launch.port), text(launch.collector));
        let admin = launch.admin.number().to_string();
        let replaced = |text: &str| {
            text.replace("{port}", &number)
                .replace("{admin}", &admin)
                .replace("{collector}", &collector)
                .replace("{dir}", launch.folder.path())
        };
        let words: Vec<String> = launch.command.iter().map(|word| replaced(word)).collect();
        let (program, arguments) = words
            .split_first()
            .expect("the arguments require a command");
        let mut command = match launch.socket {
            Some(_) => activated::command(program),
            None => Command::new(program),
        };
        command.args(arguments);
        for (name, _) in inherited() {
            if environment::is_removed(&name) {
                command.env_remove(name);
            }
        }
        command.env("HOST", "127.0.0.1").env("PORT", &number);
        let variables = launch.variables.iter();
        command.envs(variables.map(|(name, value)| (name, replaced(value))));
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let error = |source| StartError {
            program: program.clone(),
            source,
        };
        if let Some(socket) = &launch.socket {
            command.stdin(socket.try_clone().map_err(error)?);
        }
        let output = Output::default();
        let epoch = Instant::now();
        let address = launch
            .port
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut notify = launch.variables.iter();
        let notify = notify.rfind(|(name, _)| name == "NOTIFY_SOCKET");
        let notifications =
            notify.map(|(_, path)| Notifications::bind(&replaced(path), address, epoch));
        let notifications = notifications.transpose().map_err(error)?;
        let spawned = spawn(&mut command, &output, epoch).map_err(error)?;
        Ok(Self {
            command,
            pid: spawned.pid,
            end: spawned.end,
            launch,
            epoch,
            started: epoch,
            output,
            readers: spawned.readers,
            notifications,
        })
    }

    /// Kills the service if it still runs, and starts it again in the same way.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the program cannot be run any more.
    pub(crate) async fn restart(&mut self) -> Result<(), StartError> {
        group::kill(self.pid);
        // A killed child ends; the limit is for a system that cannot end it.
        let _ = self.wait_for_end(OUTPUT_LIMIT).await;
        self.started = Instant::now();
        let spawned = spawn(&mut self.command, &self.output, self.epoch);
        let spawned = spawned.map_err(|source| StartError {
            program: self.command.as_std().get_program().display().to_string(),
            source,
        })?;
        self.pid = spawned.pid;
        self.end = spawned.end;
        self.readers = spawned.readers;
        Ok(())
    }

    /// Waits until the service answers on its port, or has ended, or the time is over.
    ///
    /// While `/ready` is 503, the service is not ready, and the wait goes on.
    /// Without a port, the wait ends when the service listens on any.
    pub(crate) async fn wait_for_start(&mut self) -> Start {
        let mut answers = false;
        while self.started.elapsed() < self.launch.start_limit {
            let end = *self.end.borrow();
            if let Some(end) = end {
                self.read_rest().await;
                return Start::Ended(end);
            }
            if let Some(wire) = self.wire() {
                let status = self.status(&wire).await;
                answers = status.is_some();
                if status.is_some_and(|status| status != 503) {
                    return Start::Ready(self.started.elapsed());
                }
            } else if !self.listening_ports().is_empty() {
                break;
            }
            sleep(POLL).await;
        }
        if answers {
            return Start::Ready(self.started.elapsed());
        }
        Start::Silent {
            listens_on: self.listening_ports(),
        }
    }

    /// Returns the status of `GET /ready`.
    async fn status(&self, wire: &Wire) -> Option<u16> {
        let request = |prefix: &[u8]| [prefix, READY].concat();
        let plain = wire.exchange("start", String::new(), request(b"")).await;
        let status = match &self.launch.greeting {
            Greeting::Plain => return plain.status(),
            Greeting::Prefixed(prefix) => {
                let exchange = wire.exchange("start", String::new(), request(prefix));
                exchange.await.status()
            }
            Greeting::Encrypted(hello, roots) => match wire.handshake(hello, roots.clone()).await {
                Ok(mut session) => {
                    let exchange = session.exchange("start", String::new(), request(b""));
                    exchange.await.status()
                }
                Err(_) => None,
            },
        };
        // A listener that expects the greeting may answer 400 to plain HTTP.
        status.or_else(|| plain.status().filter(|status| *status != 400))
    }

    /// Returns a client of the service, unless the service has no port.
    pub(crate) fn wire(&self) -> Option<Wire> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.launch.port?));
        Some(Wire::new(address, self.epoch, self.launch.exchange_limit))
    }

    /// Returns the notifications of the service, if it was started with `NOTIFY_SOCKET`.
    pub(crate) fn notifications(&self) -> Vec<Notification> {
        let all = self.notifications.as_ref().map(Notifications::all);
        all.unwrap_or_default()
    }

    /// Waits for the first notification of the service.
    pub(crate) async fn wait_for_notification(&self, limit: Duration) {
        if let Some(notifications) = &self.notifications {
            // Most services send none.
            let _ = timeout(limit, notifications.first()).await;
        }
    }

    /// Returns the reserved port of a second listener.
    pub(crate) fn admin_port(&self) -> u16 {
        self.launch.admin.number()
    }

    /// Returns the folder of the start.
    pub(crate) fn folder(&self) -> &Folder {
        &self.launch.folder
    }

    /// Returns the lines that the service has written.
    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Returns the id of the main process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the main process, as supervisors do.
    pub(crate) fn signal(&self, signal: Signal) {
        group::signal(self.pid, signal);
    }

    /// Stops all processes of the service, as a hypervisor or a container engine may do.
    ///
    /// Waits until all threads are stopped: one that runs stops at its next interrupt.
    pub(crate) async fn freeze(&self, limit: Duration) {
        group::signal_all(self.pid, Signal::STOP);
        let all = async {
            while !group::is_stopped(self.pid) {
                sleep(STOP_POLL).await;
            }
        };
        // Without /proc, the threads have had the whole time.
        let _ = timeout(limit, all).await;
    }

    /// Continues all processes of the service.
    pub(crate) fn thaw(&self) {
        group::signal_all(self.pid, Signal::CONT);
    }

    /// Waits for the end of the main process, and for the rest of its output.
    ///
    /// Returns `None` if the process has not ended within the limit.
    pub(crate) async fn wait_for_end(&mut self, limit: Duration) -> Option<Ended> {
        let end = timeout(limit, self.end.wait_for(Option::is_some)).await;
        // The sender lives until the process has ended.
        let end = *end.ok()?.ok()?;
        self.read_rest().await;
        end
    }

    /// Reads the rest of the output.
    async fn read_rest(&mut self) {
        // A reader whose end was awaited before cannot be awaited again.
        let readers = self.readers.iter_mut();
        for reader in readers.filter(|reader| !reader.is_finished()) {
            // Another process of the group can hold the pipe open, so the wait has a limit.
            let _ = timeout(OUTPUT_LIMIT, reader).await;
        }
    }

    fn listening_ports(&self) -> Vec<u16> {
        group::listening_ports(self.pid)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment of the service, not settings of the command"
)]
fn inherited() -> std::env::VarsOs {
    std::env::vars_os()
}

fn spawn(command: &mut Command, output: &Output, epoch: Instant) -> io::Result<Spawned> {
    let mut child = command.spawn()?;
    let parts = (child.id(), child.stdout.take(), child.stderr.take());
    let (Some(pid), Some(stdout), Some(stderr)) = parts else {
        return Err(io::Error::other("the process has no id or no pipes"));
    };
    Ok(Spawned {
        pid,
        end: wait_in_background(child, epoch),
        readers: [
            tokio::spawn(output.clone().read(Stream::Out, stdout)),
            tokio::spawn(output.clone().read(Stream::Err, stderr)),
        ],
    })
}

/// Waits for the end of a process, so that its time is exact whatever else is awaited.
fn wait_in_background(mut child: Child, epoch: Instant) -> watch::Receiver<Option<Ended>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        // A child of this process can be waited for; if not, its end is never observed.
        if let Ok(status) = child.wait().await {
            sender.send_replace(Some(Ended {
                code: status.code(),
                signal: status.signal(),
                at: epoch.elapsed(),
            }));
        }
    });
    receiver
}

impl Drop for Process {
    fn drop(&mut self) {
        group::kill(self.pid);
    }
}
