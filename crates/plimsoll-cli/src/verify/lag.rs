//! Measures how late this command's own timers are.
//!
//! If they are late, a measured time proves little about the service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// The pause between two measurements.
const PERIOD: Duration = Duration::from_millis(5);

/// A task that measures the delay of timers until it is dropped.
#[derive(Debug)]
pub(super) struct LagMeter {
    longest: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl LagMeter {
    /// Starts the task.
    pub(super) fn start() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(measure(longest.clone()));
        Self { longest, task }
    }

    /// Returns the longest delay so far.
    pub(super) fn longest(&self) -> Duration {
        Duration::from_micros(self.longest.load(Ordering::Relaxed))
    }
}

impl Drop for LagMeter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn measure(longest: Arc<AtomicU64>) {
    loop {
        let deadline = Instant::now() + PERIOD;
        sleep_until(deadline).await;
        let late = deadline.elapsed().as_micros();
        longest.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
