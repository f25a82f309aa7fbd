//! `plimsoll top` without a terminal, on the reference service.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use harness::{Process, ReservedPort, Signal};
use serde_json::Value;

use crate::support::{Scratch, argument, plimsoll, stderr, stdout};

/// Starts `plimsoll top` with a short interval, as a process whose lines can be read.
fn top(arguments: &[&str]) -> Process {
    let fixed = ["top", "--interval", "100ms", "--window", "1s"];
    let arguments: Vec<&str> = fixed.iter().chain(arguments).copied().collect();
    Process::spawn_with(env!("CARGO_BIN_EXE_plimsoll"), &arguments, &[])
}

/// Runs `plimsoll top --json --once`. Returns its exit status and its object.
fn once(arguments: &[&str]) -> (Option<i32>, Value) {
    let fixed = ["top", "--interval", "100ms", "--json", "--once"];
    let arguments: Vec<&str> = fixed.iter().chain(arguments).copied().collect();
    let output = plimsoll(&arguments);
    let object = serde_json::from_slice(&output.stdout);
    let object = object.unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    (output.status.code(), object)
}

#[test]
fn wrong_targets_are_errors_before_the_first_scrape() {
    #[track_caller]
    fn fails(arguments: &[&str], status: i32, message: &str) {
        let output = plimsoll(arguments);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    fails(&["top"], 64, "the instances are missing");
    fails(&["top", "localhost"], 64, "it must be http://HOST:PORT");
    fails(&["top", "https://a"], 64, "clear text");
    let times = ["top", "a:1", "--interval", "2s", "--window", "1s"];
    fails(&times, 64, "--window must be at least");
    fails(&["top", "8388608"], 3, "no process has the id 8388608");
    fails(
        &["top", "host.invalid:1"],
        3,
        "cannot resolve the host host.invalid",
    );
}

#[test]
fn instance_without_an_answer_fails_once() {
    let service = Process::start(harness::reference_service(), &[]);
    let unused = ReservedPort::bind();
    let unused = format!("127.0.0.1:{}", unused.number());
    let (status, object) = once(&[&service.addr().to_string(), &unused]);
    assert_eq!(status, Some(3));
    let [first, second] = [0, 1].map(|index| object["instances"][index].clone());
    assert_eq!(
        (&first["answer"], &first["state"]),
        (&true.into(), &"ready".into())
    );
    assert_eq!(second["answer"], false);
    assert!(
        second["error"]
            .as_str()
            .unwrap()
            .starts_with("cannot connect: "),
        "{second}"
    );
    for name in ["state", "requests_per_second", "p99", "in_flight", "shed"] {
        assert_eq!(second[name], Value::Null, "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn process_is_read_at_its_admin_listener() {
    let admin = ReservedPort::bind();
    let address = format!("127.0.0.1:{}", admin.number());
    let env = [
        ("ADMIN_ADDR", address.as_str()),
        ("INFRA_ENDPOINTS", "admin"),
    ];
    let service = Process::start(harness::reference_service(), &env);
    let (status, object) = once(&[&service.pid().to_string()]);
    assert_eq!(status, Some(0), "{object}");
    assert_eq!(object["instances"][0]["state"], "ready");
}

#[test]
fn unix_socket_is_read() {
    let folder = Scratch::new();
    let host = format!("unix:{}", argument(&folder.path("socket")));
    let _service = Process::start(harness::reference_service(), &[("HOST", &host)]);
    let (status, object) = once(&[&host]);
    assert_eq!(status, Some(0), "{object}");
}

#[test]
fn rates_and_quantiles_are_those_of_the_requests() {
    let service = Process::start(harness::reference_service(), &[]);
    let top = top(&["--json", &service.addr().to_string()]);
    let record = top.wait_for_record(|scrape| {
        assert_eq!(service.get("/").status, 200);
        let rate = &scrape["instances"][0]["requests_per_second"];
        rate.as_f64().is_some_and(|rate| rate > 0.0)
    });
    let instance = &record["instances"][0];
    assert_eq!(instance["errors_percent"], 0.0);
    assert_eq!(instance["p50"]["above"], false);
    assert_eq!(record["routes"][0]["route"], "GET /");
    assert_eq!(record["schema"], "plimsoll.top/1");
}

#[test]
fn restart_is_reported() {
    let port = ReservedPort::bind();
    let number = port.number().to_string();
    let env = [("PORT", number.as_str())];
    let address = format!("127.0.0.1:{number}");
    let service = Process::start(harness::reference_service(), &env);
    let top = top(&[&address]);
    top.wait_for_line(|line| line.contains("state=ready"));
    service.terminate();
    let line = top.wait_for_line(|line| line.contains("answer=no"));
    assert!(line.contains("was=") && !line.contains("was=–"), "{line}");
    assert!(!line.contains(" state="), "{line}");
    let _service = Process::start(harness::reference_service(), &env);
    let line = top.wait_for_line(|line| line.contains("notes="));
    assert!(
        line.contains("state=ready") && line.contains("restarted"),
        "{line}"
    );
    assert!(line.contains("requests_per_second=–"), "{line}");
}

#[test]
fn signals_end_the_command_with_0() {
    for signal in [Signal::Int, Signal::Term, Signal::Hup] {
        let top = top(&["127.0.0.1:1"]);
        top.wait_for_line(|line| line.contains("answer=no"));
        top.signal(signal);
        assert_eq!(
            top.wait(Duration::from_secs(10)).code,
            Some(0),
            "{signal:?}"
        );
    }
}

#[test]
fn command_ends_with_the_reader_of_its_pipe() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    let arguments = ["top", "--interval", "100ms", "127.0.0.1:1"];
    let mut child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("answer=no"));
    drop(lines);
    let status = harness::eventually("the command has ended", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

/// The limits for three instances: 1 % of a CPU with an interval of 1 s, and 20 MiB.
#[cfg(target_os = "linux")]
#[test]
fn cost_of_three_instances_is_within_limits() {
    let service = Process::start(harness::reference_service(), &[]);
    let address = service.addr().to_string();
    let top = top(&["--json", &address, &address, &address]);
    let wait = |scrapes: usize| {
        let mut count = 0;
        top.wait_for_record(|_| {
            count += 1;
            count == scrapes
        });
    };
    wait(1);
    let start = cpu_seconds(top.pid());
    wait(21);
    let per_scrape = (cpu_seconds(top.pid()) - start) / 20.0;
    assert!(per_scrape < 0.01, "{per_scrape} s of CPU for a scrape");
    let status = std::fs::read_to_string(format!("/proc/{}/status", top.pid())).unwrap();
    // Pages of the program itself are left out: an unoptimised one has many.
    let own = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let own = own.and_then(|own| own.trim().strip_suffix(" kB"));
    let own: u32 = own.unwrap().parse().unwrap();
    assert!(own < 8 * 1024, "{own} KiB");
}

/// Returns the CPU time of all threads of a process.
#[cfg(target_os = "linux")]
fn cpu_seconds(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let times = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanoseconds: u64 = text.split(' ').next()?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds).as_secs_f64())
    });
    times.sum()
}
