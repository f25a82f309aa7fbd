//! The time at which a request began, as a number that an atomic can hold.

use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;

/// The time at which a request began, in nanoseconds after the first request of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BeganAt(u64);

/// The begin of the first request, the origin of all others.
static FIRST: OnceLock<Instant> = OnceLock::new();

impl BeganAt {
    #[inline]
    pub(crate) fn new(at: Instant) -> Self {
        let since = at.saturating_duration_since(*FIRST.get_or_init(|| at));
        // The sum exceeds its type after 584 years.
        Self(since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos()))
    }

    pub(super) const fn of_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(super) const fn nanos(self) -> u64 {
        self.0
    }

    /// Returns the time since the request began.
    pub(crate) fn age(self) -> Duration {
        let since = FIRST.get().map(Instant::elapsed);
        let first = Duration::from_nanos(self.0);
        since.unwrap_or_default().saturating_sub(first)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn age_grows_from_the_begin() {
        let one = BeganAt::new(Instant::now());
        advance(Duration::from_secs(3)).await;
        let two = BeganAt::new(Instant::now());
        assert!(one < two);
        let (older, newer) = (one.age(), two.age());
        assert_eq!(newer, Duration::ZERO);
        assert_eq!(older, Duration::from_secs(3));
    }
}
