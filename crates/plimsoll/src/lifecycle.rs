//! The life of a process, from its start to its last record.
//!
//! | State       | `/ready` | New connections | Requests         | Ends when                              |
//! |-------------|----------|-----------------|------------------|----------------------------------------|
//! | `starting`  | –        | refused         | –                | set-up is complete                     |
//! | `ready`     | 200      | accepted        | served           | a signal, or readiness is switched off |
//! | `not_ready` | 503      | accepted        | served           | a signal, or it is switched on again   |
//! | `lame_duck` | 503      | accepted        | served, closing  | `DRAIN_DELAY` has passed               |
//! | `draining`  | –        | refused         | those in flight  | none is left, or `SHUTDOWN_TIMEOUT`    |
//! | `flushing`  | –        | refused         | –                | hooks and log are done, or 3 s         |
//!
//! # Why a lame duck
//!
//! A balancer learns from `/ready` that it must go elsewhere, and until it has asked it still sends
//! requests here. Closing the listener at once would refuse them.
//!
//! # Invariants
//!
//! States only move forward, apart from `ready ⇄ not_ready`.

mod connection_tracker;
mod heartbeats;
mod hooks;
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

pub use self::shutdown_report::ShutdownReport;
pub(crate) use self::{
    connection_tracker::{ConnectionTracker, DrainStage},
    heartbeats::{Heartbeats, stall_limit},
    hooks::Hooks,
    runs::WorkerRuns,
    sd_notify::{SdNotify, WatchdogNotifier},
    shutdown_sequence::{ForcedShutdown, ShutdownOutcome, ShutdownSequence, hard_limit},
    signals::{Signals, Stop},
    watchdog::Watchdog,
};

/// Where the process is in its life.
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

/// The state of one service, shared by all its parts.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    state: AtomicU8,
    /// What holds readiness back: [`CODE`], and [`WORKER`] for each failed background worker.
    holds: AtomicU32,
    /// Those of the main listener: the drain waits for them.
    pub(crate) connections: Arc<ConnectionTracker>,
    /// Those of background workers: the drain waits for them too.
    pub(crate) runs: WorkerRuns,
}

/// Code has switched readiness off.
const CODE: u32 = 1;
/// One background worker that gates readiness does not run.
const WORKER: u32 = 2;

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

    /// Whether answers shall tell their clients to go elsewhere (contract LIFE-2).
    pub(crate) fn is_ending(&self) -> bool {
        self.state() >= LifecycleState::LameDuck
    }

    /// Moves to `to`, unless the process is there or further already.
    pub(crate) fn advance(&self, to: LifecycleState) -> bool {
        self.state.fetch_max(to as u8, Ordering::AcqRel) < to as u8
    }

    /// Ends the set-up: ready, or not ready if readiness was switched off meanwhile. Returns whether
    /// the service runs now, which it does not after [`Lifecycle::cancel_start`]. Calling it again
    /// changes nothing.
    pub(crate) fn start(&self) -> bool {
        let to = if self.is_held() {
            LifecycleState::NotReady
        } else {
            LifecycleState::Ready
        };
        let started = self.replace(LifecycleState::Starting, to);
        if started {
            // A change in between found that there was nothing to change yet.
            self.settle();
        }
        started
            || matches!(
                self.state(),
                LifecycleState::Ready | LifecycleState::NotReady
            )
    }

    /// Ends the service before it has started; says whether that is still possible.
    pub(crate) fn cancel_start(&self) -> bool {
        self.replace(LifecycleState::Starting, LifecycleState::Flushing)
    }

    /// Switches readiness, and returns whether that changed the state now.
    pub(crate) fn switch(&self, on: bool) -> bool {
        if on {
            self.holds.fetch_and(!CODE, Ordering::SeqCst);
        } else {
            self.holds.fetch_or(CODE, Ordering::SeqCst);
        }
        self.settle()
    }

    /// Holds readiness back for a background worker, and returns whether that changed the state now.
    pub(crate) fn hold(&self) -> bool {
        self.holds.fetch_add(WORKER, Ordering::SeqCst);
        self.settle()
    }

    /// Ends one [`Lifecycle::hold`].
    pub(crate) fn release(&self) -> bool {
        self.holds.fetch_sub(WORKER, Ordering::SeqCst);
        self.settle()
    }

    fn is_held(&self) -> bool {
        self.holds.load(Ordering::SeqCst) != 0
    }

    /// Makes the state agree with the holds. Looks again after each change: another thread may have
    /// changed the holds in between, and found nothing to do for itself.
    fn settle(&self) -> bool {
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

    /// Every state's name, and whether it is the present one.
    pub(crate) fn states(&self) -> Vec<(&'static str, bool)> {
        let present = self.state();
        LifecycleState::ALL
            .iter()
            .map(|state| (state.as_str(), *state == present))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn readiness_goes_back_and_forth_until_the_end_begins() {
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

    #[test]
    fn holds_on_readiness_are_independent() {
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
