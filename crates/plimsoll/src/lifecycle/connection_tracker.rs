//! The connections of one listener, and how they are told that the end has come.

use std::sync::{
    OnceLock,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use tokio::{runtime::Handle, sync::watch, task::coop::unconstrained, time::Instant};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// What listeners and connections must know of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum DrainStage {
    /// Accept, and serve.
    Open,
    /// Accept, and serve, and tell clients to go elsewhere.
    LameDuck,
    /// Accept no more, close what is idle, finish the rest.
    Draining,
    /// Let go of everything at once.
    Cut,
}

/// Shared by a listener, its connections and whoever ends them.
///
/// The main listener and the admin listener have one each: they end at different times.
#[derive(Debug)]
pub(crate) struct ConnectionTracker {
    stage: watch::Sender<DrainStage>,
    /// Since when there are no new ones.
    draining_since: OnceLock<Instant>,
    /// The same, for those who only glance at it: the channel's lock is shared by all.
    glance: AtomicU8,
    cut_off_sending: AtomicU64,
    /// Those that speak something else than HTTP by now.
    upgraded: AtomicU64,
    tasks: TaskTracker,
}

impl ConnectionTracker {
    pub(crate) fn new() -> Self {
        Self {
            stage: watch::Sender::new(DrainStage::Open),
            draining_since: OnceLock::new(),
            glance: AtomicU8::new(DrainStage::Open as u8),
            cut_off_sending: AtomicU64::new(0),
            upgraded: AtomicU64::new(0),
            tasks: TaskTracker::new(),
        }
    }

    pub(crate) fn enter_stage(&self, stage: DrainStage) {
        if stage >= DrainStage::Draining {
            self.draining_since.get_or_init(Instant::now);
        }
        self.glance.store(stage as u8, Ordering::Release);
        self.stage.send_replace(stage);
    }

    /// When the drain began; now, if it has not.
    pub(crate) fn draining_since(&self) -> Instant {
        self.draining_since
            .get()
            .copied()
            .unwrap_or_else(Instant::now)
    }

    /// Whether the stage is `at_least`, at a glance.
    pub(crate) fn is_at(&self, at_least: DrainStage) -> bool {
        self.glance.load(Ordering::Acquire) >= at_least as u8
    }

    /// Waits until the stage is `at_least`. Whoever comes late still sees it.
    pub(crate) fn reached(&self, at_least: DrainStage) -> impl Future<Output = ()> + use<> {
        let mut stage = self.stage.subscribe();
        // Whoever has used up the budget of its task would be turned away without being woken when
        // the stage comes, since it is polled once and then only when it is woken.
        unconstrained(async move {
            // An error means that whoever ends them is gone, and nobody is left to wait for.
            let _ = stage.wait_for(|stage| *stage >= at_least).await;
        })
    }

    /// Starts a task on the present runtime, which the end waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Starts the task of a connection or of a listener, which the end waits for.
    pub(crate) fn spawn_on(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
        runtime: &Handle,
    ) {
        self.tasks.spawn_on(task, runtime);
    }

    /// Waits until the last task has ended, once there will be no more.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What the end waits for as it does for a task, until it is dropped.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.tasks.token()
    }

    pub(crate) fn upgrade_began(&self) {
        self.upgraded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn upgrade_ended(&self) {
        self.upgraded.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many connections speak something else than HTTP.
    pub(crate) fn upgraded(&self) -> u64 {
        self.upgraded.load(Ordering::Relaxed)
    }

    /// Answers are cut off that are complete and not yet taken by their client.
    pub(crate) fn cut_off_sending(&self, answers: u32) {
        self.cut_off_sending
            .fetch_add(answers.into(), Ordering::Relaxed);
    }

    /// How many of them there were.
    pub(crate) fn cut_off_while_sending(&self) -> u64 {
        self.cut_off_sending.load(Ordering::Relaxed)
    }
}
