//! Runs one check: the loop of its runs, and the limit of each.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, oneshot},
    task::JoinError,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Check,
    status::{CheckStatus, CheckView, Effects, RunResult},
};
use crate::{
    error::chain,
    jitter,
    lifecycle::{Backoff, DrainStage, StepKind, TICK},
    mask::mask,
    metrics::CheckCells,
    sync::{Mutex, lock},
};

/// The longest error text, in bytes.
const MAX_ERROR: usize = 256;

/// The longest delay before a required check is tried again.
const MAX_RETRY: Duration = Duration::from_secs(2);

/// The share of an interval by which it varies.
const JITTER: f64 = 0.1;

/// A check that runs.
#[derive(Debug)]
pub(super) struct CheckRunner {
    check: Check,
    effects: Effects,
    cells: Arc<CheckCells>,
    status: Mutex<CheckStatus>,
    /// Held during a run.
    running: AsyncMutex<()>,
    /// Ticks of the watchdog since a run has finished.
    ticks: AtomicU32,
}

impl CheckRunner {
    pub(super) fn new(check: Check, effects: Effects, cells: Arc<CheckCells>) -> Self {
        let status = Mutex::new(CheckStatus::new(&check, &effects));
        Self {
            check,
            effects,
            cells,
            status,
            running: AsyncMutex::new(()),
            ticks: AtomicU32::new(0),
        }
    }

    pub(super) fn check(&self) -> &Check {
        &self.check
    }

    /// Runs the check until the service receives a shutdown signal. `first` is dropped after the first
    /// run.
    pub(super) async fn run(self: Arc<Self>, first: oneshot::Sender<()>) {
        let ending = self
            .effects
            .lifecycle
            .connections
            .reached(DrainStage::LameDuck);
        tokio::select! {
            biased;
            () = ending => {}
            () = self.repeat(first) => {}
        }
    }

    async fn repeat(&self, first: oneshot::Sender<()>) {
        let Check {
            interval,
            is_required,
            ..
        } = self.check;
        if !is_required {
            // Instances that start together do not run their checks together.
            sleep(interval.mul_f64(jitter::fraction())).await;
        }
        let times = &self.effects.lifecycle.startup;
        let mut first_success = Some(times.begin(StepKind::Check, self.check.name));
        let mut first = Some(first);
        let mut retry = Backoff::new(MAX_RETRY);
        loop {
            let started = Instant::now();
            self.run_once().await;
            drop(first.take());
            let has_succeeded = lock(&self.status).has_succeeded();
            if has_succeeded && let Some(step) = first_success.take() {
                step.end();
            }
            if is_required && !has_succeeded {
                sleep(retry.next_delay()).await;
            } else {
                let pause = jitter::vary(interval, JITTER);
                sleep(pause.saturating_sub(started.elapsed())).await;
            }
        }
    }

    /// Runs the check once, within its limit, and applies the result.
    pub(super) async fn run_once(&self) {
        let _running = self.running.lock().await;
        let run = Arc::clone(&self.check.run);
        let started = Instant::now();
        // Inside the task is all code of the application that may panic: the call, the future that it
        // returns, and the text of the error.
        let run = async move { run().await.map_err(|error| text(&*error)) };
        let mut task = AbortOnDropHandle::new(tokio::spawn(run));
        let result = match timeout(self.check.limit, &mut task).await {
            Ok(ended) => result(ended),
            Err(_) => {
                task.abort();
                // The next run starts only when this one has been dropped. The error reports the abort.
                let _ = task.await;
                RunResult::TimedOut
            }
        };
        let took = started.elapsed();
        self.ticks.store(0, Ordering::Relaxed);
        lock(&self.status).finish(&self.check, &self.effects, &self.cells, result, took);
    }

    /// Removes the hold of the check on readiness, or restores it.
    pub(super) fn lift(&self, is_lifted: bool) {
        lock(&self.status).lift(&self.check, &self.effects, is_lifted);
    }

    pub(super) fn view(&self) -> CheckView {
        lock(&self.status).view(&self.check)
    }

    /// Counts a tick. The check is stale if no run finishes for three intervals plus one limit.
    pub(super) fn tick(&self) {
        let ticks = self.ticks.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if TICK * ticks > self.check.interval * 3 + self.check.limit {
            lock(&self.status).stall(&self.check, &self.effects, &self.cells);
        }
    }
}

fn result(ended: Result<Result<(), String>, JoinError>) -> RunResult {
    match ended {
        Ok(Ok(())) => RunResult::Ok,
        Ok(Err(error)) => RunResult::Failed(error),
        // The panic hook logs a panic.
        Err(_) => RunResult::Panicked,
    }
}

/// Returns the text of an error, with passwords masked.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = mask(&chain(error));
    text.truncate(text.floor_char_boundary(MAX_ERROR));
    text
}
