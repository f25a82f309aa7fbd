//! An application, as it was and as it is now.

use std::{path::PathBuf, time::Duration};

use harness::{ExitedProcess, Process, Response, Signal, eventually_within};

use super::{
    assert_same, get,
    load::{DRAIN_DELAY, DRAIN_DELAY_TEXT, Load, Target, Work},
};

/// An application and what it needs to run.
pub struct Subject {
    name: &'static str,
    plain: &'static str,
    moved: &'static str,
    env: Vec<(&'static str, String)>,
    shell: &'static str,
}

impl Subject {
    pub fn new(name: &'static str, plain: &'static str, moved: &'static str) -> Self {
        Self {
            name,
            plain,
            moved,
            env: Vec::new(),
            shell: "exec \"$0\"",
        }
    }

    /// Sets a variable for both.
    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Starts both by another line of a shell, in which `$0` is the program.
    pub fn shell(mut self, line: &'static str) -> Self {
        self.shell = line;
        self
    }

    /// The program in plain axum.
    pub fn plain(&self) -> &'static str {
        self.plain
    }

    /// The moved program.
    pub fn moved(&self) -> &'static str {
        self.moved
    }

    /// A folder of this test run for the application's files, empty.
    pub fn folder(&self, purpose: &str) -> PathBuf {
        let name = format!("{}-{purpose}-{}", self.name, std::process::id());
        let folder = std::env::temp_dir().join(name);
        // It is there only if an earlier test of this process made it.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Starts the application in plain axum.
    #[track_caller]
    pub fn start_plain(&self) -> Process {
        let arguments = ["-c", self.shell, self.plain];
        let process = Process::spawn_with("/bin/sh", &arguments, &self.variables());
        let up = eventually_within(Duration::from_secs(30), || {
            (!process.is_alive() || process.try_connect().is_ok()).then_some(())
        });
        assert!(up.is_some() && process.is_alive(), "{}", process.stderr());
        // It may listen before it is ready, and answers when it is.
        let _ = process.request(get("/"));
        process
    }

    /// Starts the moved application.
    #[track_caller]
    pub fn start_moved(&self) -> Process {
        let mut variables = self.variables();
        variables.push(("DRAIN_DELAY", DRAIN_DELAY_TEXT));
        let arguments = ["-c", self.shell, self.moved];
        let process = Process::spawn_with("/bin/sh", &arguments, &variables);
        process.wait_until_ready();
        process
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        let variables = self.env.iter();
        variables
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    /// Sends both the same requests, one after the other, and compares each answer.
    #[track_caller]
    pub fn compare(&self, requests: &[(&'static str, Vec<u8>)]) {
        self.compare_with(|process| {
            requests
                .iter()
                .map(|(what, raw)| (*what, process.request(raw)))
                .collect()
        });
    }

    /// The same, with requests that depend on answers.
    #[track_caller]
    pub fn compare_with(&self, exchange: impl Fn(&Process) -> Vec<(&'static str, Response)>) {
        let plain = self.start_plain();
        let before = exchange(&plain);
        drop(plain);
        let moved = self.start_moved();
        let after = exchange(&moved);
        assert_eq!(before.len(), after.len());
        for ((what, plain), (_, moved)) in before.iter().zip(&after) {
            assert_same(what, plain, moved);
        }
        let ended = moved.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// Sends SIGTERM under load, and asserts that nothing was lost and nothing cut off.
#[track_caller]
pub fn end_under_load(process: Process, target: Target, work: Vec<Work>) -> ExitedProcess {
    end_load(process, Load::start(target, work))
}

/// The same, under a load that has begun.
#[track_caller]
pub fn end_load(process: Process, load: Load) -> ExitedProcess {
    load.wait_for_answers();
    load.allow_refusals_after(DRAIN_DELAY);
    process.signal(Signal::Term);
    let ended = process.wait(Duration::from_secs(30));
    load.finish();
    assert_clean(&ended);
    ended
}

/// Asserts that the process ended with status 0 and cut nothing off.
#[track_caller]
fn assert_clean(ended: &ExitedProcess) {
    let records = ended.records();
    let last = records.last().expect("there is a last record");
    assert_eq!(last["message"], "shutdown_complete");
    assert_eq!(last["requestsCutOff"], 0, "{last}");
    assert_eq!(ended.code, Some(0), "{last}");
}
