//! Exponential backoff between retries.

use std::time::Duration;

/// The first delay; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// Delays from 100 ms, doubling up to a maximum.
#[derive(Debug)]
pub(crate) struct Backoff {
    delay: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) const fn new(max: Duration) -> Self {
        Self {
            delay: FIRST_DELAY,
            max,
        }
    }

    /// Returns the delay before the next retry, and doubles the one after it.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let delay = self.delay;
        self.delay = (delay * 2).min(self.max);
        delay
    }

    /// Starts again with the first delay.
    pub(crate) const fn reset(&mut self) {
        self.delay = FIRST_DELAY;
    }
}
