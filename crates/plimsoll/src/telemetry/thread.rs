//! Thread-local caches: the index and name of the thread, the wall clock, and the formatted time of the
//! last record.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use super::escape::json_string;

/// Returns the index of this thread. It is assigned at the first call and never reused.
///
/// It distributes threads over shards of buffers and counters. Threads that share a shard are slower,
/// but correct.
pub(crate) fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    crate::sync::thread_local! {
        static INDEX: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // If the thread exits and its locals are destroyed, any shard is correct.
    INDEX.try_with(|index| *index).unwrap_or(0)
}

/// Appends the name of this thread as a JSON string in quotes.
pub(super) fn push_thread_name(out: &mut Vec<u8>) {
    thread_local! {
        static NAME: Vec<u8> = {
            let mut name = Vec::new();
            json_string(&mut name, std::thread::current().name().unwrap_or("unnamed"), 64);
            name
        };
    }
    if NAME.try_with(|name| out.extend_from_slice(name)).is_err() {
        out.extend_from_slice(b"\"unnamed\"");
    }
}

/// How long the wall clock is derived from one reading of it. A clock that is set is followed after
/// this time.
const MAX_ANCHOR_AGE: Duration = Duration::from_millis(100);

/// The longest reading of both clocks that is kept. A thread that the system stops between the two would
/// otherwise shift all times until the next reading. Records have milliseconds.
const MAX_READING: Duration = Duration::from_millis(1);

/// The most readings for one record. The last one is used for this record only, if none is short enough.
const MAX_READINGS: usize = 4;

/// The wall clock of this thread, derived from the monotonic clock.
///
/// The end of a request reads the monotonic clock anyway, and a second reading takes 21 ns.
#[derive(Debug)]
struct WallClock {
    /// A time, and the same time since the epoch.
    anchor: Option<(Instant, Duration)>,
    /// A second since the epoch and its text. Formatting it is the slowest part.
    second: (u64, [u8; 19]),
}

impl WallClock {
    const fn new() -> Self {
        Self {
            anchor: None,
            second: (u64::MAX, [0; 19]),
        }
    }

    /// Returns the time since the epoch.
    fn since_epoch(&mut self, at: Instant) -> Duration {
        self.since_epoch_by(at, || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            (now.unwrap_or_default(), Instant::now())
        })
    }

    /// `read` reads the wall clock, and then the monotonic clock.
    fn since_epoch_by(
        &mut self,
        at: Instant,
        mut read: impl FnMut() -> (Duration, Instant),
    ) -> Duration {
        if let Some((anchor, since_epoch)) = self.anchor
            && let Some(age) = at.checked_duration_since(anchor)
            && age < MAX_ANCHOR_AGE
        {
            return since_epoch.saturating_add(age);
        }
        self.anchor = None;
        let (mut before, mut since_epoch) = (at, Duration::ZERO);
        for _ in 0..MAX_READINGS {
            let (now, after) = read();
            since_epoch = now.saturating_sub(after.saturating_duration_since(at));
            if after.saturating_duration_since(before) < MAX_READING {
                self.anchor = Some((at, since_epoch));
                break;
            }
            before = after;
        }
        since_epoch
    }

    /// Appends `2025-12-19 09:19:45,026`, in UTC.
    fn push_asctime(&mut self, out: &mut Vec<u8>, since_epoch: Duration) {
        if self.second.0 != since_epoch.as_secs() {
            self.second = (since_epoch.as_secs(), second(since_epoch.as_secs()));
        }
        out.extend_from_slice(&self.second.1);
        let millis = since_epoch.subsec_millis();
        let digit = |n: u32| b'0' + u8::try_from(n % 10).unwrap_or(0);
        out.extend_from_slice(&[b',', digit(millis / 100), digit(millis / 10), digit(millis)]);
    }
}

/// Appends the time `at` as `2025-12-19 09:19:45,026`, in UTC.
pub(super) fn push_asctime(out: &mut Vec<u8>, at: Instant) {
    thread_local! {
        static CLOCK: RefCell<WallClock> = const { RefCell::new(WallClock::new()) };
    }
    let push = |clock: &mut WallClock, out: &mut Vec<u8>| {
        let since_epoch = clock.since_epoch(at);
        clock.push_asctime(out, since_epoch);
    };
    if CLOCK
        .try_with(|clock| push(&mut clock.borrow_mut(), out))
        .is_err()
    {
        push(&mut WallClock::new(), out);
    }
}

/// Formats a number of seconds since the epoch as `2025-12-19 09:19:45`.
fn second(seconds: u64) -> [u8; 19] {
    // RFC 3339 ends in the year 9999. A later time is shown as its last second.
    const LAST: u64 = 253_402_300_799;
    let time = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST));
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let mut bytes = [b' '; 19];
    for (to, from) in bytes.iter_mut().zip(text.bytes()) {
        *to = if from == b'T' { b' ' } else { from };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(millis: u64, expected: &str) {
        let mut out = Vec::new();
        WallClock::new().push_asctime(&mut out, Duration::from_millis(millis));
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn asctime_has_milliseconds_in_utc() {
        check(0, "1970-01-01 00:00:00,000");
        check(1_766_135_985_026, "2025-12-19 09:19:45,026");
        check(1_766_135_985_999, "2025-12-19 09:19:45,999");
        check(1_709_164_800_001, "2024-02-29 00:00:00,001");
        check(u64::MAX / 2, "9999-12-31 23:59:59,807");
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn wall_clock_is_derived_for_a_short_time() {
        let at = Instant::now();
        let mut clock = WallClock::new();
        clock.anchor = Some((at, HOUR));
        let age = MAX_ANCHOR_AGE - Duration::from_nanos(1);
        assert_eq!(clock.since_epoch(at), HOUR);
        assert_eq!(clock.since_epoch(at + age), HOUR + age);
    }

    fn wall_clock_now() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }

    #[test]
    fn wall_clock_follows_a_step() {
        let (before, anchor) = (wall_clock_now(), Instant::now());
        for at in [anchor + MAX_ANCHOR_AGE, anchor - Duration::from_millis(1)] {
            let mut clock = WallClock::new();
            // As it was before an operator has set the clock.
            clock.anchor = Some((anchor, HOUR));
            assert!(clock.since_epoch(at) >= before - Duration::from_millis(1));
        }
    }

    #[test]
    fn earlier_time_has_an_earlier_wall_clock() {
        let earlier = Instant::now() - Duration::from_millis(60);
        let since_epoch = WallClock::new().since_epoch(earlier);
        assert!(since_epoch <= wall_clock_now() - Duration::from_millis(60));
    }

    /// Reads an exact wall clock, but the thread stops for `pauses` between the two readings.
    fn slow_clocks(
        at: Instant,
        pauses: impl IntoIterator<Item = Duration>,
    ) -> impl FnMut() -> (Duration, Instant) {
        let mut passed = Duration::ZERO;
        let mut pauses = pauses.into_iter();
        move || {
            let since_epoch = HOUR + passed;
            passed += pauses.next().unwrap_or_default();
            (since_epoch, at + passed)
        }
    }

    #[test]
    fn stop_between_two_readings_does_not_shift_times() {
        let at = Instant::now();
        let mut clock = WallClock::new();
        let read = slow_clocks(at, [Duration::from_millis(20)]);
        assert_eq!(clock.since_epoch_by(at, read), HOUR);
        assert_eq!(clock.since_epoch(at), HOUR, "it is kept");
    }

    #[test]
    fn inexact_reading_is_used_once() {
        let at = Instant::now();
        let mut clock = WallClock::new();
        let read = slow_clocks(at, std::iter::repeat(Duration::from_millis(20)));
        assert!(clock.since_epoch_by(at, read) < HOUR);
        assert_eq!(clock.since_epoch_by(at, slow_clocks(at, [])), HOUR);
    }

    #[test]
    fn threads_have_distinct_indices() {
        let mine = thread_index();
        let other = std::thread::spawn(thread_index).join().unwrap();
        assert_ne!(mine, other);
        assert_eq!(mine, thread_index());
    }
}
