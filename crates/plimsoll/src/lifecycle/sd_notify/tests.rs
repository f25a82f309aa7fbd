//! Tests with a socket in place of the manager's.

use std::path::PathBuf;

use harness::{LogBuffer, timed};
use tokio::time::advance;

use super::*;
use crate::{
    config::{LogFormat, LogLevels},
    telemetry::Output,
};

const STALL: Duration = Duration::from_secs(30);

fn log_to(captured: &LogBuffer) -> Log {
    let levels = LogLevels::all(Level::Info);
    Log::start(Output::to(captured.clone()), LogFormat::Json, levels, 1).unwrap()
}

/// Returns the complete log after its flush.
fn written(log: &Log, captured: &LogBuffer) -> String {
    log.finish(Duration::from_secs(10), Level::Info, "end", |_, _| {});
    captured.text()
}

/// The socket of a service manager. Its file is removed on drop.
struct TestManager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl TestManager {
    fn new(name: &str) -> Self {
        let file = format!("plimsoll-notify-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(file);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, path }
    }

    fn notify(&self) -> Arc<SdNotify> {
        SdNotify::new(self.path.to_str(), log_to(&LogBuffer::default()))
    }

    /// Returns the messages received since the last call.
    fn received(&self) -> Vec<String> {
        let mut received = Vec::new();
        let mut message = [0; 100];
        while let Ok(length) = self.socket.recv(&mut message) {
            received.push(String::from_utf8(message[..length].to_vec()).unwrap());
        }
        received
    }
}

impl Drop for TestManager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// LIFE-7
#[tokio::test(start_paused = true)]
async fn pings_at_half_the_watchdog_timeout_once_ready() {
    let manager = TestManager::new("interval");
    let notify = manager.notify();
    let heartbeats = Heartbeats::start(&[]);
    let timeout = Duration::from_secs(2);
    let mut watchdog = WatchdogNotifier::new(Arc::clone(&notify), timeout, STALL);
    assert_eq!(watchdog.ping_if_due(&heartbeats), timeout / 2);
    assert_eq!(
        manager.received().len(),
        0,
        "a start has a limit of its own"
    );
    notify.ready();
    advance(timeout / 2).await;
    assert_eq!(watchdog.ping_if_due(&heartbeats), timeout / 2);
    assert_eq!(manager.received(), ["READY=1", "WATCHDOG=1"]);
    advance(timeout / 4).await;
    assert_eq!(watchdog.ping_if_due(&heartbeats), timeout / 4, "not yet");
    assert_eq!(manager.received().len(), 0);
    advance(timeout / 4).await;
    watchdog.ping_if_due(&heartbeats);
    assert_eq!(manager.received(), ["WATCHDOG=1"]);
}

/// LIFE-7
#[tokio::test(start_paused = true)]
async fn pings_stop_when_all_workers_are_stalled() {
    let manager = TestManager::new("stall");
    let notify = manager.notify();
    notify.ready();
    let heartbeats = Heartbeats::without_tasks(2);
    let step = Duration::from_secs(1);
    let mut watchdog = WatchdogNotifier::new(notify, step * 2, STALL);
    let mut after = async |pause: Duration| {
        advance(pause).await;
        watchdog.ping_if_due(&heartbeats);
        manager
            .received()
            .iter()
            .any(|message| message == "WATCHDOG=1")
    };
    assert!(after(step).await);
    assert!(after(STALL - step).await, "stalled, but below the limit");
    assert!(!after(step).await, "no worker has a heartbeat");
    assert!(!after(STALL).await);
    heartbeats.record(1);
    assert!(after(step).await, "one is enough");
    assert!(!after(STALL).await);
}

/// LIFE-7
#[test]
fn missing_manager_is_logged_once() {
    for name in [
        "/nowhere/at/all",
        "@plimsoll-without-a-listener",
        "vsock:2:1234",
        "relative",
    ] {
        let captured = LogBuffer::default();
        let log = log_to(&captured);
        let notify = SdNotify::new(Some(name), log.clone());
        notify.ready();
        notify.stopping();
        let text = written(&log, &captured);
        assert_eq!(text.matches("notify_failed").count(), 1, "{name}: {text}");
        assert_eq!(text.matches("WARNING").count(), 1, "{name}: {text}");
    }
}

/// LIFE-7
#[test]
fn manager_that_does_not_read_delays_only_ready() {
    let manager = TestManager::new("full");
    let notify = manager.notify();
    let (socket, addr) = notify.manager.as_ref().unwrap();
    socket.set_nonblocking(true).unwrap();
    while socket.send_to_addr(b"x", addr).is_ok() {}
    socket.set_nonblocking(false).unwrap();
    let ((), took) = timed(|| notify.ready());
    assert!(took < SEND_TIMEOUT * 5, "{took:?}");
    let ((), took) = timed(|| notify.stopping());
    assert!(took < SEND_TIMEOUT / 2, "{took:?}");
    assert!(manager.received().iter().all(|message| message == "x"));
}

/// LIFE-7
#[test]
fn without_manager_nothing_is_logged() {
    let captured = LogBuffer::default();
    let log = log_to(&captured);
    let notify = SdNotify::new(None, log.clone());
    notify.ready();
    notify.stopping();
    assert!(!written(&log, &captured).contains("notify"));
}
