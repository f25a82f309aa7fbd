//! The delay of records: from their time to their arrival at the reader.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::stats::percentile;

const DAY: f64 = 86_400_000.0;

/// The delays in milliseconds, while they are noted.
#[derive(Debug, Default)]
pub struct Delays {
    noted: AtomicBool,
    seen: Mutex<Vec<f64>>,
}

impl Delays {
    pub fn note(&self) {
        self.noted.store(true, Ordering::Release);
    }

    /// The median, the 99th percentile and the greatest, and how many there are.
    ///
    /// A record's time is cut to milliseconds, so up to one of them is none of the delay.
    pub fn summary(&self) -> Option<([f64; 3], usize)> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.sort_unstable_by(f64::total_cmp);
        let at = |part| percentile(&seen, part);
        Some(([at(0.5)?, at(0.99)?, at(1.0)?], seen.len()))
    }

    /// Notes the delays of lines that have just arrived.
    pub fn arrived<'a>(&self, lines: impl Iterator<Item = &'a [u8]>) {
        if !self.noted.load(Ordering::Acquire) {
            return;
        }
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else {
            return;
        };
        let now = now.as_nanos() as f64 / 1e6 % DAY;
        let delays = lines.filter_map(|line| Some((now - time_of_day(line)?).rem_euclid(DAY)));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(delays);
    }
}

/// The time of a record, in milliseconds of its day.
fn time_of_day(line: &[u8]) -> Option<f64> {
    let record = line.strip_prefix(b"{\"asctime\":\"")?;
    let text = record.get("2025-12-19 ".len().."2025-12-19 09:19:45,026".len())?;
    let number = |part: &[u8]| {
        let digits = part.iter().map(|digit| f64::from(digit.wrapping_sub(b'0')));
        digits.fold(0.0, |number, digit| number * 10.0 + digit)
    };
    let minutes = number(&text[0..2]) * 60.0 + number(&text[3..5]);
    Some((minutes * 60.0 + number(&text[6..8])) * 1e3 + number(&text[9..12]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_record_has_milliseconds() {
        let line = br#"{"asctime":"2025-12-19 09:19:45,026","levelname":"INFO"}"#;
        assert_eq!(time_of_day(line), Some(33_585_026.0));
        assert_eq!(time_of_day(b"{}"), None);
        assert_eq!(time_of_day(&[b'-'; 60]), None);
    }
}
