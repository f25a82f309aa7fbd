//! `plimsoll verify` of a service at a URL: its log, its admin listener, and intrusive checks.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

use harness::{ReservedPort, eventually};

use crate::support::{Report, Scratch, argument, plimsoll, stderr, stdout};

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
    fn verify(&self, options: &[&str], stdin: impl Into<Stdio>) -> Report {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .args(["verify", "--json", &self.url()])
            .args(options);
        Report::read(&command.stdin(stdin).output().expect("it can be run"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It fails only if the child has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks a verdict. Returns its reason.
#[track_caller]
fn assert_verdict(report: &Report, id: &str, verdict: &str) -> String {
    let check = report.check(id);
    let check = check.unwrap_or_else(|| panic!("{id} is not in {:#}", report.json));
    assert_eq!(check["verdict"], verdict, "{check:#}");
    check["reason"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn assert_nothing_violated(report: &Report) {
    assert_eq!(report.details("violated"), "");
}

#[test]
fn records_are_read_from_a_file() {
    let folder = Scratch::new();
    // An old line, which is no record and must not be judged.
    let path = folder.write("log", "Starting …\n");
    let file = File::options().append(true).open(&path).unwrap();
    let service = Service::start(file, &[]);
    let report = service.verify(
        &["--level", "full", "--logs", argument(&path)],
        Stdio::null(),
    );
    assert_nothing_violated(&report);
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
    assert_nothing_violated(&report);
    let reason = assert_verdict(&report, "LOG-5:probes", "not_proven");
    assert!(reason.contains("no record of the requests"), "{reason}");
}

#[test]
fn records_are_read_from_standard_input() {
    let mut service = Service::start(Stdio::piped(), &[("LOG_LEVEL", "WARNING")]);
    let log = service.child.stdout.take().unwrap();
    let report = service.verify(&["--only", "LOG", "--logs", "-"], log);
    assert_nothing_violated(&report);
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
    assert_nothing_violated(&report);
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
    let folder = Scratch::new();
    let path = folder.path("log");
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
    assert_nothing_violated(&report);
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

/// `localhost` is also the name of ::1, where a service need not listen.
#[test]
fn requests_name_the_host_of_the_url_at_each_of_its_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let status = match head.contains(&format!("Host: localhost:{port}\r\n")) {
                true => "200 OK",
                false => "421 Misdirected Request",
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nok\n");
            // A client that has disconnected needs no answer.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let url = format!("http://localhost:{port}");
    let only = [
        "verify",
        "--json",
        "--only",
        "HTTP-3:live,HTTP-4:ready",
        &url,
    ];
    let report = Report::read(&plimsoll(&only));
    assert_eq!(report.with("holds"), ["HTTP-3:live", "HTTP-4:ready"]);
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
    for option in [["--env", "A=b"], ["--port", "1"], ["--start-timeout", "1s"]] {
        check(&[&[far], &option[..]].concat(), option[0]);
    }
    check(&[far, "--logs", "stderr"], "FILE");
    let missing = ["http://127.0.0.1:1", "--logs", "/nonexistent/log"];
    check(&missing, "--logs /nonexistent/log: cannot be read");
}
