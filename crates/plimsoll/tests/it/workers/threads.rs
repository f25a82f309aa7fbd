//! Threads that the operating system refuses: at the start, at a reload and at the end.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use harness::{Process, Signal};

use crate::shutdown::in_flight;
use crate::support::{END, fixture, skip};
use crate::tls::{Identity, get};

/// A script that runs the program of descriptor 9 as another user, with a limit on that user's
/// threads. The descriptor is needed if that user cannot access the folder of the program.
const RUN: &str = "exec 9<\"$1\"; \
    exec prlimit --nproc=\"$2\" setpriv --reuid=\"$3\" --regid=\"$3\" --clear-groups /proc/self/fd/9";

/// More threads than a fixture has.
const PLENTY: usize = 64;

/// A separate user, since a limit on threads counts all threads of a user and does not apply to
/// root.
struct User(String);

impl User {
    /// Returns an unused user, or `None` if the machine cannot limit one.
    fn new_or_skip() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let index = NEXT.fetch_add(1, Ordering::Relaxed);
        let user = Self((200_000 + std::process::id() % 10_000 * 10 + index).to_string());
        // A shell forks for the first of two commands.
        let forks = |limit| {
            let nproc = format!("--nproc={limit}");
            let mut command = user.command("prlimit");
            command.args([&nproc, "sh", "-c", "/bin/true && /bin/true"]);
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        if forks(2) && !forks(1) {
            return Some(user);
        }
        skip("no limit on threads can be set for another user: that takes root");
        None
    }

    /// Returns a command that this user runs.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        let ids = [
            format!("--reuid={}", self.0),
            format!("--regid={}", self.0),
            "--clear-groups".to_owned(),
        ];
        command.args(ids).arg(program);
        command
    }

    /// Starts a fixture that may have this many threads.
    fn spawn(&self, threads: usize, env: &[(&str, &str)]) -> Process {
        let program = fixture();
        let threads = threads.to_string();
        let program = program.to_str().unwrap();
        let args = ["-c", RUN, "sh", program, &threads, &self.0];
        Process::spawn_with("sh", &args, env)
    }

    /// Prevents further threads of a fixture.
    fn refuse_threads(&self, service: &Process) {
        let pid = service.pid().to_string();
        let mut command = self.command("prlimit");
        command.args(["--pid", &pid, "--nproc=1:1"]);
        assert!(command.status().unwrap().success());
    }
}

fn threads_of(service: &Process) -> usize {
    let tasks = format!("/proc/{}/task", service.pid());
    std::fs::read_dir(tasks).unwrap().count()
}

/// Creates a certificate in files that each user can read.
fn reachable_identity(name: &str) -> Identity {
    Identity::written_by(name, |name, contents| {
        let name = format!("plimsoll-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

/// LIFE-12
#[test]
fn start_without_enough_threads_fails_with_message() {
    let Some(user) = User::new_or_skip() else {
        return;
    };
    let identity = reachable_identity("few-threads");
    let socket = format!("plimsoll-{}-few-threads.sock", std::process::id());
    let socket = std::env::temp_dir().join(socket);
    let admin = format!("unix:{}", socket.display());
    let env = [
        ("WORKERS", "2"),
        ("ADMIN_ADDR", admin.as_str()),
        // Nothing listens there.
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("TLS_CERT_FILE", &identity.certificate),
        ("TLS_KEY_FILE", &identity.key),
    ];
    let service = user.spawn(PLENTY, &env);
    service.wait_until_ready();
    let threads = threads_of(&service);
    assert_eq!(service.terminate().code, Some(0));
    // One each for: signals, log, spans, two workers, watchdog, admin listener, certificates.
    assert!(threads >= 8, "{threads}");
    for limit in 1..threads {
        let ended = user.spawn(limit, &env).wait(END);
        assert_eq!(ended.code, Some(1), "{limit} threads: {}", ended.stdout);
        let message = "the operating system gave no ";
        let is_named = ended.stderr.starts_with(message) && ended.stderr.contains("os error 11");
        assert!(is_named, "{limit} threads: {}", ended.stderr);
        let records = ended.records_with("start_failed").len();
        // The first thread is the main one, the second that of the log.
        assert_eq!(records, usize::from(limit > 1), "{}", ended.stdout);
        assert_eq!(ended.records().len(), records, "{}", ended.stdout);
    }
    let service = user.spawn(threads, &env);
    service.wait_until_ready();
    assert_eq!(service.terminate().code, Some(0));
    // The lock file of the socket remains for the next process.
    std::fs::remove_file(socket.with_added_extension("lock")).unwrap();
    identity.remove();
}

/// LIFE-12, LIFE-6
#[test]
fn report_is_written_when_no_thread_can_be_created() {
    let Some(user) = User::new_or_skip() else {
        return;
    };
    let service = user.spawn(PLENTY, &[]);
    service.wait_until_ready();
    user.refuse_threads(&service);
    let mut connection = in_flight(&service, "/slow?ms=300");
    let ended = service.terminate();
    assert_eq!(connection.read().status, 200);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let records = ended.records();
    assert_eq!(records.last().unwrap()["message"], "shutdown_complete");
    assert_eq!(ended.records_with("panic").len(), 0);
}

/// TLS-4, TLS-5, LIFE-12
#[test]
fn certificates_reload_when_no_thread_can_be_created() {
    let Some(user) = User::new_or_skip() else {
        return;
    };
    let old = reachable_identity("threads-old");
    let new = reachable_identity("threads-new");
    let env = [
        ("TLS_CERT_FILE", old.certificate.as_str()),
        ("TLS_KEY_FILE", old.key.as_str()),
    ];
    let service = user.spawn(PLENTY, &env);
    service.wait_until_ready();
    user.refuse_threads(&service);
    std::fs::write(&old.certificate, "broken").unwrap();
    service.signal(Signal::Hup);
    service.wait_for_record(|record| record["message"] == "tls_reload_failed");
    let metrics = get(&service, &old.der, "/metrics").unwrap();
    assert!(metrics.contains("\ntls_reload_failures_total 1\n"));
    std::fs::copy(&new.certificate, &old.certificate).unwrap();
    std::fs::copy(&new.key, &old.key).unwrap();
    // Without a signal: the files are polled every two seconds.
    service.wait_for_record(|record| record["message"] == "tls_reloaded");
    assert!(get(&service, &new.der, "/hello").is_ok());
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.records_with("panic").len(), 0);
    old.remove();
    new.remove();
}
