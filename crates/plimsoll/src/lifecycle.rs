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
mod hooks;
mod readiness;
mod runs;
mod sd_notify;
mod shutdown_report;
mod shutdown_sequence;
mod signals;
mod watchdog;

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU32, Ordering},
};

pub(crate) use self::{
    backoff::Backoff,
    connection_tracker::{ConnectionTracker, DrainStage},
    heartbeats::{Heartbeats, stall_limit},
    hooks::Hooks,
    runs::WorkerRuns,
    sd_notify::{SdNotify, WatchdogNotifier},
    shutdown_sequence::{ForcedShutdown, MIN_FLUSH, ShutdownOutcome, ShutdownSequence, hard_limit},
    signals::{Signals, Stop},
    watchdog::Watchdog,
};
pub use self::{readiness::Readiness, shutdown_report::ShutdownReport};

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
    /// The reasons not to be ready: [`SWITCHED_OFF`], and [`WORKER_HOLD`] for each failed worker.
    holds: AtomicU32,
    /// The connections of the main listener. The drain waits for them.
    pub(crate) connections: Arc<ConnectionTracker>,
    /// The runs of background workers. The drain waits for them too.
    pub(crate) runs: WorkerRuns,
}

/// The bit of `holds` that [`Readiness::set`] changes.
const SWITCHED_OFF: u32 = 1;

/// The amount that each failed background worker that gates readiness adds to `holds`.
const WORKER_HOLD: u32 = 2;

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(LifecycleState::Starting as u8),
            holds: AtomicU32::new(0),
            connections: Arc::new(ConnectionTracker::new()),
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
        let to = if self.is_held() {
            LifecycleState::NotReady
        } else {
            LifecycleState::Ready
        };
        let started = self.replace(LifecycleState::Starting, to);
        if started {
            // The holds may have changed between the check and the exchange.
            self.apply_holds();
        }
        started
            || matches!(
                self.state(),
                LifecycleState::Ready | LifecycleState::NotReady
            )
    }

    /// Cancels the start. Returns false if the service has already started.
    pub(crate) fn cancel_start(&self) -> bool {
        self.replace(LifecycleState::Starting, LifecycleState::Flushing)
    }

    /// Switches readiness. Returns whether the state changed.
    pub(crate) fn switch(&self, on: bool) -> bool {
        if on {
            self.holds.fetch_and(!SWITCHED_OFF, Ordering::SeqCst);
        } else {
            self.holds.fetch_or(SWITCHED_OFF, Ordering::SeqCst);
        }
        self.apply_holds()
    }

    /// Adds a hold of a background worker on readiness. Returns whether the state changed.
    pub(crate) fn hold(&self) -> bool {
        self.holds.fetch_add(WORKER_HOLD, Ordering::SeqCst);
        self.apply_holds()
    }

    /// Releases one [`Lifecycle::hold`]. Returns whether the state changed.
    pub(crate) fn release(&self) -> bool {
        self.holds.fetch_sub(WORKER_HOLD, Ordering::SeqCst);
        self.apply_holds()
    }

    fn is_held(&self) -> bool {
        self.holds.load(Ordering::SeqCst) != 0
    }

    /// Sets the state according to the holds. Returns whether the state changed.
    ///
    /// Checks the holds again after each change: another thread may have changed them in between,
    /// before the state allowed its own exchange.
    fn apply_holds(&self) -> bool {
        let mut changed = false;
        loop {
            let held = self.is_held();
            changed |= if held {
                self.replace(LifecycleState::Ready, LifecycleState::NotReady)
            } else {
                self.replace(LifecycleState::NotReady, LifecycleState::Ready)
            };
            if held == self.is_held() {
                return changed;
            }
        }
    }

    fn replace(&self, from: LifecycleState, to: LifecycleState) -> bool {
        let (from, to) = (from as u8, to as u8);
        self.state
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
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

    #[test]
    fn readiness_switches_until_shutdown_begins() {
        let life = Lifecycle::new();
        assert!(!life.switch(false), "nothing changes before the start");
        assert!(life.start());
        assert_eq!(life.state(), LifecycleState::NotReady);
        assert!(life.start(), "a second start finds it running");
        assert!(life.switch(true) && !life.switch(true));
        assert_eq!(life.state(), LifecycleState::Ready);
        assert!(life.advance(LifecycleState::LameDuck) && !life.advance(LifecycleState::LameDuck));
        assert!(!life.switch(false) && !life.switch(true));
        assert_eq!(life.state(), LifecycleState::LameDuck);
        assert!(!life.start());
        assert_eq!(
            life.state(),
            LifecycleState::LameDuck,
            "a late start changes nothing"
        );
    }

    /// WRK-3
    #[test]
    fn readiness_holds_are_independent() {
        let life = Lifecycle::new();
        assert!(!life.hold(), "nothing changes before the start");
        assert!(life.start());
        assert_eq!(life.state(), LifecycleState::NotReady);
        assert!(!life.hold() && !life.switch(true), "two workers hold it");
        assert!(!life.release() && life.release());
        assert_eq!(life.state(), LifecycleState::Ready);
        assert!(life.switch(false) && !life.hold() && !life.switch(true));
        assert!(life.release());
        assert_eq!(life.state(), LifecycleState::Ready);
    }

    proptest! {
        #[test]
        fn states_only_move_forward(steps in proptest::collection::vec(0_u8..9, 0..40)) {
            let life = Lifecycle::new();
            for step in steps {
                let before = life.state();
                match step {
                    6 => drop(life.start()),
                    7 => drop(life.switch(true)),
                    8 => drop(life.switch(false)),
                    to => drop(life.advance(LifecycleState::ALL[usize::from(to)])),
                }
                let after = life.state();
                let back = before == LifecycleState::NotReady && after == LifecycleState::Ready;
                prop_assert!(after >= before || back, "{before:?} → {after:?}");
            }
        }
    }
}
