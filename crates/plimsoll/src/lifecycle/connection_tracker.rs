//! Tracks the connections of one listener, and signals the stages of the drain to them.

use std::sync::{
    OnceLock,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use tokio::{runtime::Handle, sync::watch, task::coop::unconstrained, time::Instant};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// The stage of the drain that listeners and connections act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum DrainStage {
    /// Accept connections and serve requests.
    Open,
    /// Accept connections, serve requests, and close each connection after its response.
    LameDuck,
    /// Accept no connections, close idle ones, finish requests in flight.
    Draining,
    /// Close all connections immediately.
    Cut,
}

/// Tracks the tasks of one listener and its connections, and their drain stage.
///
/// The main listener and the admin listener have one each, because they close at different times.
#[derive(Debug)]
pub(crate) struct ConnectionTracker {
    stage: watch::Sender<DrainStage>,
    /// The time since which no connections are accepted.
    draining_since: OnceLock<Instant>,
    /// A copy of `stage` that is read without the channel's lock, which all connections share.
    current: AtomicU8,
    /// Complete responses that were cut off before the client had read them.
    cut_off_sending: AtomicU64,
    /// Connections that were upgraded from HTTP to another protocol.
    upgraded: AtomicU64,
    tasks: TaskTracker,
}

impl ConnectionTracker {
    pub(crate) fn new() -> Self {
        Self {
            stage: watch::Sender::new(DrainStage::Open),
            draining_since: OnceLock::new(),
            current: AtomicU8::new(DrainStage::Open as u8),
            cut_off_sending: AtomicU64::new(0),
            upgraded: AtomicU64::new(0),
            tasks: TaskTracker::new(),
        }
    }

    pub(crate) fn enter_stage(&self, stage: DrainStage) {
        if stage >= DrainStage::Draining {
            self.draining_since.get_or_init(Instant::now);
        }
        self.current.store(stage as u8, Ordering::Release);
        self.stage.send_replace(stage);
    }

    /// Returns when the drain began, or the current time if it has not begun.
    pub(crate) fn draining_since(&self) -> Instant {
        self.draining_since
            .get()
            .copied()
            .unwrap_or_else(Instant::now)
    }

    /// Whether the stage is `at_least` or later. Takes no lock.
    pub(crate) fn is_at(&self, at_least: DrainStage) -> bool {
        self.current.load(Ordering::Acquire) >= at_least as u8
    }

    /// Waits until the stage is `at_least` or later. Returns immediately if it already is.
    pub(crate) fn reached(&self, at_least: DrainStage) -> impl Future<Output = ()> + use<> {
        let mut stage = self.stage.subscribe();
        // A task that has used up its coop budget would get `Pending` without a registered waker.
        // Some callers poll this future only when it is woken, and would miss the stage.
        unconstrained(async move {
            // An error means that the tracker was dropped, so no drain follows.
            let _ = stage.wait_for(|stage| *stage >= at_least).await;
        })
    }

    /// Spawns a task on the current runtime. The drain waits for it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Spawns the task of a connection or a listener on `runtime`. The drain waits for it.
    pub(crate) fn spawn_on(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
        runtime: &Handle,
    ) {
        self.tasks.spawn_on(task, runtime);
    }

    /// Closes the tracker, and waits until the last task has ended.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns a token that the drain waits for, like for a task, until it is dropped.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.tasks.token()
    }

    pub(crate) fn upgrade_began(&self) {
        self.upgraded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn upgrade_ended(&self) {
        self.upgraded.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the number of open upgraded connections.
    pub(crate) fn upgraded(&self) -> u64 {
        self.upgraded.load(Ordering::Relaxed)
    }

    /// Counts complete responses that were cut off before the client had read them.
    pub(crate) fn cut_off_sending(&self, responses: u32) {
        self.cut_off_sending
            .fetch_add(responses.into(), Ordering::Relaxed);
    }

    /// Returns the number of responses that were cut off while they were sent.
    pub(crate) fn cut_off_while_sending(&self) -> u64 {
        self.cut_off_sending.load(Ordering::Relaxed)
    }
}
