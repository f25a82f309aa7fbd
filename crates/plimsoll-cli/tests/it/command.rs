//! Arguments, exit statuses and outputs of the command.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use harness::Signal;

use crate::{
    support::{Scratch, argument, plimsoll, stderr, stdout, verify},
    terminal::Terminal,
};

#[track_caller]
fn fails(arguments: &[&str], status: i32, message: &str) {
    let output = plimsoll(arguments);
    assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
    assert!(stderr(&output).contains(message), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

/// The fastest of some starts, since other processes delay the rest.
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "the limit is that of an optimised build: cargo test --release"
)]
fn command_starts_within_20_ms() {
    for arguments in [&["--help"][..], &["completions", "bash"]] {
        let starts = (0..20).map(|_| harness::timed(|| plimsoll(arguments)).1);
        let fastest = starts.min().expect("there are starts");
        assert!(fastest.as_millis() < 20, "{arguments:?}: {fastest:?}");
    }
}

#[test]
fn usage_errors_exit_with_64() {
    fails(&["verify"], 64, "the service is missing");
    fails(
        &["verify", "--only", "HTTP-99", "--", "a"],
        64,
        "it names no group",
    );
    fails(
        &["verify", "--only", "RID", "--skip", "RID", "--", "a"],
        64,
        "no check",
    );
    fails(&["verify", "--explain", "HTTP-99"], 64, "no clause");
    fails(&["verify", "https://localhost"], 64, "http://");
    fails(&["verify", "--timeout", "10", "--", "a"], 64, "500ms");
    fails(&["verify", "--env", "A", "--", "a"], 64, "NAME=VALUE");
    fails(&["unknown"], 64, "unrecognized subcommand");
}

#[test]
fn service_that_does_not_start_exits_with_3() {
    fails(
        &["verify", "--", "/nonexistent"],
        3,
        "cannot run /nonexistent",
    );
    let ends = ["verify", "--", "sh", "-c", "echo a last word; exit 9"];
    fails(&ends, 3, "status 9");
    fails(&ends, 3, "| a last word");
    fails(&["verify", "http://127.0.0.1:1"], 3, "does not answer");
}

/// The report of a wrong port names the right one.
#[test]
fn service_on_another_port_is_found() {
    let service = harness::reference_service();
    let port = harness::ReservedPort::bind();
    let script = format!("PORT={} exec {}", port.number(), argument(&service));
    let start = ["verify", "--start-timeout", "2s", "--", "sh", "-c", &script];
    fails(
        &start,
        3,
        &format!("the service listens on {}", port.number()),
    );

    let port = port.number().to_string();
    let options = ["--only", "HTTP-3", "--port", &port];
    let report = verify(&options, &["sh", "-c", &script]);
    assert_eq!(report.status, Some(0));
}

#[test]
fn service_at_a_url_gets_passive_checks() {
    let service = harness::Process::start(harness::reference_service(), &[]);
    let url = format!("http://{}", service.addr());
    let output = plimsoll(&["verify", "--json", &url]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = |id: &str| {
        let mut checks = report["checks"].as_array().unwrap().iter();
        let check = checks.find(|check| check["id"] == id).unwrap();
        check["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("HTTP-1:banner"), "holds");
    assert_eq!(verdict("MET-1:counts"), "holds");
    assert_eq!(verdict("LOG-3:one"), "not_proven");
    assert_eq!(verdict("LIFE-1:exit"), "not_proven");
    assert_eq!(report["starts"], 0);
    assert_eq!(service.get("/health").status, 200, "the service still runs");
}

#[test]
fn not_proven_checks_fail_if_proof_is_required() {
    let service = harness::Process::start(harness::reference_service(), &[]);
    let url = format!("http://{}", service.addr());
    let arguments = ["verify", "--only", "LOG-3", "--require-proof", &url];
    assert_eq!(plimsoll(&arguments).status.code(), Some(2));
}

#[test]
fn no_process_survives_the_command() {
    let service = harness::reference_service();
    let folder = Scratch::new();
    let pids = folder.path("pids");
    // The shell stays the main process, so the service is another process of the group.
    let script = format!(
        "{} & echo $! >>{}; wait",
        argument(&service),
        argument(&pids)
    );
    verify(&["--only", "HTTP-3"], &["sh", "-c", &script]);
    assert_gone(&pids);
}

/// Requires that the processes whose ids a file has are gone.
#[track_caller]
fn assert_gone(pids: &Path) {
    let pids = std::fs::read_to_string(pids).expect("the script has written it");
    assert!(!pids.is_empty());
    for pid in pids.lines() {
        // The kernel ends a killed process some time after the signal.
        harness::eventually("the process is gone", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |stat| stat.contains(") Z "))
                .then_some(())
        });
    }
}

#[test]
fn signals_end_the_service_with_the_command() {
    for signal in [Signal::Hup, Signal::Int, Signal::Quit, Signal::Term] {
        let folder = Scratch::new();
        let pids = folder.path("pids");
        // It does not listen, so the command waits for it until the signal.
        let script = format!("echo $$ >{}; exec sleep 60", argument(&pids));
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .args(["verify", "--", "sh", "-c", &script])
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the command can be run");
        harness::eventually("the service runs", || {
            let text = std::fs::read_to_string(&pids).unwrap_or_default();
            text.ends_with('\n').then_some(())
        });
        signal.send(child.id());
        let status = harness::eventually(&format!("the command ends at {signal:?}"), || {
            child.try_wait().expect("it is a child")
        });
        assert_eq!(status.code(), Some(70), "{signal:?}");
        assert_gone(&pids);
    }
}

#[test]
fn caller_chooses_variables_and_seed() {
    let service = harness::reference_service();
    let options = [
        "--only",
        "HTTP-1",
        "--env",
        "SERVICE_NAME=other",
        "--seed",
        "2a",
    ];
    let report = verify(&options, &[argument(&service)]);
    assert_eq!(report.with("violated"), ["HTTP-1:banner"]);
    assert_eq!(report.json["seed"], "2a");
}

#[test]
fn contract_is_listed_and_explained() {
    let list = stdout(&plimsoll(&["verify", "--list"]));
    assert!(list.contains("RID-1:echo"), "{list}");
    let json = plimsoll(&["verify", "--list", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["schema"], "plimsoll.contract/1");
    let text = stdout(&plimsoll(&["verify", "--explain", "RID-1"]));
    assert!(text.contains("why ") && text.contains("fix "), "{text}");
    assert!(text.contains("tests of plimsoll"), "{text}");
}

#[test]
fn reports_are_written_to_files() {
    let service = harness::reference_service();
    let folder = Scratch::new();
    let option = |format: &str| format!("{format}={}", argument(&folder.path(format)));
    let options = ["junit", "sarif", "json"].map(option);
    let [junit, sarif, json] = &options;
    let reports = ["--report", junit, "--report", sarif, "--report", json];
    let report = verify(
        &[&["--only", "HTTP-1"], &reports[..]].concat(),
        &[argument(&service)],
    );
    assert_eq!(report.status, Some(0));
    let text = |format: &str| std::fs::read_to_string(folder.path(format)).unwrap();
    assert!(text("junit").contains("<testcase name=\"HTTP-1\""));
    assert!(text("sarif").contains("\"version\": \"2.1.0\""));
    assert!(text("json").contains("plimsoll.verify/1"));

    let missing = [
        "verify",
        "--only",
        "HTTP-1",
        "--report",
        "junit=/nonexistent/a",
        "--",
    ];
    let missing = [&missing[..], &[argument(&service)]].concat();
    fails(&missing, 70, "cannot write the report /nonexistent/a");
    fails(
        &["verify", "--report", "a=b", "--", "a"],
        64,
        "it must be junit=FILE",
    );
}

/// Standard error has the progress on a terminal only, and nothing of it remains.
#[test]
fn progress_is_shown_on_a_terminal() {
    let service = harness::reference_service();
    let service = argument(&service);
    let only = ["verify", "--only", "HTTP,CFG-2", "--", service];
    let mut terminal = Terminal::start(&only);
    terminal.wait_for(" checks · ");
    let ended = || terminal.child.try_wait().expect("the child is ours");
    harness::eventually("the command has ended", ended);
    terminal.wait_for(" starts · ");
    let screen = terminal.with_screen(|screen| screen.contents());
    assert!(!screen.contains(" checks · "), "{screen}");

    let output = plimsoll(&only);
    assert_eq!(stderr(&output), "");
}

#[test]
fn report_has_the_surface_of_the_service() {
    let service = harness::reference_service();
    let report = verify(&["--only", "LOG-3,MET-1"], &[argument(&service)]);
    let surface = &report.json["surface"];
    assert_eq!(surface["metrics"]["http_requests_total"]["type"], "counter");
    let has = |list: &serde_json::Value, text: &str| {
        let mut texts = list.as_array().unwrap().iter();
        texts.any(|other| other == text)
    };
    assert!(has(&surface["paths"], "/metrics"), "{surface:#}");
    assert!(
        has(&surface["records"]["http_request"], "rawPath"),
        "{surface:#}"
    );
}

#[test]
fn plan_has_the_checks_that_others_require() {
    let only = ["verify", "--plan", "--only", "TLS-5:counter", "--", "a"];
    let plan = stdout(&plimsoll(&only));
    assert!(plan.contains("TLS-1:versions"), "{plan}");
}

#[test]
fn plan_starts_nothing() {
    let plan = plimsoll(&["verify", "--plan", "--", "/nonexistent", "argument"]);
    assert_eq!(plan.status.code(), Some(0));
    let plan = stdout(&plan);
    assert!(plan.contains("/nonexistent argument"), "{plan}");
    assert!(plan.contains("LIFE-1:exit       SIGTERM"), "{plan}");
}
