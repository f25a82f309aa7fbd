//! Signals that end the service, shorten its shutdown, or have no effect.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use harness::{Signal, eventually};

use super::{FLUSH, MARGIN, in_flight, report};
use crate::support::{END, ms, spawn, start};

/// LIFE-1
#[test]
fn sigterm_and_sigint_exit_with_status_0() {
    for (signal, name) in [(Signal::Term, "SIGTERM"), (Signal::Int, "SIGINT")] {
        let service = start(&[]);
        assert_eq!(service.get("/hello").status, 200);
        service.signal(signal);
        let ended = service.wait(END);
        assert_eq!((ended.code, ended.signal), (Some(0), None), "{name}");
        let started = ended.records_with("shutdown_started");
        assert_eq!(started.len(), 1, "{name}");
        assert_eq!(started[0]["reason"], name);
        assert_eq!(report(&ended)["reason"], name);
    }
}

/// LIFE-3
#[test]
fn second_signal_skips_to_the_flush() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "25s")]);
    let _hanging = in_flight(&service, "/hang");
    service.signal(Signal::Term);
    // The clause begins one second after the first signal.
    thread::sleep(ms(1200));
    assert!(service.is_alive());
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(1000) + MARGIN, "{:?}", ended.took);
    assert_eq!(report(&ended)["requestsCutOff"], 1);
}

/// LIFE-3
#[test]
fn second_signal_ends_the_drain_delay() {
    let service = start(&[("DRAIN_DELAY", "25s")]);
    service.signal(Signal::Int);
    thread::sleep(ms(1200));
    assert!(service.is_alive());
    service.signal(Signal::Int);
    let ended = service.wait(END);
    assert!(ended.took < ms(1000) + MARGIN, "{:?}", ended.took);
}

/// LIFE-3
#[test]
fn simultaneous_signals_count_as_one() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = in_flight(&service, "/slow?ms=1500");
    for _ in 0..3 {
        service.signal(Signal::Term);
    }
    assert_eq!(slow.read().text(), "slow\n");
    assert_eq!(service.wait(END).code, Some(0));
}

/// LIFE-3: a second signal cuts off running hooks.
#[test]
fn second_signal_during_a_hook_ends_the_service() {
    let service = start(&[("HOOK_MS", "60000"), ("HOOK_LIMIT_MS", "2000")]);
    service.signal(Signal::Term);
    service.wait_for_record(|record| record["message"] == "shutdown_started");
    // The minimal time between two signals that count as two, after the first has arrived.
    thread::sleep(ms(1050));
    service.signal(Signal::Term);
    let ended = service.wait(Duration::from_secs(10));
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(1000), "{:?}", ended.took);
    assert_eq!(ended.records().last().unwrap()["hooksCutOff"], 3);
}

/// Returns whether a process has a handler for SIGTERM.
fn catches_sigterm(pid: u32) -> bool {
    const SIGTERM: u32 = 15;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (SIGTERM - 1)) != 0)
}

/// LIFE-4
#[test]
fn signal_during_startup_ends_the_service() {
    let service = spawn(&[("SETUP_MS", "60000")]);
    eventually("the signal is caught", || {
        catches_sigterm(service.pid()).then_some(())
    });
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < FLUSH + MARGIN, "{:?}", ended.took);
    assert_eq!(ended.records_with("infra_app_ready").len(), 0);
    assert_eq!(report(&ended)["reason"], "SIGTERM");
}

/// LIFE-4
#[test]
fn signal_at_any_point_of_startup_ends_the_service() {
    for delay in (0..40).step_by(2) {
        let service = spawn(&[]);
        thread::sleep(ms(delay));
        let ended = service.terminate();
        // Before the handler is installed, SIGTERM has its default effect.
        assert!(
            ended.code == Some(0) || ended.signal == Some(15),
            "after {delay} ms: {:?} {:?}\n{}",
            ended.code,
            ended.signal,
            ended.stdout
        );
        assert!(
            ended.took < FLUSH + MARGIN,
            "after {delay} ms: {:?}",
            ended.took
        );
    }
}

/// LIFE-1, LIFE-4
#[test]
fn signal_right_after_ready_runs_the_whole_shutdown() {
    for _ in 0..30 {
        let service = spawn(&[]);
        // A waiting shell sends the signal within microseconds of the ready record.
        let mut shell = Command::new("/bin/sh")
            .args([
                "-c",
                "read go; kill -TERM \"$0\"",
                &service.pid().to_string(),
            ])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        service.wait_until_ready();
        shell.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(shell.wait().unwrap().success());
        let ended = service.wait(END);
        assert_eq!(ended.code, Some(0));
        // Traffic was accepted, so the drain and the hooks must run.
        for message in [
            "shutdown_started",
            "hook_first",
            "hook_last",
            "shutdown_complete",
        ] {
            assert_eq!(
                ended.records_with(message).len(),
                1,
                "{message}: {}",
                ended.stdout
            );
        }
    }
}

/// SIG-3
#[test]
fn other_signals_do_not_end_the_service() {
    let service = start(&[]);
    let others = [
        Signal::Pipe,
        Signal::Cont,
        Signal::Hup,
        Signal::Usr1,
        Signal::Usr2,
    ];
    for signal in others {
        service.signal(signal);
    }
    for name in ["SIGUSR1", "SIGUSR2"] {
        let record = service.wait_for_record(|record| record["signal"] == name);
        assert_eq!(record["message"], "signal_ignored");
    }
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    let ignored = ended.records_with("signal_ignored");
    assert_eq!(ignored.len(), 2, "{ignored:?}");
    let records = ended.records();
    let infra = records.iter().filter(|record| record["name"] == "infra");
    // The records are: ready, two signals, the shutdown, and the report.
    let infra: Vec<_> = infra
        .map(|record| record["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        infra,
        [
            "infra_app_ready",
            "signal_ignored",
            "signal_ignored",
            "shutdown_started",
            "shutdown_complete"
        ]
    );
}

/// SIG-1: one SIGQUIT has the effect of two signals.
#[test]
fn sigquit_skips_to_the_flush() {
    let service = start(&[("DRAIN_DELAY", "20s"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let _hanging = in_flight(&service, "/hang");
    service.signal(Signal::Quit);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(5000), "{:?}", ended.took);
    let report = report(&ended);
    assert_eq!(report["reason"], "SIGQUIT");
    assert_eq!(report["requestsCutOff"], 1);
}

/// SIG-2, SIG-3: ignored signals during requests.
#[test]
fn ignored_signals_fail_no_request() {
    let service = start(&[]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = service.connect();
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(connection.get("/hello").status, 200);
                    }
                })
            })
            .collect();
        // One command for all signals: the shell knows their numbers.
        let all = "for name in HUP USR1 USR2 WINCH PIPE CHLD CONT; do kill -$name \"$0\"; done";
        for _ in 0..20 {
            let pid = service.pid().to_string();
            let sent = Command::new("/bin/sh").args(["-c", all, &pid]).status();
            assert!(sent.is_ok_and(|status| status.success()));
        }
        service.wait_for_record(|record| record["signal"] == "SIGUSR2");
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
    });
    assert_eq!(service.terminate().code, Some(0));
}
