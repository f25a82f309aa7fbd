//! Thread-local caches: the index and name of the thread, and the formatted time of the last record.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

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

/// Appends `2025-12-19 09:19:45,026` for `now`, in UTC.
///
/// The part up to the second is formatted once per second and thread, as that is the slowest part.
pub(super) fn push_asctime(out: &mut Vec<u8>, now: SystemTime) {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    thread_local! {
        static SECOND: RefCell<(u64, [u8; 19])> = const { RefCell::new((u64::MAX, [0; 19])) };
    }
    let cached = SECOND.try_with(|cell| {
        let mut cached = cell.borrow_mut();
        if cached.0 != since.as_secs() {
            *cached = (since.as_secs(), second(since.as_secs()));
        }
        out.extend_from_slice(&cached.1);
    });
    if cached.is_err() {
        out.extend_from_slice(&second(since.as_secs()));
    }
    let millis = since.subsec_millis();
    let digit = |n: u32| b'0' + u8::try_from(n % 10).unwrap_or(0);
    out.extend_from_slice(&[b',', digit(millis / 100), digit(millis / 10), digit(millis)]);
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
        push_asctime(&mut out, UNIX_EPOCH + Duration::from_millis(millis));
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

    #[test]
    fn threads_have_distinct_indices() {
        let mine = thread_index();
        let other = std::thread::spawn(thread_index).join().unwrap();
        assert_ne!(mine, other);
        assert_eq!(mine, thread_index());
    }
}
