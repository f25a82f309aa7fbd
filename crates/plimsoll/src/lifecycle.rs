//! The lifecycle of a process, from the start to the last log record.
//!
//! | State       | `/ready` | New connections | Requests         | Ends when                              |
//! |-------------|----------|-----------------|------------------|----------------------------------------|
//! | `starting`  | –        | refused         | –                | set-up is complete                     |
//! | `ready`     | 200      | accepted        | served           | a signal, or readiness is switched off |
//! | `not_ready` | 503      | accepted        | served           | a signal, or readiness is switched on  |
//! | `lame_duck` | 503      | accepted        | served, closing  | `DRAIN_DELAY` has passed               |
//! | `draining`  | –        | refused         | in flight only   | none is left, or `SHUTDOWN_TIMEOUT`    |
//! | `flushing`  | –        | refused         | –                | hooks and log are done, or 3 s         |
//!
//! # Lame duck
//!
//! A load balancer polls `/ready`. Until its next poll it still sends requests to this instance. If the
//! listener closed at the signal, those connections would be refused.
//!
//! # Invariants
//!
//! States only move forward, apart from `ready ⇄ not_ready`.

mod backoff;
mod connection_tracker;
mod heartbeats;
mod holds;
mod hooks;
mod readiness;
mod runs;
mod sd_notify;
mod shutdown_report;
mod shutdown_sequence;
mod signals;
mod startup_times;
mod watchdog;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use self::holds::Holds;
pub(crate) use self::{
    backoff::Backoff,
    connection_tracker::{ConnectionTracker, DrainStage},
    heartbeats::{HEARTBEAT_INTERVAL as TICK, Heartbeats, stall_limit},
    holds::Holder,
    hooks::Hooks,
    runs::WorkerRuns,
    sd_notify::{SdNotify, WatchdogNotifier},
    shutdown_sequence::{ForcedShutdown, MIN_FLUSH, ShutdownOutcome, ShutdownSequence, hard_limit},
    signals::{Signals, Stop},
    startup_times::{StartupTimes, StepKind},
    watchdog::Watchdog,
};
pub use self::{readiness::Readiness, shutdown_report::ShutdownReport};
use crate::sync::{Mutex, MutexGuard, lock};

/// The state of the process; see the table of the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum LifecycleState {
    Starting,
    Ready,
    NotReady,
    LameDuck,
    Draining,
    Flushing,
}

impl LifecycleState {
    const ALL: [Self; 6] = [
        Self::Starting,
        Self::Ready,
        Self::NotReady,
        Self::LameDuck,
        Self::Draining,
        Self::Flushing,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::NotReady => "not_ready",
            Self::LameDuck => "lame_duck",
            Self::Draining => "draining",
            Self::Flushing => "flushing",
        }
    }
}

/// The lifecycle state of one service, shared by all its parts.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    state: AtomicU8,
    /// The reasons not to be ready. The lock is held while the state follows from them, and while
    /// the change is logged, so that records have the order of the changes.
    holds: Mutex<Holds>,
    /// The connections of the main listener. The drain waits for them.
    pub(crate) connections: Arc<ConnectionTracker>,
    /// The times of the start.
    pub(crate) startup: StartupTimes,
    /// The runs of background workers. The drain waits for them too.
    pub(crate) runs: WorkerRuns,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(LifecycleState::Starting as u8),
            holds: Mutex::default(),
            connections: Arc::new(ConnectionTracker::new()),
            startup: StartupTimes::new(),
            runs: WorkerRuns::default(),
        }
    }

    pub(crate) fn state(&self) -> LifecycleState {
        LifecycleState::ALL[usize::from(self.state.load(Ordering::Acquire))]
    }

    /// Whether the shutdown has begun, so that responses close their connections (contract LIFE-2).
    pub(crate) fn is_ending(&self) -> bool {
        self.state() >= LifecycleState::LameDuck
    }

    /// Moves to `to`. Returns false if the process has already reached that state.
    pub(crate) fn advance(&self, to: LifecycleState) -> bool {
        self.state.fetch_max(to as u8, Ordering::AcqRel) < to as u8
    }

    /// Ends set-up: the state becomes ready, or not ready if readiness is held.
    ///
    /// Returns whether the service runs: false after [`Lifecycle::cancel_start`] or during shutdown.
    /// Further calls change nothing.
    pub(crate) fn start(&self) -> bool {
        let holds = self.lock_holds();
        let to = if holds.is_empty() {
            LifecycleState::Ready
        } else {
            LifecycleState::NotReady
        };
        self.replace(LifecycleState::Starting, to)
            || matches!(
                self.state(),
                LifecycleState::Ready | LifecycleState::NotReady
            )
    }

    /// Cancels the start. Returns false if the service has already started.
    pub(crate) fn cancel_start(&self) -> bool {
        self.replace(LifecycleState::Starting, LifecycleState::Flushing)
    }

    fn lock_holds(&self) -> MutexGuard<'_, Holds> {
        lock(&self.holds)
    }

    /// Sets the state according to the holds. Returns whether the state changed.
    fn apply_holds(&self, holds: &Holds) -> bool {
        if holds.is_empty() {
            self.replace(LifecycleState::NotReady, LifecycleState::Ready)
        } else {
            self.replace(LifecycleState::Ready, LifecycleState::NotReady)
        }
    }

    /// Returns the kind of each holder of readiness, with its reason.
    pub(crate) fn hold_reasons(&self) -> Vec<(&'static str, String)> {
        let holds = self.lock_holds();
        let all = holds.all().map(|(kind, reason)| (kind, reason.to_owned()));
        all.collect()
    }

    /// Returns each kind of holder of readiness, and whether one of them holds it now.
    pub(crate) fn held_by(&self) -> Vec<(&'static str, bool)> {
        self.lock_holds().by_kind().collect()
    }

    fn replace(&self, from: LifecycleState, to: LifecycleState) -> bool {
        let (from, to) = (from as u8, to as u8);
        self.state
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Returns the name of the current state.
    pub(crate) fn state_name(&self) -> &'static str {
        self.state().as_str()
    }

    /// Returns the name of each state, and whether it is the current one.
    pub(crate) fn states(&self) -> Vec<(&'static str, bool)> {
        let current = self.state();
        LifecycleState::ALL
            .iter()
            .map(|state| (state.as_str(), *state == current))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hold(life: &Lifecycle, is_held: bool) -> bool {
        let mut holds = life.lock_holds();
        if is_held {
            holds.add(Holder::Code, "");
        } else {
            holds.remove(Holder::Code);
        }
        life.apply_holds(&holds)
    }

    #[test]
    fn readiness_switches_until_shutdown_begins() {
        let life = Lifecycle::new();
        assert!(!hold(&life, true), "nothing changes before the start");
        assert!(life.start());
        assert_eq!(life.state(), LifecycleState::NotReady);
        assert!(life.start(), "a second start finds it running");
        assert!(hold(&life, false) && !hold(&life, false));
        assert_eq!(life.state(), LifecycleState::Ready);
        assert!(life.advance(LifecycleState::LameDuck) && !life.advance(LifecycleState::LameDuck));
        assert!(!hold(&life, true) && !hold(&life, false));
        assert_eq!(life.state(), LifecycleState::LameDuck);
        assert!(!life.start());
        assert_eq!(
            life.state(),
            LifecycleState::LameDuck,
            "a late start changes nothing"
        );
    }

    proptest! {
        #[test]
        fn states_only_move_forward(steps in proptest::collection::vec(0_u8..9, 0..40)) {
            let life = Lifecycle::new();
            for step in steps {
                let before = life.state();
                match step {
                    6 => drop(life.start()),
                    7 => drop(hold(&life, false)),
                    8 => drop(hold(&life, true)),
                    to => drop(life.advance(LifecycleState::ALL[usize::from(to)])),
                }
                let after = life.state();
                let back = before == LifecycleState::NotReady && after == LifecycleState::Ready;
                prop_assert!(after >= before || back, "{before:?} → {after:?}");
            }
        }
    }
}
