//! Processes under an init system: PID 1, inherited children, SIGSTOP and SIGKILL.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use harness::{Process, Signal, access_record, eventually, request, timed};

use super::report;
use crate::in_flight::ask;
use crate::support::{END, PROCESSES, fixture, ms, namespaces_or_skip, shortest, spawn, start};

/// Returns the children of a process.
fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// LIFE-4
#[test]
fn service_runs_as_pid_1() {
    if !namespaces_or_skip(&PROCESSES) {
        return;
    }
    let program = fixture();
    let mut args = PROCESSES.to_vec();
    args.push(program.to_str().unwrap());
    let outside = Process::spawn_with("unshare", &args, &[]);
    outside.wait_until_ready();
    assert_eq!(outside.get("/hello").status, 200);
    assert_eq!(access_record(&outside, "/hello")["process"], 1);
    let inside = children(outside.pid());
    assert_eq!(inside.len(), 1, "{inside:?}");
    Signal::Term.send(inside[0]);
    let ended = outside.wait(END);
    assert_eq!(ended.code, Some(0));
    assert_eq!(report(&ended)["reason"], "SIGTERM");
}

/// Returns whether a process is in the state of this letter (proc(5)).
fn is_in_state(pid: u32, state: char) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains(&format!("State:\t{state}"))
}

/// SIG-5
#[test]
fn inherited_children_of_pid_1_do_not_disturb_requests() {
    if !namespaces_or_skip(&PROCESSES) {
        return;
    }
    // Each sleeper's parent ends at once, so that PID 1 becomes its parent.
    let script = "for i in 1 2 3 4 5; do (sleep 0.3 &) done; exec \"$0\"";
    let program = fixture();
    let mut args = PROCESSES.to_vec();
    args.extend(["/bin/sh", "-c", script, program.to_str().unwrap()]);
    let outside = Process::spawn_with("unshare", &args, &[]);
    outside.wait_until_ready();
    let inside = children(outside.pid())[0];
    eventually("the children have ended and are not reaped", || {
        let ended = children(inside)
            .iter()
            .filter(|pid| is_in_state(**pid, 'Z'))
            .count();
        (ended == 5).then_some(())
    });
    for path in ["/hello", "/health", "/ready"] {
        assert_eq!(outside.get(path).status, 200, "{path}");
    }
    Signal::Term.send(inside);
    let ended = outside.wait(END);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.records_with("shutdown_complete").len(), 1);
}

/// SIG-4
#[test]
fn connections_after_a_pause_are_accepted() {
    let service = start(&[("READ_TIMEOUT", "500ms"), ("REQUEST_TIMEOUT", "500ms")]);
    let mut kept = service.connect();
    assert_eq!(kept.get("/hello").status, 200);
    service.signal(Signal::Stop);
    eventually("it stands still", || {
        is_in_state(service.pid(), 'T').then_some(())
    });
    // The system completes these connections, and the service accepts them after the stop.
    let mut during: Vec<_> = (0..50).map(|_| service.connect()).collect();
    for connection in &mut during[..25] {
        connection.send(request("GET", "/slow?ms=10", ""));
    }
    // Longer than every limit: the pause is the tested condition.
    thread::sleep(ms(2000));
    service.signal(Signal::Cont);
    let ((), took) = timed(|| assert_eq!(service.get("/slow?ms=10").status, 200));
    assert!(took < ms(1000), "{took:?}");
    for connection in &mut during[25..] {
        connection.send(request("GET", "/slow?ms=10", ""));
    }
    for connection in &mut during {
        assert_eq!(connection.read().text(), "slow\n");
    }
    for _ in 0..50 {
        assert_eq!(service.get("/hello").status, 200);
    }
    kept.send(ask("/hello"));
    assert_eq!(kept.read().status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.records_with("worker_stuck").is_empty());
}

/// Sends requests until it is stopped, to any process at the address.
fn load(over: &AtomicBool, service: &Process) {
    while !over.load(Ordering::Relaxed) {
        let Ok(mut connection) = service.try_connect() else {
            return;
        };
        if connection.try_send(request("GET", "/hello", "")).is_err() {
            return;
        }
        drop(connection.read_or_end());
    }
}

/// SIG-4
#[test]
fn restart_after_sigkill_is_ready_within_a_second() {
    let took = shortest(|| {
        let first = start(&[]);
        let port = first.addr().port().to_string();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| load(&over, &first));
            }
            eventually("there is load", || {
                (first.records_with("http_request").len() > 100).then_some(())
            });
            first.signal(Signal::Kill);
            assert_eq!(first.wait(END).signal, Some(9));
            over.store(true, Ordering::Relaxed);
            let (next, took) = timed(|| start(&[("PORT", &port)]));
            assert_eq!(next.get("/hello").status, 200);
            took
        })
    });
    assert!(took < ms(1000), "{took:?}");
}

/// SIG-4
#[test]
fn unix_socket_of_a_killed_process_is_reused() {
    let name = format!("catalogue-{}-killed.sock", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let host = format!("unix:{}", path.display());
    let env = [("HOST", host.as_str())];
    for _ in 0..3 {
        let service = start(&env);
        assert_eq!(service.get("/hello").status, 200);
        service.signal(Signal::Kill);
        assert_eq!(service.wait(END).signal, Some(9));
        assert!(path.exists());
    }
    let last = spawn(&env);
    last.wait_until_ready();
    assert_eq!(last.terminate().code, Some(0));
    assert!(!path.exists());
    fs::remove_file(path.with_extension("sock.lock")).unwrap();
}
