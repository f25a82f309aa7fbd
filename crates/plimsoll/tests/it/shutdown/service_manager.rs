//! Notifications to a service manager (sd_notify) and its watchdog.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use harness::{Process, Signal, eventually, request, timed};

use crate::support::{END, ms, spawn, start};

/// The notification socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    /// Binds the socket at a path.
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        let name = path.to_str().unwrap().to_owned();
        Self { socket, name }
    }

    /// Binds the socket at an abstract name.
    fn hidden(name: &str) -> Self {
        let name = format!("plimsoll-{name}-{}", std::process::id());
        let addr = UnixAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&addr).unwrap();
        let name = format!("@{name}");
        Self { socket, name }
    }

    /// Returns the next message, or `None` after the timeout.
    fn hear(&self, limit: Duration) -> Option<String> {
        let mut message = [0; 1000];
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    /// Waits for the next message and checks it.
    #[track_caller]
    fn expect(&self, message: &str) {
        assert_eq!(self.hear(END).as_deref(), Some(message));
    }
}

pub(super) fn connects(service: &Process) -> bool {
    service.try_connect().is_ok()
}

/// LIFE-7
#[test]
fn manager_is_notified_of_ready_and_stopping() {
    for manager in [Manager::new("notify.sock"), Manager::hidden("notify")] {
        let service = spawn(&[
            ("NOTIFY_SOCKET", &manager.name),
            ("SETUP_MS", "300"),
            ("HOOK_MS", "500"),
        ]);
        let early = manager.hear(ms(10));
        assert!(early.is_none() && !connects(&service), "{early:?}");
        manager.expect("READY=1");
        assert!(connects(&service));
        assert_eq!(service.get("/ready").status, 200);
        service.signal(Signal::Term);
        manager.expect("STOPPING=1");
        assert!(
            service.is_alive(),
            "the notification comes before the process exits"
        );
        let ended = service.wait(END);
        assert_eq!(ended.code, Some(0));
        assert_eq!(manager.hear(ms(10)), None);
        assert_eq!(ended.records_with("notify_failed").len(), 0);
    }
}

/// LIFE-7
#[test]
fn failed_or_cancelled_start_sends_no_ready() {
    let manager = Manager::new("notify-early.sock");
    let ear = ("NOTIFY_SOCKET", manager.name.as_str());
    let service = spawn(&[ear, ("SETUP_MS", "60000"), ("LOG_LEVEL", "debug")]);
    service.wait_for_record(|record| record["message"] == "fixture_setup");
    service.signal(Signal::Term);
    manager.expect("STOPPING=1");
    assert_eq!(service.wait(END).code, Some(0));
    let service = spawn(&[ear, ("SETUP_FAIL", "yes")]);
    assert_eq!(service.wait(END).code, Some(1));
    assert_eq!(manager.hear(ms(10)), None);
}

/// LIFE-7
#[test]
fn watchdog_is_notified_twice_per_interval() {
    let manager = Manager::new("notify-watchdog.sock");
    let service = start(&[
        ("NOTIFY_SOCKET", &manager.name),
        ("WATCHDOG_USEC", "200000"),
        ("WORKERS", "2"),
    ]);
    manager.expect("READY=1");
    // Two in each 200 ms, with tolerance for a busy machine; one in each interval would take 2 s.
    let (_, took) = timed(|| {
        for _ in 0..10 {
            manager.expect("WATCHDOG=1");
        }
    });
    assert!(took < ms(1900), "{took:?}");
    // A stuck worker does not stop the notifications.
    let mut blocked = service.connect();
    blocked.send(request("GET", "/blocking?ms=3000", ""));
    service.wait_for_record(|record| record["message"] == "worker_stuck");
    for _ in 0..3 {
        manager.expect("WATCHDOG=1");
    }
    service.signal(Signal::Term);
    eventually("STOPPING=1 is received", || {
        (manager.hear(END).as_deref() == Some("STOPPING=1")).then_some(())
    });
    assert_eq!(service.wait(END).code, Some(0));
}

/// LIFE-7
#[test]
fn watchdog_of_another_process_is_not_notified() {
    let manager = Manager::new("notify-other.sock");
    let service = start(&[
        ("NOTIFY_SOCKET", &manager.name),
        ("WATCHDOG_USEC", "20000"),
        ("WATCHDOG_PID", "1"),
    ]);
    manager.expect("READY=1");
    assert_eq!(manager.hear(ms(300)), None);
    assert_eq!(service.terminate().code, Some(0));
}

/// LIFE-7
#[test]
fn missing_manager_is_logged_once() {
    let service = start(&[
        ("NOTIFY_SOCKET", "/nowhere/at/all"),
        ("WATCHDOG_USEC", "20000"),
    ]);
    let record = service.wait_for_record(|record| record["message"] == "notify_failed");
    assert_eq!(record["levelname"], "WARNING");
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.records_with("notify_failed").len(), 1);
}
