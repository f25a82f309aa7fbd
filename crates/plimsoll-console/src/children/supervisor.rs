//! Starts and stops children, in the main task of the console.
//!
//! ```text
//! Idle ──start──▶ Running ──stop, restart, end──▶ Ending ──▶ Idle
//! ```
//!
//! A stop sends SIGTERM to the group, and SIGKILL after the grace time.
//! A restart starts the command again when all processes of the group have ended.
//! When the main process ends by itself, the others of its group get SIGTERM, as from a service manager.
//!
//! The first Ctrl-C stops all children, the second repeats SIGTERM, the third sends SIGKILL.
//! A second SIGTERM hurries a service with the contract.

mod end;

use std::{
    ffi::OsString,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustix::process::Signal;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::{Instant, sleep, sleep_until},
};

use super::{
    Control, Exporter, Refusal, Request, group, listening,
    reader::{self, Sink},
    service::{Phase, Service},
    spawn::{self, Spawned},
    survivors::Survivors,
};
use crate::store::{Exit, Run, Stream};

/// The time between two looks for the address of a service that does not report it.
const ADDRESS_POLL: Duration = Duration::from_secs(1);

/// The time for the record of a service that begins to listen.
const RECORD_DELAY: Duration = Duration::from_millis(500);

/// Ends of children that wait for the supervisor.
const ENDS: usize = 64;

/// A child with its command.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) service: Arc<Service>,
    pub(super) command: Vec<OsString>,
    /// The process group, if one exists.
    pub(super) group: Option<u32>,
    /// When the group gets SIGKILL.
    pub(super) deadline: Option<Instant>,
    /// Whether the end was requested.
    pub(super) is_stopped: bool,
    pub(super) is_restarting: bool,
}

/// How the supervisor works.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) grace: Duration,
    pub(super) exit_with_child: bool,
}

/// Owns the children.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) children: Vec<Child>,
    pub(super) rules: Rules,
    exporter: Exporter,
    pub(super) sink: Sink,
    pub(super) requests: Receiver<Request>,
    changes: u64,
    /// Signals to the console so far.
    signals: u32,
    /// The exit of the child that ends the console.
    result: Option<Exit>,
    survivors: Survivors,
}

/// The end of a group.
#[derive(Debug)]
struct Ended {
    index: usize,
    exit: Exit,
}

impl Supervisor {
    pub(super) fn new(
        children: Vec<Child>,
        rules: Rules,
        exporter: Exporter,
        sink: Sink,
        requests: Receiver<Request>,
    ) -> Self {
        Self {
            children,
            rules,
            exporter,
            sink,
            requests,
            changes: 0,
            signals: 0,
            result: None,
            survivors: Survivors::start(),
        }
    }

    pub(super) fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Starts all children, and returns when the console is to end and all have ended.
    ///
    /// Returns the exit of the child that has ended the console.
    pub(super) async fn run(mut self, mut signals: Receiver<()>) -> Option<Exit> {
        let (ends, mut ended) = mpsc::channel(ENDS);
        for index in 0..self.children.len() {
            // A child that cannot be started may end the console.
            if !self.is_closing() {
                self.start(index, &ends);
            }
        }
        while !(self.is_closing() && self.have_ended()) {
            let deadline = self
                .children
                .iter()
                .filter_map(|child| child.deadline)
                .min();
            tokio::select! {
                Some(end) = ended.recv() => self.on_end(&end, &ends),
                Some(request) = self.requests.recv() => self.on_request(request, &ends),
                Some(()) = signals.recv() => self.on_signal(),
                () = reached(deadline) => self.kill_overdue(),
            }
        }
        self.result
    }

    fn is_closing(&self) -> bool {
        self.signals > 0
    }

    /// Whether all children have ended, and their ends are handled.
    fn have_ended(&self) -> bool {
        self.children.iter().all(|child| child.group.is_none())
    }

    fn start(&mut self, index: usize, ends: &Sender<Ended>) {
        let sink = self.sink.clone();
        let grace = self.rules.grace;
        let child = &mut self.children[index];
        let service = Arc::clone(&child.service);
        child.is_stopped = false;
        child.is_restarting = false;
        let began = SystemTime::now();
        let instance = self.exporter.instance(service.name(), service.next_run());
        let variables = [service.variables(), &[instance]].concat();
        let spawned = match spawn::spawn(&child.command, &variables) {
            Ok(spawned) => spawned,
            Err(error) => {
                fail(&service, &sink, began, &error);
                self.end_with(Exit::Unknown);
                return;
            }
        };
        let pid = spawned.pid;
        child.group = Some(pid);
        self.survivors.add(pid);
        let run = Run {
            pid: Some(pid),
            began,
        };
        let number = sink.store.begin_run(service.id(), run);
        service.begin(number, Some(pid), began);
        // A service without a record of its address is scraped at the sockets of its process.
        // The id of a process is a target, so this does not fail.
        let _ = sink.charts.observe(service.name(), &pid.to_string(), None);
        tokio::spawn(find_address(pid, Arc::clone(&service), number));
        let ends = ends.clone();
        let (open, closed) = mpsc::channel(1);
        let Spawned {
            child,
            stdout,
            stderr,
            ..
        } = spawned;
        let readers = reader::start(stdout, Stream::Stdout, &service, sink.clone(), open.clone())
            .and_then(|()| reader::start(stderr, Stream::Stderr, &service, sink.clone(), open));
        if let Err(error) = readers {
            // Without readers the service would wait for its pipes.
            group::signal(pid, Signal::KILL);
            note(&service, &sink, &error);
        }
        tokio::spawn(async move {
            let exit = end::wait(child, pid, &service, &sink.store, closed, grace).await;
            // Another process can get its id, so it is not scraped any more.
            sink.charts.ended(service.name());
            // The supervisor lives until all children have ended.
            let _ = ends.send(Ended { index, exit }).await;
        });
    }

    fn on_end(&mut self, end: &Ended, ends: &Sender<Ended>) {
        let is_closing = self.is_closing();
        let child = &mut self.children[end.index];
        if let Some(group) = child.group.take() {
            self.survivors.remove(group);
        }
        child.deadline = None;
        if child.is_restarting && !is_closing {
            self.start(end.index, ends);
            return;
        }
        let text = format!(
            "{} has ended: {}",
            child.service.name(),
            exit_text(end.exit)
        );
        let is_own_end = !child.is_stopped;
        self.sink.echo.note(&text);
        if is_own_end {
            self.end_with(end.exit);
        }
    }

    /// Ends the console with the exit of a child, if the options ask for that.
    fn end_with(&mut self, exit: Exit) {
        if self.rules.exit_with_child && !self.is_closing() {
            self.result = Some(exit);
            self.on_signal();
        }
    }

    fn on_request(&mut self, request: Request, ends: &Sender<Ended>) {
        let result = self.control(&request, ends);
        // The client may have gone; the control applies all the same.
        let _ = request.reply.send(result);
    }

    fn control(&mut self, request: &Request, ends: &Sender<Ended>) -> Result<u64, Refusal> {
        let mut children = self.children.iter();
        let index = children.position(|child| child.service.name() == request.service);
        let index = index.ok_or(Refusal::Unknown)?;
        if self.is_closing() {
            return Err(Refusal::Closing);
        }
        let phase = self.children[index].service.phase();
        match (request.control, phase) {
            (Control::Start, Phase::Idle) => self.start(index, ends),
            (Control::Stop, Phase::Running) => self.stop(index),
            (Control::Restart, Phase::Running) => {
                self.children[index].is_restarting = true;
                self.stop(index);
            }
            (_, Phase::Idle) => return Err(Refusal::NotRunning),
            (_, Phase::Running) => return Err(Refusal::Running),
            (_, Phase::Ending) => return Err(Refusal::Ending),
        }
        self.changes += 1;
        Ok(self.changes)
    }

    /// Sends SIGTERM to a group, which has the grace time from now on.
    fn stop(&mut self, index: usize) {
        let deadline = Instant::now() + self.rules.grace;
        let child = &mut self.children[index];
        child.is_stopped = true;
        // A group whose end waits in the queue gets no signal: its id may be that of another one.
        if let Some(group) = child.group.filter(|_| child.service.ending()) {
            self.sink.charts.stopping(child.service.name());
            child.deadline.get_or_insert(deadline);
            group::signal(group, Signal::TERM);
        }
    }

    fn on_signal(&mut self) {
        self.signals += 1;
        if self.signals == 1 {
            self.children.iter().for_each(|child| child.service.close());
        }
        let groups = self.children.iter().filter(|child| child.group.is_some());
        let count = groups.count();
        if count > 0 {
            self.sink.echo.note(match self.signals {
                1 => "stopping; Ctrl-C again repeats the signal, a third time kills",
                2 => "SIGTERM again; Ctrl-C kills",
                _ => "SIGKILL",
            });
        }
        for index in 0..self.children.len() {
            match self.signals {
                1 | 2 => self.stop(index),
                _ => self.kill(index),
            }
        }
    }

    fn kill_overdue(&mut self) {
        let now = Instant::now();
        for index in 0..self.children.len() {
            if self.children[index]
                .deadline
                .is_some_and(|deadline| deadline <= now)
            {
                self.kill(index);
            }
        }
    }

    fn kill(&mut self, index: usize) {
        let child = &mut self.children[index];
        child.deadline = None;
        if let Some(group) = child.group {
            group::signal(group, Signal::KILL);
        }
    }
}

/// Looks for a listening socket of a group, until one exists or the service reports its state.
async fn find_address(group: u32, service: Arc<Service>, run: u32) {
    while service.is_starting() && service.run() == Some(run) {
        let found = tokio::task::spawn_blocking(move || listening::address(group)).await;
        if let Ok(Some(address)) = found {
            // A service with the contract writes its record when it begins to listen.
            sleep(RECORD_DELAY).await;
            if service.run() == Some(run) {
                service.listens(address);
            }
            return;
        }
        sleep(ADDRESS_POLL).await;
    }
}

/// Records a start that has failed as a run without a process.
fn fail(service: &Service, sink: &Sink, began: SystemTime, error: &io::Error) {
    let number = sink.store.begin_run(service.id(), Run { pid: None, began });
    service.begin(number, None, began);
    note(service, sink, error);
    service.exited(began, Exit::Unknown);
    service.ended();
    sink.store.end_run(service.id(), began, Exit::Unknown);
}

/// Adds a line of the console to those of a service.
fn note(service: &Service, sink: &Sink, error: &io::Error) {
    let line = format!("plimsoll: cannot start the service: {error}\n");
    let bytes = line.trim_end().as_bytes();
    let now = SystemTime::now();
    sink.store.push(service.id(), Stream::Stderr, now, bytes);
    service.keep_last(line.as_bytes());
    sink.echo
        .offer(service.label(), Stream::Stderr, line.as_bytes());
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Status(status) => format!("exit status {status}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::Unknown => "unknown exit status".to_owned(),
    }
}
