//! A service: its state, its runs, and their JSON for the page.
//!
//! Readers and the supervisor write it; requests of the page read it.
//! Each change increments one number for all services, so that streams know when to send them again.

mod view;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

pub(crate) use self::view::ServiceView;
use super::{
    reader::lines,
    state::{Report, State},
};
use crate::store::{Exit, ServiceId};

/// The last lines of a run that are kept for the page.
const LAST_LINES: usize = 50;

/// The part of such a line that is kept.
const LINE_LENGTH: usize = 2_048;

/// The runs that are kept for the page.
const RUNS: usize = 20;

/// The ended runs whose last lines are kept.
const RUNS_WITH_LINES: usize = 3;

/// The shortest time after which the page gets another last line.
const LINE_INTERVAL: Duration = Duration::from_millis(500);

/// The number of changes of all services. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes(Arc<AtomicU64>);

/// The origin of a service's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Child,
    Attached,
}

/// An environment variable that the console sets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Variable {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Whether it replaces a value of the caller.
    pub(super) forced: bool,
}

/// What never changes about a service.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: Arc<str>,
    pub(super) id: ServiceId,
    pub(super) kind: Kind,
    /// The command as text.
    pub(super) command: Option<String>,
    pub(super) variables: Vec<Variable>,
}

/// A service of the console.
#[derive(Debug)]
pub(crate) struct Service {
    identity: Identity,
    changes: Changes,
    status: Mutex<Status>,
}

/// What the supervisor does with a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No process exists.
    Idle,
    Running,
    /// The process is asked to end, or others of its group are.
    Ending,
}

#[derive(Debug)]
struct Status {
    phase: Phase,
    state: State,
    since: SystemTime,
    address: Option<String>,
    version: Option<String>,
    /// Oldest first.
    runs: VecDeque<RunStatus>,
    /// Of the current run.
    last_lines: VecDeque<Vec<u8>>,
    /// When the page last got another last line.
    line_shown: Option<Instant>,
    /// Whether controls are accepted.
    is_closed: bool,
}

#[derive(Debug)]
struct RunStatus {
    number: u32,
    pid: Option<u32>,
    began: SystemTime,
    ready: Option<SystemTime>,
    end: Option<(SystemTime, Exit)>,
    last_lines: Vec<String>,
}

impl Changes {
    /// Returns the number of changes so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl Service {
    pub(super) fn new(identity: Identity, changes: Changes) -> Self {
        let status = Status {
            phase: Phase::Idle,
            state: State::Unknown,
            since: SystemTime::now(),
            address: None,
            version: None,
            runs: VecDeque::new(),
            last_lines: VecDeque::new(),
            line_shown: None,
            is_closed: false,
        };
        Self {
            identity,
            changes,
            status: Mutex::new(status),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.identity.name
    }

    pub(crate) fn id(&self) -> ServiceId {
        self.identity.id
    }

    pub(super) fn label(&self) -> &Arc<str> {
        &self.identity.name
    }

    pub(super) fn variables(&self) -> &[Variable] {
        &self.identity.variables
    }

    /// Returns the phase of the child.
    pub(super) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Returns the number that the store gives to the next run.
    pub(super) fn next_run(&self) -> u32 {
        self.lock().runs.back().map_or(1, |run| run.number + 1)
    }

    /// Begins a run, with the number that the store has given it.
    pub(super) fn begin(&self, number: u32, pid: Option<u32>, began: SystemTime) {
        let mut status = self.change();
        if status.runs.len() == RUNS {
            status.runs.pop_front();
        }
        status.runs.push_back(RunStatus {
            number,
            pid,
            began,
            ready: None,
            end: None,
            last_lines: Vec::new(),
        });
        status.last_lines.clear();
        status.line_shown = None;
        status.address = None;
        status.version = None;
        let (phase, state) = match self.identity.kind {
            Kind::Child => (Phase::Running, State::Starting),
            Kind::Attached => (Phase::Idle, State::Unknown),
        };
        status.phase = phase;
        status.enter(state, began);
    }

    /// Records that the process is asked to end. Returns `false` if it has ended.
    pub(super) fn ending(&self) -> bool {
        let mut status = self.change();
        if status.phase == Phase::Idle {
            return false;
        }
        status.phase = Phase::Ending;
        if status.state != State::Exited {
            status.enter(State::Draining, SystemTime::now());
        }
        true
    }

    /// Records the end of the main process. Others of its group may still exist.
    pub(super) fn exited(&self, ended: SystemTime, exit: Exit) {
        let mut status = self.change();
        status.phase = Phase::Ending;
        status.enter(State::Exited, ended);
        if let Some(run) = status.runs.back_mut() {
            run.end = Some((ended, exit));
        }
    }

    /// Records that no process of the run exists, and that its lines are complete.
    pub(super) fn ended(&self) {
        let mut status = self.change();
        status.phase = Phase::Idle;
        let lines = status.last_lines();
        let mut runs = status.runs.iter_mut().rev();
        if let Some(run) = runs.next() {
            run.last_lines = lines;
        }
        for run in runs.skip(RUNS_WITH_LINES - 1) {
            run.last_lines = Vec::new();
        }
    }

    /// Rejects all controls from now on.
    pub(super) fn close(&self) {
        self.change().is_closed = true;
    }

    /// Records what the service has reported about itself.
    pub(super) fn report(&self, report: Report) {
        let mut status = self.change();
        let now = SystemTime::now();
        if status.state == State::Exited {
            return;
        }
        match report {
            Report::Ready {
                address, version, ..
            } => {
                status.address = address;
                status.version = version;
                if let Some(run) = status.runs.back_mut() {
                    run.ready.get_or_insert(now);
                }
                if status.state != State::Draining {
                    status.enter(State::Ready, now);
                }
            }
            Report::Readiness(_) if status.state == State::Draining => {}
            Report::Readiness(true) => status.enter(State::Ready, now),
            Report::Readiness(false) => status.enter(State::NotReady, now),
            Report::Shutdown => status.enter(State::Draining, now),
        }
    }

    /// Returns the number of the current run.
    pub(super) fn run(&self) -> Option<u32> {
        self.lock().runs.back().map(|run| run.number)
    }

    /// Returns the process group of a running child.
    pub(super) fn group(&self) -> Option<u32> {
        let status = self.lock();
        let is_running = self.identity.kind == Kind::Child && status.phase != Phase::Idle;
        status.runs.back().filter(|_| is_running)?.pid
    }

    /// Whether the service has reported nothing about itself yet.
    pub(super) fn is_starting(&self) -> bool {
        self.lock().state == State::Starting
    }

    /// Records the address of a service that does not report it. Its readiness is not known.
    pub(super) fn listens(&self, address: SocketAddr) {
        let mut status = self.change();
        if status.state == State::Starting {
            status.address = Some(address.to_string());
            status.enter(State::Unknown, SystemTime::now());
        }
    }

    /// Keeps the last lines of a block.
    pub(super) fn keep_last(&self, block: &[u8]) {
        let mut status = self.lock();
        let kept: Vec<&[u8]> = lines(block).rev().take(LAST_LINES).collect();
        for line in kept.into_iter().rev() {
            let mut slot = match status.last_lines.len() {
                LAST_LINES => status.last_lines.pop_front().unwrap_or_default(),
                _ => Vec::new(),
            };
            slot.clear();
            slot.extend_from_slice(&line[..line.len().min(LINE_LENGTH)]);
            status.last_lines.push_back(slot);
        }
        // Only then does the page show the last line.
        if status.state != State::Starting {
            return;
        }
        let now = Instant::now();
        let is_due = |shown: Instant| now.duration_since(shown) >= LINE_INTERVAL;
        if status.line_shown.is_none_or(is_due) {
            status.line_shown = Some(now);
            self.changes.add();
        }
    }

    /// Locks the status for a change.
    fn change(&self) -> MutexGuard<'_, Status> {
        let status = self.lock();
        // A stream that reads the number now waits for the lock.
        self.changes.add();
        status
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status {
    fn enter(&mut self, state: State, since: SystemTime) {
        if self.state != state {
            self.state = state;
            self.since = since;
        }
    }

    fn last_lines(&self) -> Vec<String> {
        self.last_lines.iter().map(|line| text(line)).collect()
    }
}

/// Returns a line as text without control characters and escape sequences.
fn text(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = anstream::adapter::strip_str(&text).to_string();
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn service() -> Service {
        service_of(Kind::Child)
    }

    fn service_of(kind: Kind) -> Service {
        let identity = Identity {
            name: "orders".into(),
            id: Store::new(1 << 20).service("orders"),
            kind,
            command: Some("cargo run".to_owned()),
            variables: Vec::new(),
        };
        Service::new(identity, Changes::default())
    }

    /// Rules of the console: CON-6.
    #[test]
    fn only_a_running_child_has_a_group() {
        let began = |kind| {
            let service = service_of(kind);
            service.begin(1, Some(7), SystemTime::now());
            service
        };
        assert_eq!(began(Kind::Attached).group(), None);
        let child = began(Kind::Child);
        assert_eq!(child.group(), Some(7));
        child.exited(SystemTime::now(), Exit::Status(0));
        child.ended();
        assert_eq!(child.group(), None);
        assert!(!child.ending(), "it has ended");
    }

    #[test]
    fn reports_change_the_state_until_the_exit() {
        let service = service();
        let state = || service.lock().state;
        service.begin(1, Some(7), SystemTime::now());
        assert_eq!(state(), State::Starting);
        let ready = Report::Ready {
            address: Some("127.0.0.1:80".to_owned()),
            version: None,
            process: None,
        };
        service.report(ready.clone());
        assert_eq!(state(), State::Ready);
        service.report(Report::Readiness(false));
        assert_eq!(state(), State::NotReady);
        service.report(Report::Readiness(true));
        service.report(Report::Shutdown);
        service.report(Report::Readiness(false));
        service.report(ready.clone());
        assert_eq!(state(), State::Draining);
        service.exited(SystemTime::now(), Exit::Status(0));
        service.report(ready);
        assert_eq!(state(), State::Exited);
    }

    #[test]
    fn last_lines_are_kept_without_escape_sequences() {
        let service = service();
        service.begin(1, None, SystemTime::now());
        let many: String = (0..60).map(|n| format!("line {n}\n")).collect();
        service.keep_last(many.as_bytes());
        service.keep_last(b"\x1b[31mred\x1b[0m\ta\xff\r\n\n");
        let lines = service.lock().last_lines();
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines[0], "line 12");
        assert_eq!(lines[48], "red a\u{fffd}");
        assert_eq!(lines[49], "");
    }

    #[test]
    fn address_without_a_record_ends_the_start() {
        let service = service();
        let address = "127.0.0.1:80".parse().unwrap();
        service.begin(1, None, SystemTime::now());
        service.listens(address);
        assert_eq!(service.lock().state, State::Unknown);
        service.report(Report::Readiness(true));
        service.listens(address);
        assert_eq!(service.lock().state, State::Ready);
    }

    #[test]
    fn only_the_last_runs_keep_their_lines() {
        let service = service();
        for number in 1..=5 {
            service.begin(number, None, SystemTime::now());
            service.keep_last(b"a\n");
            service.exited(SystemTime::now(), Exit::Status(0));
            service.ended();
        }
        let runs = &service.lock().runs;
        let counts: Vec<usize> = runs.iter().map(|run| run.last_lines.len()).collect();
        assert_eq!(counts, [0, 0, 1, 1, 1]);
    }

    #[test]
    fn every_change_is_counted() {
        let service = service();
        let before = service.changes.count();
        service.begin(1, None, SystemTime::now());
        service.keep_last(b"Compiling\n");
        service.exited(SystemTime::now(), Exit::Signal(9));
        service.ended();
        service.keep_last(b"late\n");
        assert_eq!(service.changes.count(), before + 4);
    }
}
