//! Arguments and exit statuses.

use std::time::Duration;

use harness::{Process, ReservedPort};
use serde_json::Value;

use super::ANY;
use crate::support::{plimsoll, stderr, stdout};

#[track_caller]
fn fails(arguments: &[&str], status: i32, message: &str) {
    let output = plimsoll(&[&["console"], arguments].concat());
    assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
    assert!(stderr(&output).contains(message), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

#[test]
fn wrong_options_start_nothing() {
    fails(&[], 64, "the services are missing");
    fails(&["--run", "a"], 64, "NAME=COMMAND");
    fails(&["--run", "a b=true"], 64, "letters, digits");
    fails(&["--run", "a=true", "--run", "a=true"], 64, "two services");
    fails(&["--memory", "1", "--", "true"], 64, "16MiB");
    fails(&["--listen", "0.0.0.0:0", "--", "true"], 64, "--allow-host");
}

#[test]
fn status_of_the_child_ends_the_command() {
    let end = |script: &str| {
        let options = [
            "--listen",
            ANY,
            "--otlp",
            ANY,
            "--exit-with-child",
            "--quiet",
        ];
        let command = ["--", "sh", "-c", script];
        let arguments = [&["console"], &options[..], &command].concat();
        plimsoll(&arguments).status.code()
    };
    assert_eq!(end("exit 0"), Some(0));
    assert_eq!(end("exit 7"), Some(7));
    assert_eq!(end("kill -KILL $$"), Some(137));
}

#[test]
fn command_that_does_not_exist_is_reported() {
    let console = super::Console::start(&["--", "/nonexistent/service"]);
    let ended = |service: &Value| !service["runs"][0]["lastLines"][0].is_null();
    let service = console.wait_for("service", ended);
    let run = &service["runs"][0];
    assert_eq!(run["exit"]["status"], 127);
    let line = run["lastLines"][0].as_str().unwrap();
    assert!(line.contains("cannot run /nonexistent/service"), "{line}");
}

#[test]
fn taken_port_is_skipped() {
    let port = ReservedPort::bind();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    drop(port);
    let address = taken.local_addr().unwrap();
    let listen = address.to_string();
    let arguments = [
        "console", "--listen", &listen, "--otlp", ANY, "--", "sleep", "60",
    ];
    let console = Process::spawn_with(env!("CARGO_BIN_EXE_plimsoll"), &arguments, &[]);
    let text = harness::eventually("the address is printed", || {
        let text = console.stderr();
        text.contains("scripts").then_some(text)
    });
    assert!(text.contains("http://127.0.0.1:"), "{text}");
    assert!(!text.contains(&listen), "{text}");
    assert_eq!(console.terminate().code, Some(0));
}

/// The environment of a shell often has settings of the service.
#[test]
fn variables_do_not_change_the_page() {
    let arguments = [
        "console", "--listen", ANY, "--otlp", ANY, "--", "sleep", "60",
    ];
    let variables = [("PORT", "no port"), ("LOG_LEVEL", "wrong"), ("HOST", "x")];
    let console = Process::spawn_with(env!("CARGO_BIN_EXE_plimsoll"), &arguments, &variables);
    harness::eventually("the address is printed", || {
        console.stderr().contains("http://127.0.0.1:").then_some(())
    });
    console.signal(harness::Signal::Term);
    assert_eq!(console.wait(Duration::from_secs(10)).code, Some(0));
}

/// The end of one child must not leave the end of another in the queue.
#[test]
fn children_that_end_together_end_the_console() {
    let options = [
        "--listen",
        ANY,
        "--otlp",
        ANY,
        "--exit-with-child",
        "--quiet",
    ];
    let children = ["--run", "a=true", "--run", "b=true", "--run", "c=true"];
    for _ in 0..10 {
        let arguments = [&["console"], &options[..], &children].concat();
        let console = Process::spawn_with(env!("CARGO_BIN_EXE_plimsoll"), &arguments, &[]);
        assert_eq!(console.wait(Duration::from_secs(20)).code, Some(0));
    }
}
