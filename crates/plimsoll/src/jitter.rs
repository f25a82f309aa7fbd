//! Random variations of times, so that instances do not act together. Not for secrets.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// Returns a random number from 0 up to 1.
pub(crate) fn fraction() -> f64 {
    // Each state has a key of its own, from a random start.
    let bits = RandomState::new().hash_one(0_u8);
    // The 53 bits of a double's fraction.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Varies a time by up to `share` of it in both directions.
pub(crate) fn vary(time: Duration, share: f64) -> Duration {
    time.mul_f64(1.0 + share * (2.0 * fraction() - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varied_times_spread_over_the_whole_range() {
        let base = Duration::from_secs(10);
        let times: Vec<_> = (0..1000).map(|_| vary(base, 0.1)).collect();
        let (low, high) = (Duration::from_secs(9), Duration::from_secs(11));
        assert!(times.iter().all(|time| (low..=high).contains(time)));
        let tenth = |tenth: u32| low + Duration::from_millis(200) * tenth;
        for part in 0..10 {
            let range = tenth(part)..=tenth(part + 1);
            assert!(times.iter().any(|time| range.contains(time)), "{part}");
        }
    }
}
