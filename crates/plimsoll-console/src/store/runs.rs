//! Runs: the processes of a service, one after the other.

use std::{borrow::Cow, collections::VecDeque, time::SystemTime};

use serde::Serialize;

use super::row::RunState;

/// The runs that are remembered for each service.
pub(super) const MAX_RUNS: usize = 50;

/// A process of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) pid: Option<u32>,
    pub(crate) began: SystemTime,
}

/// How a process ended: `{"status":3}`, `{"signal":"SIGKILL"}` or `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Exit {
    Status(i32),
    Signal(#[serde(serialize_with = "signal")] i32),
    #[serde(untagged)]
    Unknown,
}

fn signal<S: serde::Serializer>(number: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&signal_name(*number))
}

/// Returns the name of a signal, for numbers that Linux and macOS share.
fn signal_name(number: i32) -> Cow<'static, str> {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 if cfg!(target_os = "linux") => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 if cfg!(target_os = "linux") => "SIGUSR1",
        11 => "SIGSEGV",
        12 if cfg!(target_os = "linux") => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return Cow::Owned(format!("signal {number}")),
    };
    Cow::Borrowed(name)
}

/// The runs of a service; the oldest are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Runs(VecDeque<RunState>);

impl Runs {
    /// Begins a run. Returns its number, from 1.
    pub(crate) fn begin(&mut self, run: Run) -> u32 {
        let number = self.0.back().map_or(1, |last| last.run.saturating_add(1));
        if self.0.len() == MAX_RUNS {
            self.0.pop_front();
        }
        self.0.push_back(RunState {
            run: number,
            pid: run.pid,
            began: run.began,
            ended: None,
            exit: None,
            requests: 0,
            records: 0,
        });
        number
    }

    /// Returns the current run. Without one, a run without a pid begins now.
    pub(crate) fn current(&mut self, now: SystemTime) -> Option<&mut RunState> {
        if self.0.is_empty() {
            self.begin(Run {
                pid: None,
                began: now,
            });
        }
        self.0.back_mut()
    }

    /// Ends the current run, unless it has ended.
    pub(crate) fn end(&mut self, ended: SystemTime, exit: Exit) {
        if let Some(run) = self.0.back_mut()
            && run.ended.is_none()
        {
            run.ended = Some(ended);
            run.exit = Some(exit);
        }
    }

    pub(crate) fn states(&self) -> Vec<RunState> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_named() {
        let json = |exit: Exit| serde_json::to_string(&exit).unwrap();
        assert_eq!(json(Exit::Status(3)), r#"{"status":3}"#);
        assert_eq!(json(Exit::Signal(9)), r#"{"signal":"SIGKILL"}"#);
        assert_eq!(json(Exit::Signal(64)), r#"{"signal":"signal 64"}"#);
        assert_eq!(json(Exit::Unknown), "null");
    }

    #[test]
    fn runs_are_counted_and_limited() {
        let mut runs = Runs::default();
        let run = |pid| Run {
            pid: Some(pid),
            began: SystemTime::UNIX_EPOCH,
        };
        for pid in 1..=70 {
            assert_eq!(runs.begin(run(pid)), pid);
        }
        runs.end(SystemTime::UNIX_EPOCH, Exit::Status(0));
        runs.end(SystemTime::UNIX_EPOCH, Exit::Status(1));
        let states = runs.states();
        assert_eq!(states.len(), MAX_RUNS);
        assert_eq!(states.last().unwrap().exit, Some(Exit::Status(0)));
    }
}
