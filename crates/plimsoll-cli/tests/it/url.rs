//! `plimsoll verify` of a service at a URL: its log, its admin listener, and intrusive checks.

use std::{
    fs::{self, File},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use harness::{ReservedPort, eventually};
use serde_json::Value;

use crate::support::{argument, plimsoll, stderr, stdout};

/// The reference service, with its output where a test reads it.
struct Service {
    child: Child,
    port: ReservedPort,
}

impl Service {
    #[track_caller]
    fn start(stdout: impl Into<Stdio>, variables: &[(&str, &str)]) -> Self {
        let port = ReservedPort::bind();
        let mut command = Command::new(harness::reference_service());
        command
            .env("PORT", port.number().to_string())
            .envs(variables.iter().copied())
            .stdout(stdout);
        let child = command.spawn().expect("the service can be run");
        eventually("the service listens", || {
            TcpStream::connect(("127.0.0.1", port.number())).ok()
        });
        Self { child, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    #[track_caller]
    fn verify(&self, options: &[&str], stdin: impl Into<Stdio>) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .args(["verify", "--json", &self.url()])
            .args(options);
        let output = command.stdin(stdin).output().expect("it can be run");
        let report = serde_json::from_slice(&output.stdout);
        report.unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It fails only if the child has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn checks(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().into_iter().flatten()
}

/// Checks a verdict. Returns its reason.
#[track_caller]
fn assert_verdict(report: &Value, id: &str, verdict: &str) -> String {
    let check = checks(report).find(|check| check["id"] == id);
    let check = check.unwrap_or_else(|| panic!("{id} is not in {report:#}"));
    assert_eq!(check["verdict"], verdict, "{check:#}");
    check["reason"].as_str().unwrap_or_default().to_owned()
}

fn violated(report: &Value) -> Vec<&Value> {
    checks(report)
        .filter(|check| check["verdict"] == "violated")
        .collect()
}

#[test]
fn records_are_read_from_a_file() {
    let name = format!("plimsoll-url-{}.log", std::process::id());
    let path = std::env::temp_dir().join(name);
    // An old line, which is no record and must not be judged.
    fs::write(&path, "Starting …\n").unwrap();
    let file = File::options().append(true).open(&path).unwrap();
    let service = Service::start(file, &[]);
    let report = service.verify(
        &["--level", "full", "--logs", argument(&path)],
        Stdio::null(),
    );
    assert!(violated(&report).is_empty(), "{report:#}");
    for id in ["LOG-1:json", "LOG-3:fields", "LOG-5:probes", "RID-3:access"] {
        assert_verdict(&report, id, "holds");
    }
    let reason = assert_verdict(&report, "LOG-7:ready", "not_proven");
    assert!(
        reason.contains("the start of a service at a URL"),
        "{reason}"
    );
    assert_verdict(&report, "IP-1:peer", "not_proven");

    // The log of another service proves nothing.
    let other = Service::start(Stdio::null(), &[]);
    let report = other.verify(&["--only", "LOG", "--logs", argument(&path)], Stdio::null());
    assert!(violated(&report).is_empty(), "{report:#}");
    let reason = assert_verdict(&report, "LOG-5:probes", "not_proven");
    assert!(reason.contains("no record of the requests"), "{reason}");
    fs::remove_file(path).unwrap();
}

#[test]
fn records_are_read_from_standard_input() {
    let mut service = Service::start(Stdio::piped(), &[("LOG_LEVEL", "WARNING")]);
    let log = service.child.stdout.take().unwrap();
    let report = service.verify(&["--only", "LOG", "--logs", "-"], log);
    assert!(violated(&report).is_empty(), "{report:#}");
    assert_verdict(&report, "LOG-1:json", "holds");
    // Its access record is suppressed.
    let reason = assert_verdict(&report, "LOG-3:one", "not_proven");
    assert!(reason.contains("LOG_LEVEL"), "{reason}");
}

#[test]
fn admin_listener_answers_probes_and_scrapes() {
    let port = ReservedPort::bind();
    let address = format!("127.0.0.1:{}", port.number());
    let variables = [("INFRA_ENDPOINTS", "admin"), ("ADMIN_ADDR", &*address)];
    let service = Service::start(Stdio::null(), &variables);
    let options = ["--only", "HTTP-3,HTTP-5,MET", "--level", "full"];
    let report = service.verify(&options, Stdio::null());
    assert_verdict(&report, "HTTP-5:text", "violated");
    let admin = format!("http://{address}");
    let report = service.verify(
        &[&options[..], &["--admin", &admin]].concat(),
        Stdio::null(),
    );
    assert!(violated(&report).is_empty(), "{report:#}");
    assert_verdict(&report, "MET-1:counts", "holds");
}

#[test]
fn intrusive_checks_need_permission() {
    let service = Service::start(Stdio::null(), &[]);
    let options = ["--level", "full", "--only", "HTTP-6,SRV-3:host"];
    let report = service.verify(&options, Stdio::null());
    let reason = assert_verdict(&report, "HTTP-6:method", "not_proven");
    assert!(reason.contains("pass --intrusive"), "{reason}");
    let report = service.verify(&[&options[..], &["--intrusive"]].concat(), Stdio::null());
    assert_verdict(&report, "HTTP-6:method", "holds");
    assert_verdict(&report, "SRV-3:host", "holds");
}

/// Checks know that the variables of a service at a URL can be others.
#[test]
fn service_with_other_settings_is_not_violated() {
    let name = format!("plimsoll-url-{}-other.log", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::create(&path).unwrap();
    let variables = [
        ("SERVICE_NAME", "other"),
        ("READ_TIMEOUT", "20s"),
        ("DEBUG", "yes"),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
    ];
    let service = Service::start(file, &variables);
    let options = ["--level", "full", "--intrusive", "--logs", argument(&path)];
    let report = service.verify(&options, Stdio::null());
    assert!(violated(&report).is_empty(), "{:#?}", violated(&report));
    fs::remove_file(path).unwrap();
}

#[test]
fn plan_has_the_permitted_requests() {
    let plan = |options: &[&str]| {
        let url = ["verify", "--plan", "--level", "full", "http://127.0.0.1:1"];
        stdout(&plimsoll(&[&url[..], options].concat()))
    };
    let passive = plan(&[]);
    assert!(
        passive.contains("RID-1:echo") && !passive.contains("HTTP-6:method"),
        "{passive}"
    );
    let intrusive = plan(&["--intrusive"]);
    assert!(intrusive.contains("HTTP-6:method"), "{intrusive}");
    assert!(
        !intrusive.contains("SIGTERM") && !intrusive.contains("base:"),
        "{intrusive}"
    );
}

#[test]
fn contradicting_options_are_usage_errors() {
    #[track_caller]
    fn check(arguments: &[&str], message: &str) {
        let output = plimsoll(&[&["verify"], arguments].concat());
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    let far = "http://service.example";
    check(&[far, "--intrusive"], "--confirm-host service.example");
    let other = ["--intrusive", "--confirm-host", "example"];
    check(
        &[&[far], &other[..]].concat(),
        "--confirm-host service.example",
    );
    check(&["--intrusive", "--", "a"], "for a service at a URL");
    check(&["--logs", "-", "--", "a"], "stdout or stderr");
    check(&[far, "--logs", "stderr"], "FILE");
    let missing = ["http://127.0.0.1:1", "--logs", "/nonexistent/log"];
    check(&missing, "--logs /nonexistent/log: cannot be read");
}
