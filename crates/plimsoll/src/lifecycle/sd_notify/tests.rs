//! Against a socket in the place of the manager's.

use std::{
    io::Write,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use tokio::time::advance;

use super::*;
use crate::{
    config::{LogFormat, LogLevels},
    telemetry::Output,
    testing::timed,
};

const STALL: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log_to(captured: &Captured) -> Log {
    let levels = LogLevels::all(Level::Info);
    Log::start(Output::to(captured.clone()), LogFormat::Json, levels, 1).unwrap()
}

/// What the log has once it is complete.
fn written(log: &Log, captured: &Captured) -> String {
    log.finish(Duration::from_secs(10), Level::Info, "end", |_, _| {});
    String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
}

/// A manager, which takes the file of its socket along.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(name: &str) -> Self {
        let file = format!("plimsoll-notify-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(file);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, path }
    }

    fn notify(&self) -> Arc<SdNotify> {
        SdNotify::new(self.path.to_str(), log_to(&Captured::default()))
    }

    /// What has come.
    fn heard(&self) -> Vec<String> {
        let mut heard = Vec::new();
        let mut message = [0; 100];
        while let Ok(length) = self.socket.recv(&mut message) {
            heard.push(String::from_utf8(message[..length].to_vec()).unwrap());
        }
        heard
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_come_at_half_the_interval_once_the_service_is_ready() {
    let manager = Manager::new("interval");
    let notify = manager.notify();
    let pulse = Heartbeats::start(&[]);
    let patience = Duration::from_secs(2);
    let mut signs = WatchdogNotifier::new(Arc::clone(&notify), patience, STALL);
    assert_eq!(signs.ping_if_due(&pulse), patience / 2);
    assert_eq!(manager.heard().len(), 0, "a start has a limit of its own");
    notify.ready();
    advance(patience / 2).await;
    assert_eq!(signs.ping_if_due(&pulse), patience / 2);
    assert_eq!(manager.heard(), ["READY=1", "WATCHDOG=1"]);
    advance(patience / 4).await;
    assert_eq!(signs.ping_if_due(&pulse), patience / 4, "not yet");
    assert_eq!(manager.heard().len(), 0);
    advance(patience / 4).await;
    signs.ping_if_due(&pulse);
    assert_eq!(manager.heard(), ["WATCHDOG=1"]);
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_stop_when_every_worker_is_silent_and_not_for_one() {
    let manager = Manager::new("stall");
    let notify = manager.notify();
    notify.ready();
    let pulse = Heartbeats::of_silent(2);
    let step = Duration::from_secs(1);
    let mut signs = WatchdogNotifier::new(notify, step * 2, STALL);
    let mut after = async |pause: Duration| {
        advance(pause).await;
        signs.ping_if_due(&pulse);
        manager
            .heard()
            .iter()
            .any(|message| message == "WATCHDOG=1")
    };
    assert!(after(step).await);
    assert!(after(STALL - step).await, "silent, and not for too long");
    assert!(!after(step).await, "nobody beats");
    assert!(!after(STALL).await);
    pulse.record(1);
    assert!(after(step).await, "one is enough");
    assert!(!after(STALL).await);
}

#[test]
fn a_manager_that_is_not_there_costs_one_record() {
    for name in [
        "/nowhere/at/all",
        "@plimsoll-of-nobody",
        "vsock:2:1234",
        "relative",
    ] {
        let captured = Captured::default();
        let log = log_to(&captured);
        let notify = SdNotify::new(Some(name), log.clone());
        notify.ready();
        notify.stopping();
        let text = written(&log, &captured);
        assert_eq!(text.matches("notify_failed").count(), 1, "{name}: {text}");
        assert_eq!(text.matches("WARNING").count(), 1, "{name}: {text}");
    }
}

#[test]
fn a_manager_that_does_not_read_holds_nobody_up() {
    let manager = Manager::new("full");
    let notify = manager.notify();
    let (socket, addr) = notify.manager.as_ref().unwrap();
    socket.set_nonblocking(true).unwrap();
    while socket.send_to_addr(b"x", addr).is_ok() {}
    socket.set_nonblocking(false).unwrap();
    let ((), took) = timed(|| notify.ready());
    assert!(took < SEND_TIMEOUT * 5, "{took:?}");
    let ((), took) = timed(|| notify.stopping());
    assert!(took < SEND_TIMEOUT / 2, "{took:?}");
    assert!(manager.heard().iter().all(|message| message == "x"));
}

#[test]
fn a_service_without_a_manager_says_nothing() {
    let captured = Captured::default();
    let log = log_to(&captured);
    let notify = SdNotify::new(None, log.clone());
    notify.ready();
    notify.stopping();
    assert!(!written(&log, &captured).contains("notify"));
}
