//! The state of a check, from the results of its runs (contract HLT-4). Pure, without a clock.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The consecutive failures after which a check is down.
pub(super) const FAILURES: u32 = 3;

/// The consecutive successes after which a check is up.
pub(super) const SUCCESSES: u32 = 2;

/// A check that goes down this often within [`FLAPPING_WITHIN`] is flapping.
const FLAPPING_DOWNS: usize = 3;

const FLAPPING_WITHIN: Duration = Duration::from_secs(600);

/// The time without a failure before a flapping check is up again.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckState {
    /// No run has finished.
    Unknown,
    Up,
    Down,
}

impl CheckState {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Derives the state of one check from its results.
#[derive(Debug)]
pub(super) struct Track {
    state: CheckState,
    /// Consecutive failures or successes; one of both is 0.
    failures: u32,
    successes: u32,
    has_succeeded: bool,
    last_failure: Option<Instant>,
    /// When the check went down, the last [`FLAPPING_DOWNS`] times.
    downs: VecDeque<Instant>,
}

impl Track {
    pub(super) const fn new() -> Self {
        Self {
            state: CheckState::Unknown,
            failures: 0,
            successes: 0,
            has_succeeded: false,
            last_failure: None,
            downs: VecDeque::new(),
        }
    }

    pub(super) const fn state(&self) -> CheckState {
        self.state
    }

    /// Whether a run has ever succeeded.
    pub(super) const fn has_succeeded(&self) -> bool {
        self.has_succeeded
    }

    /// Adds the result of a run. Returns whether the state changed.
    pub(super) fn observe(&mut self, now: Instant, is_ok: bool) -> bool {
        if is_ok {
            self.succeed(now)
        } else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            self.last_failure = Some(now);
            let is_enough = !self.has_succeeded || self.failures >= FAILURES;
            is_enough && self.go_down(now)
        }
    }

    /// Records that no run finishes. Returns whether the state changed.
    pub(super) fn stall(&mut self, now: Instant) -> bool {
        self.successes = 0;
        self.last_failure = Some(now);
        self.go_down(now)
    }

    fn succeed(&mut self, now: Instant) -> bool {
        let is_first = !self.has_succeeded;
        self.has_succeeded = true;
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        let is_enough = is_first || self.successes >= SUCCESSES && !self.must_be_quiet(now);
        let changes = self.state != CheckState::Up && is_enough;
        if changes {
            self.state = CheckState::Up;
        }
        changes
    }

    fn go_down(&mut self, now: Instant) -> bool {
        if self.state == CheckState::Down {
            return false;
        }
        self.state = CheckState::Down;
        self.downs.push_back(now);
        if self.downs.len() > FLAPPING_DOWNS {
            self.downs.pop_front();
        }
        true
    }

    /// Whether the check is flapping, and its last failure is too recent.
    fn must_be_quiet(&self, now: Instant) -> bool {
        let (Some(first), Some(last)) = (self.downs.front(), self.downs.back()) else {
            return false;
        };
        let is_flapping =
            self.downs.len() == FLAPPING_DOWNS && last.duration_since(*first) <= FLAPPING_WITHIN;
        is_flapping
            && self
                .last_failure
                .is_some_and(|failure| now.duration_since(failure) < QUIET)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds one result a second. Returns the changes: the second, and the new state.
    fn changes(results: &str) -> Vec<(usize, CheckState)> {
        let start = Instant::now();
        let mut track = Track::new();
        let mut changes = Vec::new();
        for (second, result) in results.bytes().enumerate() {
            let now = start + Duration::from_secs(second as u64);
            let has_changed = match result {
                b's' => track.stall(now),
                result => track.observe(now, result == b'+'),
            };
            if has_changed {
                changes.push((second, track.state()));
            }
        }
        changes
    }

    use CheckState::{Down, Up};

    /// HLT-4
    #[test]
    fn check_is_down_after_three_failures() {
        assert_eq!(changes("+--+--+---"), [(0, Up), (9, Down)]);
        assert_eq!(changes("+------"), [(0, Up), (3, Down)]);
    }

    /// HLT-4
    #[test]
    fn check_is_up_after_two_successes() {
        assert_eq!(changes("+---+-+-++"), [(0, Up), (3, Down), (9, Up)]);
    }

    /// HLT-4
    #[test]
    fn results_before_the_first_success_count_at_once() {
        assert_eq!(changes("--+"), [(0, Down), (2, Up)]);
        assert_eq!(changes("+"), [(0, Up)]);
    }

    /// HLT-4
    #[test]
    fn stalled_check_is_down_at_once_and_needs_two_successes() {
        assert_eq!(changes("+s++"), [(0, Up), (1, Down), (3, Up)]);
        assert_eq!(changes("s"), [(0, Down)]);
    }

    /// HLT-4
    #[test]
    fn flapping_check_comes_up_after_a_quiet_minute() {
        let flaps = "+---++---++---";
        let quiet = "+".repeat(70);
        let seen = changes(&format!("{flaps}{quiet}"));
        // The last failure is in second 13.
        assert_eq!(seen.last(), Some(&(73, Up)));
        let interrupted = format!("{flaps}{}-{quiet}", "+".repeat(58));
        assert_eq!(changes(&interrupted).last(), Some(&(72 + 60, Up)));
    }

    #[test]
    fn check_that_goes_down_rarely_is_not_flapping() {
        let rare = format!("---{}", "+".repeat(400));
        let seen = changes(&rare.repeat(4));
        let ups = seen.iter().filter(|(_, state)| *state == Up);
        assert_eq!(
            ups.map(|(second, _)| second % 403).collect::<Vec<_>>(),
            [3, 4, 4, 4]
        );
    }

    proptest! {
        /// HLT-4: from its third down on, a check that keeps flapping is down for 60 s each time.
        #[test]
        fn state_changes_are_few_at_any_failure_rate(
            rate in 0.0..1.0_f64,
            draws in proptest::collection::vec(0.0..1.0_f64, 3600),
        ) {
            let results: String = draws.iter().map(|it| if *it < rate { '-' } else { '+' }).collect();
            let seen = changes(&results);
            prop_assert!(seen.len() <= 2 * 3600 / 60 + 6, "{} changes", seen.len());
            for pair in seen.windows(2) {
                prop_assert_ne!(pair[0].1, pair[1].1);
            }
        }
    }
}
