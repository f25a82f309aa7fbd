//! Child processes: signals, ends, restarts, and their lines.

use std::time::Duration;

use harness::{Connection, ReservedPort, Signal, eventually};
use serde_json::Value;

use super::{Console, fixture_on, is_alive, load, pid};
use crate::support::{Scratch, argument};

/// Whether a run and all processes of its group have ended.
fn has_ended(service: &Value, run: u32) -> bool {
    service["run"] == run && service["state"] == "exited" && service["controls"][0] == "start"
}

#[test]
fn service_at_full_load_loses_no_record() {
    const CONNECTIONS: usize = 4;
    const REQUESTS: usize = 4_000;
    let console = Console::with_fixture(&["--quiet"]);
    let addr = console.process.addr();
    let clients =
        (0..CONNECTIONS).map(|_| std::thread::spawn(move || load(addr, "/hello", REQUESTS)));
    let clients: Vec<_> = clients.collect();
    let answered: usize = clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .sum();
    assert_eq!(answered, CONNECTIONS * REQUESTS);
    let service = console.wait_for("fixture", |service| {
        service["runs"][0]["requests"].as_u64() >= Some(answered as u64)
    });
    assert_eq!(service["runs"][0]["requests"], answered);
    let store = &console.get("/api/state")["store"];
    assert_eq!(
        (&store["cut"], &store["unreadable"]),
        (&0.into(), &0.into())
    );

    assert_eq!(
        console.send("POST", "/api/services/fixture/stop").status,
        202
    );
    console.wait_for("fixture", |service| service["state"] == "exited");
    let last = console.get("/api/logs?filter=shutdown_complete");
    assert_eq!(
        last["items"][0]["fields"]["logRecordsDropped"], 0,
        "{last:#}"
    );
}

#[test]
fn ctrl_c_drains_two_children() {
    let ports = [ReservedPort::bind(), ReservedPort::bind()];
    let options = [fixture_on("a", &ports[0]), fixture_on("b", &ports[1])];
    let console = Console::start(&[&options[0], &options[1]]);
    let mut slow: Vec<Connection> = Vec::new();
    for (name, port) in ["a", "b"].iter().zip(&ports) {
        let service = console.wait_for(name, |service| service["state"] == "ready");
        let address = format!("127.0.0.1:{}", port.number());
        assert_eq!(service["address"], address);
        let mut connection = Connection::tcp(address.parse().unwrap()).unwrap();
        connection.send(harness::request("GET", "/log?ms=0", ""));
        assert_eq!(connection.read().status, 200);
        let mut connection = Connection::tcp(address.parse().unwrap()).unwrap();
        connection.send(harness::request("GET", "/slow?ms=700", ""));
        slow.push(connection);
    }
    // The requests are in flight when their services count them.
    for port in &ports {
        let addr = ([127, 0, 0, 1], port.number()).into();
        eventually("the request is in flight", || {
            let mut connection = Connection::tcp(addr).unwrap();
            let text = connection.get("/metrics").text().to_owned();
            text.contains("http_requests_in_flight 1").then_some(())
        });
    }
    console.process.signal(Signal::Int);
    for mut connection in slow {
        assert_eq!(connection.read().status, 200);
    }
    let exited = console.process.wait(Duration::from_secs(20));
    assert_eq!(exited.code, Some(0), "{}", exited.stderr);
    for name in ["a", "b"] {
        let text = format!("{name} has ended: exit status 0");
        assert!(exited.stderr.contains(&text), "{}", exited.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn killed_console_leaves_no_child() {
    let console = Console::with_fixture(&[]);
    let child = pid(&console.service("fixture"));
    assert!(is_alive(child));
    console.process.signal(Signal::Kill);
    eventually("the child is gone", || (!is_alive(child)).then_some(()));
}

/// The kernel ends main processes only.
#[test]
fn killed_console_leaves_no_grandchild() {
    let folder = Scratch::new();
    let pids = folder.path("pids");
    let script = format!("a=sleep 60 & echo $! >{}; wait", argument(&pids));
    let console = Console::start(&["--run", &script]);
    let grandchild = eventually("the shell has started a process", || {
        let text = std::fs::read_to_string(&pids).unwrap_or_default();
        text.strip_suffix('\n')?.parse().ok()
    });
    assert!(is_alive(grandchild));
    console.process.signal(Signal::Kill);
    eventually("the process is gone", || {
        (!is_alive(grandchild)).then_some(())
    });
}

#[test]
fn exit_shows_status_and_last_lines() {
    let script = "for n in $(seq 40); do echo line $n; done; echo 'last word' >&2; exit 3";
    let console = Console::start(&["--run", &format!("a={script}")]);
    let service = console.wait_for("a", |service| has_ended(service, 1));
    assert_eq!(service["state"], "exited");
    assert_eq!(service["pid"], Value::Null);
    assert_eq!(service["command"], script);
    let run = &service["runs"][0];
    assert_eq!(run["exit"], serde_json::json!({"status": 3}));
    let lines = run["lastLines"].as_array().unwrap();
    assert_eq!(lines.len(), 41);
    assert!(lines.contains(&"last word".into()) && lines.contains(&"line 40".into()));

    // The console stays, and starts it again.
    assert_eq!(console.send("POST", "/api/services/a/start").status, 202);
    let service = console.wait_for("a", |service| has_ended(service, 2));
    assert_eq!(service["runs"].as_array().unwrap().len(), 2);
    let logs = console.get("/api/logs?filter=service:a&limit=1000");
    let texts = logs["items"].as_array().unwrap();
    let of = |run: u32| {
        let rows = texts.iter();
        rows.filter(move |row| row["run"] == run && row["text"] == true)
    };
    assert_eq!((of(1).count(), of(2).count()), (41, 41));
}

#[test]
fn restart_begins_a_run_with_a_new_process() {
    let console = Console::with_fixture(&[]);
    let first = pid(&console.service("fixture"));
    assert_eq!(
        console.send("POST", "/api/services/fixture/start").status,
        409
    );
    assert_eq!(console.send("POST", "/api/services/other/stop").status, 404);
    assert_eq!(
        console.send("POST", "/api/services/fixture/burn").status,
        404
    );
    let response = console.send("POST", "/api/services/fixture/restart");
    assert_eq!(response.status, 202);
    assert!(response.json()["change"].is_u64());
    let service = console.wait_for("fixture", |service| {
        service["run"] == 2 && service["state"] == "ready"
    });
    assert_ne!(pid(&service), first);
    assert_eq!(service["runs"][0]["exit"]["status"], 0);
    assert!(!is_alive(first));
}

#[test]
fn child_without_a_reaction_is_killed() {
    let stubborn = "a=trap '' TERM; echo set; while :; do sleep 1; done";
    let console = Console::start(&["--grace", "200ms", "--run", stubborn]);
    console.wait_for("a", |service| service["lastLine"] == "set");
    let child = pid(&console.service("a"));
    assert_eq!(console.send("POST", "/api/services/a/stop").status, 202);
    let service = console.wait_for("a", |service| service["state"] == "exited");
    assert_eq!(service["runs"][0]["exit"]["signal"], "SIGKILL");
    assert!(!is_alive(child));
}

#[test]
fn third_ctrl_c_kills() {
    let console = Console::start(&[
        "--run",
        "a=trap '' TERM; echo set; while :; do sleep 1; done",
    ]);
    console.wait_for("a", |service| service["lastLine"] == "set");
    let child = pid(&console.service("a"));
    for text in ["stopping", "SIGTERM again"] {
        console.process.signal(Signal::Int);
        eventually("the signal is confirmed", || {
            console.process.stderr().contains(text).then_some(())
        });
        assert!(is_alive(child));
    }
    let exited = console.interrupt();
    assert_eq!(exited.code, Some(0));
    assert!(!is_alive(child));
}

#[test]
fn no_process_of_a_group_is_left_behind() {
    let folder = Scratch::new();
    let pids = folder.path("pids");
    let script = format!(
        "a=sleep 60 & echo $! >>{}; trap '' TERM; sleep 60 & echo $! >>{0}; exit 0",
        argument(&pids)
    );
    let console = Console::start(&["--run", &script]);
    console.wait_for("a", |service| has_ended(service, 1));
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        assert!(!is_alive(pid.parse().unwrap()), "{pid}");
    }
}

#[test]
fn variables_of_the_console_are_shown() {
    let console = Console::start(&["--run", "a=echo $LOG_FORMAT $PYTHONUNBUFFERED"]);
    // The end of the process can precede that of its output.
    let service = console.wait_for("a", |service| has_ended(service, 1));
    assert_eq!(service["runs"][0]["lastLines"][0], "json 1");
    let set = service["set"].as_array().expect("a list");
    for variable in [
        serde_json::json!({"name": "LOG_FORMAT", "value": "json", "forced": true}),
        serde_json::json!({"name": "PYTHONUNBUFFERED", "value": "1", "forced": false}),
        serde_json::json!({"name": "OTEL_METRICS_EXPORTER", "value": "none", "forced": false}),
    ] {
        assert!(set.contains(&variable), "{variable} is not in {set:?}");
    }
}

#[test]
fn lines_are_echoed_without_escape_sequences() {
    let script = r#"printf '\033[2Jtext\n{"level":"info","msg":"a\\u001b[31mb","n":1}\n'"#;
    let console = Console::start(&["--run", &format!("a={script}"), "--run", "bb=echo x"]);
    console.wait_for("a", |service| service["state"] == "exited");
    console.wait_for("bb", |service| service["state"] == "exited");
    let exited = console.interrupt();
    assert!(
        exited.stdout.contains("a   [2Jtext\n"),
        "{:?}",
        exited.stdout
    );
    assert!(
        exited.stdout.contains("INFO    a [31mb  n=1\n"),
        "{:?}",
        exited.stdout
    );
    assert!(exited.stdout.contains("bb x\n"), "{:?}", exited.stdout);
    assert!(!exited.stdout.contains('\x1b'));
}

/// Such as a service in another framework.
#[cfg(target_os = "linux")]
#[test]
fn address_is_found_without_a_record() {
    let port = ReservedPort::bind();
    let option = format!("{} >/dev/null", fixture_on("a", &port));
    let console = Console::start(&[&option]);
    let service = console.wait_for("a", |service| !service["address"].is_null());
    assert_eq!(service["state"], "unknown");
    assert_eq!(service["address"], format!("127.0.0.1:{}", port.number()));
}
