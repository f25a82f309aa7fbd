//! What is known about one service beside its history: target, instance, life cycle.

use plimsoll_scrape::Quantile;
use tokio::{sync::watch, task::AbortHandle};

use super::{charts::KnownRun, instance::Instance, life::Lives, probe::Address};

/// How often the service is scraped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Every second.
    Usual,
    /// Every 100 ms, during a shutdown and until the service is ready again.
    Fast,
}

/// One service.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) instance: Instance,
    pub(super) lives: Lives,
    /// The address for probes.
    pub(super) address: Option<Address>,
    pub(super) pace: watch::Sender<Pace>,
    pub(super) scraper: Option<Task>,
    pub(super) prober: Option<Task>,
    /// The time of the last scrape whose numbers are in the history.
    pub(super) numbers_at: Option<f64>,
    /// The bound above which percentiles of the metrics are not known.
    pub(super) above: Option<f64>,
    /// The time of the last change of the life cycle.
    pub(super) changed: f64,
    /// The run whose shutdown is probed.
    pub(super) shutdown_run: Option<u32>,
    /// The latest consecutive probes with status 200, and whether another one was before them.
    pub(super) ready_probes: u32,
    pub(super) was_away: bool,
}

/// A task that ends with its value.
#[derive(Debug)]
pub(super) struct Task(AbortHandle);

impl Task {
    pub(super) fn new(handle: AbortHandle) -> Self {
        Self(handle)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Observed {
    pub(super) fn new() -> Self {
        Self {
            instance: Instance::new(),
            lives: Lives::default(),
            address: None,
            pace: watch::Sender::new(Pace::Usual),
            scraper: None,
            prober: None,
            numbers_at: None,
            above: None,
            changed: 0.0,
            shutdown_run: None,
            ready_probes: 0,
            was_away: false,
        }
    }

    /// Adds the runs that the store knows.
    pub(super) fn know_runs(&mut self, runs: &[KnownRun], now: f64) {
        for run in runs {
            let is_new = self.lives.begin(run.run, run.began);
            let has_ended = run.ended.is_some_and(|at| self.lives.end(run.run, at));
            if is_new || has_ended {
                self.changed = now;
            }
        }
    }

    /// Begins a run that the store does not know, such as that of a service in another terminal.
    pub(super) fn begin_run(&mut self, now: f64) {
        let before = self.lives.latest().map(|life| life.run);
        let began = self.instance.started().unwrap_or(now).min(now);
        if let Some(before) = before {
            self.lives.end(before, began);
        }
        self.lives.begin(before.unwrap_or(0) + 1, began);
        self.changed = now;
    }

    /// Adds the state from the metrics. A service without that metric is ready when it answers.
    pub(super) fn know_state(&mut self, state: Option<&str>, now: f64) {
        let state = state.unwrap_or("ready");
        if self.lives.observe(state, now) {
            self.changed = now;
        }
        if matches!(state, "lame_duck" | "draining" | "flushing") {
            self.shut_down(now);
        }
    }

    /// Begins to observe a shutdown of the latest run, unless that is observed already.
    pub(super) fn shut_down(&mut self, now: f64) {
        let run = self.lives.latest().map(|life| life.run);
        if self.shutdown_run.is_some() && self.shutdown_run == run {
            return;
        }
        self.shutdown_run = run;
        self.ready_probes = 0;
        self.was_away = false;
        self.changed = now;
        self.set_pace(Pace::Fast);
    }

    /// Returns whether it is or was scraped.
    pub(super) fn is_scraped(&self) -> bool {
        self.scraper.is_some() || self.numbers_at.is_some()
    }

    pub(super) fn set_pace(&self, pace: Pace) {
        self.pace.send_if_modified(|now| {
            let is_other = *now != pace;
            *now = pace;
            is_other
        });
    }
}

/// Returns the number of a quantile, and whether it is only a lower bound.
pub(super) fn bound(quantile: Option<Quantile>) -> (Option<f64>, bool) {
    match quantile {
        Some(Quantile::At(value)) => (Some(value), false),
        Some(Quantile::Above(value)) => (Some(value), true),
        None => (None, false),
    }
}
