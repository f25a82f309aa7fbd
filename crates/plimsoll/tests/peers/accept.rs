//! The errors of `accept`.

use std::process::{Command, Stdio};
use std::time::Duration;

use harness::{Process, timed};

use crate::setup::{Figures, plain};
use crate::support::{END, fixture, require_or_skip, skip};

/// The backoff of a failing listener.
const REST: Duration = Duration::from_millis(100);

/// Errors, their counted kinds, and whether the listener backs off.
const ERRORS: [(&str, &str, bool); 9] = [
    ("EMFILE", "descriptors", true),
    ("ENFILE", "descriptors", true),
    ("ENOBUFS", "memory", true),
    ("ENOMEM", "memory", true),
    ("EPERM", "forbidden", true),
    ("EINVAL", "other", true),
    ("ECONNABORTED", "connection", false),
    ("EPROTO", "connection", false),
    ("EINTR", "connection", false),
];

/// MET-6
#[test]
fn every_accept_error_is_counted_and_recovered() {
    if plain() || !require_or_skip("strace") {
        return;
    }
    let mut probe = Command::new("strace");
    probe.args(["-o", "/dev/null", "true"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        skip("strace may trace nothing here");
        return;
    }
    let mut figures = Figures::of("errors of accept");
    for (error, kind, rests) in ERRORS {
        let times = if rests { 5 } else { 50 };
        let inject = format!("inject=accept4:error={error}:when=1..{times}");
        // The tracer is a separate process, so that signals reach the service.
        let mut args = vec!["-D", "-f", "-qq", "-o", "/dev/null"];
        args.extend(["-e", "trace=accept4", "-e", &inject]);
        let program = fixture();
        args.push(program.to_str().unwrap());
        let service = Process::spawn_with("strace", &args, &[("WORKERS", "1")]);
        service.wait_until_ready();
        let (answer, took) = timed(|| service.get("/hello"));
        figures.exact(&format!("{error}: status"), 200, answer.status);
        let counted = service
            .metrics()
            .value("http_accept_errors_total", &[("kind", kind)]);
        figures.exact(
            &format!("{error}: counted as {kind}"),
            f64::from(times),
            counted.unwrap_or_default(),
        );
        // It does not retry in a busy loop either.
        let rested = took >= (times - 1) * REST;
        figures.exact(&format!("{error}: rests"), rests, rested);
        let rest = if rests { times * REST } else { Duration::ZERO };
        let limit = rest + Duration::from_millis(1500);
        figures.limit(
            &format!("{error}: time until it serves"),
            format!("{limit:?}"),
            format!("{took:?}"),
            took <= limit,
        );
        service.signal(harness::Signal::Term);
        let ended = service.wait(END);
        figures.exact(
            &format!("{error}: exit status"),
            0,
            ended.code.unwrap_or(-1),
        );
        // All within one second, so there is at most one record.
        let recorded = ended.records_with("accept_failed").len();
        figures.exact(&format!("{error}: records"), usize::from(rests), recorded);
    }
    figures.judge();
}
