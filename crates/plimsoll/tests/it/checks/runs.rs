//! Runs of checks: their number, their limits, and checks that block.

use harness::{Signal, timed};

use super::{CheckFiles, runs, wait_for_change, wait_for_ready, wait_for_runs, wait_until_up};
use crate::support::{ms, spawn, start};

/// HLT-3
#[test]
fn probes_and_scrapes_start_no_run() {
    let files = CheckFiles::new();
    let service = start(&files.env("gate"));
    let before = runs(&service, "gate");
    let ((), elapsed) = timed(|| {
        let mut connection = service.connect();
        for _ in 0..2000 {
            assert_eq!(connection.get("/ready").status, 200);
        }
        for _ in 0..20 {
            drop(service.metrics());
        }
    });
    let elapsed = elapsed.as_secs_f64();
    let more = runs(&service, "gate") - before;
    // One run a second, 10 % earlier or later.
    assert!(more <= elapsed / 0.9 + 1.0, "{more} runs in {elapsed} s");
}

/// HLT-2, HLT-3, HLT-7
#[test]
fn probes_answer_while_every_check_hangs() {
    let files = CheckFiles::new();
    let service = start(&files.env("gate,mild,seen"));
    for check in ["gate", "mild", "seen"] {
        files.set(check, "hang");
    }
    let down = wait_for_change(&service, "gate", "down");
    assert_eq!(down["error"], "no result within 500 ms");
    for _ in 0..100 {
        assert_eq!(service.get("/ready").status, 503);
        assert_eq!(service.get("/health").status, 200);
        assert_eq!(service.get("/startupz").status, 200);
    }
    let labels = [("check", "gate"), ("result", "timeout")];
    let timeouts = service.metrics().value("check_results_total", &labels);
    assert!(timeouts >= Some(3.0), "{timeouts:?}");
    for check in ["gate", "mild", "seen"] {
        files.clear(check);
    }
    wait_for_ready(&service, 200);
}

/// HLT-7
#[test]
fn panicking_check_is_down_and_runs_again() {
    let files = CheckFiles::new();
    let service = start(&files.env("gate"));
    files.set("gate", "panic");
    let down = wait_for_change(&service, "gate", "down");
    assert_eq!(down["error"], "the check panicked");
    assert_eq!(service.get("/hello").status, 200);
    files.clear("gate");
    wait_for_ready(&service, 200);
    let labels = [("check", "gate"), ("result", "panicked")];
    let panicked = service.metrics().value("check_results_total", &labels);
    assert!(panicked >= Some(3.0), "{panicked:?}");
}

/// HLT-4, HLT-7
#[test]
fn check_that_blocks_its_worker_becomes_stale() {
    let files = CheckFiles::new();
    let service = start(&[&files.env("thread")[..], &[("WORKERS", "2")]].concat());
    files.set("thread", "block");
    let stale = wait_for_change(&service, "thread", "down");
    assert_eq!(stale["error"], "stale: no run finishes");
    files.clear("thread");
    wait_until_up(&service, "thread", "degrade");
}

/// HLT-7
#[test]
fn hung_blocking_check_holds_only_one_thread() {
    let files = CheckFiles::new();
    let service = start(&files.env("stuck"));
    wait_for_runs(&service, "stuck", 1);
    let threads = || {
        let folder = format!("/proc/{}/task", service.pid());
        std::fs::read_dir(folder).unwrap().count()
    };
    let before = threads();
    files.set("stuck", "block");
    let down = wait_for_change(&service, "stuck", "down");
    assert_eq!(down["error"], "the previous call has not returned");
    wait_for_runs(&service, "stuck", 4);
    assert!(
        threads() <= before + 1,
        "{} threads, {before} before",
        threads()
    );
    files.clear("stuck");
    wait_until_up(&service, "stuck", "degrade");
}

/// HLT-4
#[test]
fn paused_process_marks_no_check_stale() {
    let files = CheckFiles::new();
    let service = start(&files.env("gate"));
    service.signal(Signal::Stop);
    // Longer than three intervals and one limit.
    std::thread::sleep(ms(4500));
    service.signal(Signal::Cont);
    wait_for_runs(&service, "gate", 3);
    let changes = service.records_with("check_changed");
    assert_eq!(changes.len(), 1, "only the first success: {changes:?}");
}

/// HLT-4: a service manager that wants frequent pings does not make time pass faster.
#[test]
fn frequent_pings_mark_no_check_stale() {
    let files = CheckFiles::new();
    let service = start(&[&files.env("gate")[..], &[("WATCHDOG_USEC", "100000")]].concat());
    wait_for_runs(&service, "gate", 3);
    let changes = service.records_with("check_changed");
    assert_eq!(changes.len(), 1, "only the first success: {changes:?}");
}

/// HLT-6: a signal during the first round ends the start.
#[test]
fn signal_during_the_first_round_cancels_the_start() {
    let files = CheckFiles::new();
    files.set("thread", "block");
    let service = spawn(&files.env("thread"));
    // The check blocks the worker that runs set-up, so the first round does not end.
    service.wait_for_record(|record| record["message"] == "check_blocks");
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.records_with("infra_app_ready").is_empty());
}
