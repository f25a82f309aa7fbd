//! SIGTERM right after the start of a process, also as PID 1 of a namespace, for which the kernel
//! discards signals without a handler.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Process, Signal, eventually_within, example};

use crate::setup::{Figures, now, plain, scaled};
use crate::support::{END, PROCESSES, fixture, namespaces_or_skip};

/// The time limit for the exit after SIGTERM.
const GONE: Duration = Duration::from_secs(2);

fn delays() -> impl Iterator<Item = Duration> {
    let starts = scaled(10, 100);
    (0..starts).map(move |number| Duration::from_millis(100) * number / starts)
}

/// The outcomes of many processes.
#[derive(Default)]
struct Ends {
    late: u32,
    wrong: Vec<String>,
    slowest: Duration,
}

// === impl Ends ===

impl Ends {
    fn add(
        &mut self,
        signalled: Instant,
        process: &Process,
        good: impl Fn(&harness::ExitedProcess) -> bool,
    ) {
        let ended = process.wait(END);
        let took = signalled.elapsed();
        self.slowest = self.slowest.max(took);
        self.late += u32::from(took > GONE);
        if !good(&ended) {
            let (code, signal) = (ended.code, ended.signal);
            self.wrong.push(format!("code {code:?}, signal {signal:?}"));
        }
    }

    #[track_caller]
    fn judge(self, mut figures: Figures) {
        figures.exact("processes that live for more than 2s", 0, self.late);
        figures.exact(
            "ends with another status",
            String::new(),
            self.wrong.join("; "),
        );
        figures.info("slowest end", format!("{:?}", self.slowest));
        figures.judge();
    }
}

fn program() -> std::path::PathBuf {
    match plain() {
        true => example("plain"),
        false => fixture(),
    }
}

/// LIFE-4
#[test]
fn early_sigterm_always_ends_the_process() {
    let mut ends = Ends::default();
    for delay in delays() {
        let process = Process::spawn(program(), &[]);
        thread::sleep(delay);
        let signalled = now();
        process.signal(Signal::Term);
        ends.add(signalled, &process, |ended| {
            // 15 is the default effect of SIGTERM, before the program runs.
            ended.code == Some(0) || ended.signal == Some(15)
        });
    }
    ends.judge(Figures::of("early SIGTERM"));
}

/// LIFE-4
#[test]
fn early_sigterm_always_ends_pid_1_of_a_namespace() {
    if !namespaces_or_skip(&PROCESSES) {
        return;
    }
    let mut ends = Ends::default();
    let mut installed = Duration::ZERO;
    let mut never = 0;
    for delay in delays() {
        let mut args: Vec<_> = PROCESSES.iter().map(std::ffi::OsString::from).collect();
        args.push(program().into());
        let outside = Process::spawn_with("unshare", &args, &[]);
        let began = now();
        let first = eventually_within(END, || first_process(outside.pid())).unwrap();
        let limit = Duration::from_secs(2);
        if eventually_within(limit, || handles_sigterm(first).then_some(())).is_none() {
            never += 1;
            continue;
        }
        installed = installed.max(began.elapsed());
        thread::sleep(delay);
        let signalled = now();
        Signal::Term.send(first);
        ends.add(signalled, &outside, |ended| ended.code == Some(0));
    }
    let mut figures = Figures::of("early SIGTERM as PID 1");
    figures.exact("processes without a handler after 2s", 0, never);
    figures.info("handler installed after", format!("{installed:?}"));
    ends.judge(figures);
}

/// Returns the child of `unshare`, once it executes the program.
fn first_process(unshare: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
    let child = children.ok()?.split_whitespace().next()?.parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() != "unshare").then_some(child)
}

/// Returns whether a process has a handler for SIGTERM, according to the kernel.
fn handles_sigterm(process: u32) -> bool {
    const SIGTERM: u64 = 1 << (15 - 1);
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & SIGTERM != 0)
}
