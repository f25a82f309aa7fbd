//! LIFE: start, drain, end.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use harness::{Connection, ExitedProcess, Process, Signal, eventually, eventually_within, timed};
use serde_json::Value;

use crate::support::{
    END, PROCESSES, access_record, fixture, ms, namespaces_or_skip, request, run, shortest, spawn,
    start,
};

/// Hooks and the flush of telemetry share this much.
const FLUSH: Duration = Duration::from_secs(3);

/// What a limit of the contract is exceeded by on a busy machine.
const MARGIN: Duration = Duration::from_millis(1500);

/// The last record of a service that has ended.
#[track_caller]
fn report(ended: &ExitedProcess) -> Value {
    let records = ended.records();
    let last = records
        .last()
        .expect("a service that has ended has said so")
        .clone();
    assert_eq!(last["message"], "shutdown_complete", "{last}");
    last
}

/// A connection with a request that is being handled.
#[track_caller]
pub(crate) fn in_flight(service: &Process, path: &str) -> Connection {
    let before = gauge(service);
    let mut connection = service.connect();
    connection.send(request("GET", path, ""));
    eventually("the request is in flight", || {
        (gauge(service) == before + 1.0).then_some(())
    });
    connection
}

fn gauge(service: &Process) -> f64 {
    service
        .metrics()
        .value("http_requests_in_flight", &[])
        .expect("the gauge is there")
}

/// LIFE-1
#[test]
fn sigterm_and_sigint_end_the_service_with_status_0() {
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

/// LIFE-1
#[test]
fn readiness_falls_within_100_ms() {
    let took = shortest(|| {
        let service = start(&[("DRAIN_DELAY", "5s")]);
        service.signal(Signal::Term);
        let (_, took) = timed(|| {
            eventually("the service is not ready", || {
                (service.get("/ready").status == 503).then_some(())
            })
        });
        took
    });
    assert!(took < ms(100), "{took:?}");
}

/// LIFE-1
#[test]
fn traffic_is_still_accepted_for_the_drain_delay() {
    let service = start(&[("DRAIN_DELAY", "1500ms")]);
    service.signal(Signal::Term);
    let ((), took) = timed(|| {
        eventually("connections are refused", || match service.try_connect() {
            Ok(mut connection) => {
                // Whoever still connects is still served; the last one may find the door closing.
                let sent = connection.try_send(request("GET", "/hello", ""));
                if let Some(answer) = sent.ok().and_then(|()| connection.read_or_end()) {
                    assert_eq!(answer.status, 200);
                }
                None
            }
            Err(_) => Some(()),
        });
    });
    assert!((ms(1400)..ms(1500) + MARGIN).contains(&took), "{took:?}");
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    let lame_duck = report(&ended)["lameDuckMs"].as_f64().unwrap();
    assert!((1400.0..3000.0).contains(&lame_duck), "{lame_duck}");
}

/// LIFE-1, HTTP-3, HTTP-4
#[test]
fn while_draining_the_service_is_alive_but_not_ready() {
    let service = start(&[("DRAIN_DELAY", "3s")]);
    service.signal(Signal::Term);
    eventually("the service is not ready", || {
        (service.get("/ready").status == 503).then_some(())
    });
    assert_eq!(service.get("/health").text(), "ok\n");
    assert_eq!(service.get("/hello").text(), "hello\n");
    assert_eq!(service.get("/startupz").status, 200);
    let problem = service.get("/readyz");
    assert_eq!(
        problem.header("content-type"),
        Some("application/problem+json")
    );
}

/// LIFE-1
#[test]
fn without_a_drain_delay_the_listener_closes_at_once() {
    let service = start(&[("DRAIN_DELAY", "0"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = in_flight(&service, "/slow?ms=2500");
    service.signal(Signal::Term);
    let refused = eventually_within(ms(2000), || service.try_connect().is_err().then_some(()));
    assert!(refused.is_some() && service.is_alive());
    assert_eq!(slow.read().text(), "slow\n");
}

/// LIFE-1
#[test]
fn requests_in_flight_finish_and_nobody_waits_longer() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = in_flight(&service, "/slow?ms=1000");
    let mut stream = in_flight(&service, "/stream?chunks=10&ms=100");
    service.signal(Signal::Term);
    assert_eq!(slow.read().text(), "slow\n");
    assert_eq!(stream.read().body.len(), 10 * 1024);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(1000) + MARGIN, "{:?}", ended.took);
    assert_eq!(ended.records_with("http_request").len(), 2);
}

/// LIFE-1, LIFE-6
#[test]
fn what_does_not_finish_is_cut_off_and_the_status_says_so() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "300ms")]);
    let mut hanging = in_flight(&service, "/hang");
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert!(
        (ms(250)..ms(300) + FLUSH + MARGIN).contains(&ended.took),
        "{:?}",
        ended.took
    );
    let report = report(&ended);
    assert_eq!(report["exitStatus"], 3);
    assert_eq!(report["requestsCutOff"], 1);
    // A request that was cut off has its one record all the same.
    let access = ended.records_with("http_request");
    assert_eq!(access.len(), 1);
    assert_eq!(access[0]["aborted"], true);
    drop(hanging.read_to_end());
}

/// LIFE-1
#[test]
fn a_client_that_does_not_read_cannot_hold_the_service() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    connection.set_receive_buffer(4096);
    connection.send(request("GET", "/stream?chunks=100000&ms=0", ""));
    eventually("the answer has begun", || {
        (gauge(&service) == 1.0).then_some(())
    });
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(300) + FLUSH + MARGIN, "{:?}", ended.took);
}

/// LIFE-1
#[test]
fn a_handler_that_blocks_its_worker_cannot_hold_the_service() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "300ms"), ("WORKERS", "2")]);
    let mut connection = service.connect();
    connection.send(request("GET", "/blocking?ms=60000", ""));
    // The scrape of a gauge might be sent to the blocked worker: let the handler begin instead.
    assert!(!connection.ends_within(ms(200)));
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(300) + FLUSH + MARGIN, "{:?}", ended.took);
    assert_eq!(report(&ended)["exitStatus"], 3);
}

/// LIFE-1
#[test]
fn all_workers_blocked_cannot_hold_the_service() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "300ms"), ("WORKERS", "1")]);
    let mut connection = service.connect();
    connection.send(request("GET", "/blocking?ms=60000", ""));
    assert!(!connection.ends_within(ms(200)));
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(300) + FLUSH + MARGIN, "{:?}", ended.took);
}

/// LIFE-1
#[test]
fn hooks_run_in_reverse_order_of_their_registration() {
    // One worker: records of different threads have no order among them.
    let service = start(&[("HOOK_MS", "200"), ("WORKERS", "1")]);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let records = ended.records();
    let position = |message: &str| {
        let found = records
            .iter()
            .position(|record| record["message"] == message);
        found.unwrap_or_else(|| panic!("{message} is missing: {}", ended.stdout))
    };
    assert!(position("hook_last") < position("hook_first"));
    assert!(position("hook_ran") > position("shutdown_started"));
    let hooks = report(&ended)["hooksMs"].as_f64().unwrap();
    assert!((200.0..3500.0).contains(&hooks), "{hooks}");
}

/// LIFE-1
#[test]
fn hooks_run_after_the_last_request() {
    // One worker: records of different threads have no order among them.
    let service = start(&[
        ("HOOK_MS", "1"),
        ("SHUTDOWN_TIMEOUT", "20s"),
        ("WORKERS", "1"),
    ]);
    let mut slow = in_flight(&service, "/slow?ms=700");
    service.signal(Signal::Term);
    assert_eq!(slow.read().status, 200);
    let ended = service.wait(END);
    let records = ended.records();
    let position = |message: &str| {
        records
            .iter()
            .position(|record| record["message"] == message)
            .unwrap()
    };
    assert!(position("http_request") < position("hook_ran"));
}

/// LIFE-1
#[test]
fn a_hook_that_hangs_is_cut_off() {
    let service = start(&[("HOOK_MS", "60000"), ("SHUTDOWN_TIMEOUT", "300ms")]);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(300) + FLUSH + MARGIN, "{:?}", ended.took);
    assert_eq!(report(&ended)["exitStatus"], 3);
}

/// LIFE-2
#[test]
fn answers_while_draining_close_their_connections() {
    let service = start(&[("DRAIN_DELAY", "3s")]);
    let mut kept = service.connect();
    assert_eq!(kept.get("/hello").header("connection"), None);
    service.signal(Signal::Term);
    eventually("the service is not ready", || {
        (service.get("/ready").status == 503).then_some(())
    });
    // On a connection of before, and on a new one; neither client asked for it.
    let mut fresh = service.connect();
    for connection in [&mut kept, &mut fresh] {
        let answer = connection.get("/hello");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(connection.ends_within(ms(1000)));
    }
}

/// LIFE-2
#[test]
fn an_answer_that_begins_after_the_signal_closes_its_connection() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut connection = service.connect();
    connection.send("GET /slow?ms=800 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("the request is in flight", || {
        (gauge(&service) == 1.0).then_some(())
    });
    service.signal(Signal::Term);
    let answer = connection.read();
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(connection.read_to_end(), b"");
}

/// LIFE-2, LIFE-5
#[test]
fn whoever_has_just_connected_when_the_drain_begins_is_served() {
    let service = start(&[("DRAIN_DELAY", "300ms"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = in_flight(&service, "/slow?ms=2500");
    service.signal(Signal::Term);
    // Connections that say nothing, up to the moment at which there are none to be had.
    let mut newest = std::collections::VecDeque::new();
    while let Ok(connection) = service.try_connect() {
        newest.push_back(connection);
        if newest.len() > 10 {
            newest.pop_front();
        }
        thread::sleep(ms(1));
    }
    let served = newest
        .iter_mut()
        .filter_map(|connection| {
            connection
                .try_send(
                    "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nnew",
                )
                .ok()?;
            connection.read_or_end()
        })
        .inspect(|answer| assert_eq!(answer.header("connection"), Some("close")))
        .filter(|answer| answer.text() == "3\n")
        .count();
    // The system resets whoever comes while the listener is being closed.
    assert!(served >= 9, "{served} of 10");
    assert_eq!(slow.read().text(), "slow\n");
}

/// LIFE-2
#[test]
fn idle_connections_do_not_delay_the_end() {
    let service = start(&[
        ("IDLE_TIMEOUT", "120s"),
        ("READ_TIMEOUT", "60s"),
        ("SHUTDOWN_TIMEOUT", "20s"),
    ]);
    let mut idle: Vec<Connection> = (0..30).map(|_| service.connect()).collect();
    for (number, connection) in idle.iter_mut().enumerate() {
        match number % 3 {
            // Served once, silent from the start, in the midst of a head.
            0 => assert_eq!(connection.get("/hello").status, 200),
            1 => {}
            _ => connection.send("GET /hello HTTP/1.1\r\nHo"),
        }
    }
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < MARGIN, "{:?}", ended.took);
}

/// LIFE-3
#[test]
fn a_second_signal_skips_to_the_flush() {
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
fn a_second_signal_ends_the_drain_delay_too() {
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
fn two_signals_at_once_are_one() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = in_flight(&service, "/slow?ms=1500");
    for _ in 0..3 {
        service.signal(Signal::Term);
    }
    assert_eq!(slow.read().text(), "slow\n");
    assert_eq!(service.wait(END).code, Some(0));
}

/// Whether a process handles SIGTERM itself by now.
fn catches_sigterm(pid: u32) -> bool {
    const SIGTERM: u32 = 15;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (SIGTERM - 1)) != 0)
}

/// LIFE-4
#[test]
fn a_signal_during_start_up_ends_the_service() {
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
fn a_signal_at_any_moment_of_the_start_ends_the_service() {
    for delay in (0..40).step_by(2) {
        let service = spawn(&[]);
        thread::sleep(ms(delay));
        let ended = service.terminate();
        // Before the handler is installed, the system ends the process as it always does.
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
fn a_signal_right_after_the_service_is_ready_ends_it_in_full() {
    for _ in 0..30 {
        let service = spawn(&[]);
        // A shell that has only to be woken signals within microseconds of the ready record.
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
        // Traffic was accepted, so there is something to drain, and hooks to run.
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

/// The children of a process.
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
fn it_works_as_pid_1() {
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
    let told = ended.records_with("signal_ignored");
    assert_eq!(told.len(), 2, "{told:?}");
    let records = ended.records();
    let infra = records.iter().filter(|record| record["name"] == "infra");
    // It was ready, it heard of two signals and of its end, and it tells how that went.
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

/// SIG-1: whoever wants it at once need not signal twice.
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

/// LIFE-6
#[test]
fn the_report_tells_each_phase_and_the_requests() {
    let service = start(&[
        ("DRAIN_DELAY", "500ms"),
        ("HOOK_MS", "300"),
        ("SHUTDOWN_TIMEOUT", "1s"),
    ]);
    let mut slow = in_flight(&service, "/slow?ms=900");
    let _hanging = in_flight(&service, "/hang");
    service.signal(Signal::Term);
    assert_eq!(slow.read().status, 200);
    let ended = service.wait(END);
    let report = report(&ended);
    assert_eq!(report["name"], "infra");
    assert_eq!(report["levelname"], "INFO");
    assert_eq!(report["reason"], "SIGTERM");
    assert_eq!(report["exitStatus"], 3);
    assert_eq!(report["requestsCutOff"], 1);
    assert_eq!(report["logRecordsDropped"], 0);
    assert!(
        report["requestsFinished"].as_u64().unwrap() >= 1,
        "{report}"
    );
    let bounds: BTreeMap<&str, std::ops::Range<f64>> = BTreeMap::from([
        ("lameDuckMs", 450.0..2500.0),
        ("drainMs", 900.0..3000.0),
        ("hooksMs", 300.0..2500.0),
    ]);
    for (phase, bounds) in bounds {
        let took = report[phase].as_f64().unwrap();
        assert!(bounds.contains(&took), "{phase}: {took}");
    }
}

/// LIFE-6
#[test]
fn the_report_is_the_last_record_even_after_hooks_that_log() {
    let service = start(&[("HOOK_MS", "10")]);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.records_with("hook_ran").len(), 1);
    assert_eq!(report(&ended)["exitStatus"], 0);
    assert_eq!(ended.records_with("shutdown_complete").len(), 1);
}

/// LIFE-1
#[test]
fn the_port_can_be_bound_again_at_once() {
    let service = start(&[]);
    let port = service.addr().port().to_string();
    // A connection that the service closes first leaves its port in TIME_WAIT.
    assert_eq!(service.get("/hello").status, 200);
    assert_eq!(service.terminate().code, Some(0));
    let again = start(&[("PORT", &port)]);
    assert_eq!(again.get("/hello").status, 200);
}

/// CFG-3, CLI-3
#[test]
fn a_port_that_is_taken_is_a_failure_but_no_mistake_of_configuration() {
    let first = start(&[]);
    let port = first.addr().port().to_string();
    let ended = run(&[], &[("PORT", &port)]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.records_with("infra_app_ready").len(), 0);
    assert!((ended.stdout + &ended.stderr).contains(&port));
    assert_eq!(
        first.get("/hello").status,
        200,
        "the first one is not disturbed"
    );
}

/// LIFE-1
#[test]
fn request_that_arrived_before_the_drain_is_answered() {
    let service = start(&[("WORKERS", "1"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut kept = service.connect();
    assert_eq!(kept.get("/hello").text(), "hello\n");
    let mut blocker = service.connect();
    blocker.send("GET /blocking?ms=4000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    service.wait_for_record(|record| record["message"] == "worker_stuck");

    // The only worker reads neither the request nor the signal until the handler returns.
    kept.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let ended = service.terminate();
    let answer = kept.read();
    assert_eq!(answer.text(), "hello\n");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(ended.code, Some(0));
}
