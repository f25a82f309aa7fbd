//! The logarithmic steps of latency, and quantiles over them.
//!
//! There are 60 steps, ten per decade, from 50 µs to 40 s. 1 ms, 10 ms and so on are bounds.
//! The last step has all longer times, so of a quantile there only the lower bound is known.

use std::sync::LazyLock;

use plimsoll_scrape::{Quantile, quantile};

/// The number of steps.
pub(crate) const STEPS: usize = 60;

/// The requests below which a window has no percentiles.
pub(crate) const FEW: u64 = 20;

/// The steps per decade, and those below 1 ms.
const PER_DECADE: f64 = 10.0;
const BELOW_ONE: f64 = 13.0;

static BOUNDS: LazyLock<[f64; STEPS]> = LazyLock::new(|| {
    let mut step = -BELOW_ONE;
    [(); STEPS].map(|()| {
        let bound = 10_f64.powf(step / PER_DECADE);
        step += 1.0;
        three_digits(bound)
    })
});

/// Returns the upper bounds of the steps, in milliseconds.
pub(crate) fn bounds() -> &'static [f64; STEPS] {
    &BOUNDS
}

/// Returns the step of a time in milliseconds. `None` if it is no time.
pub(super) fn step_of(ms: f64) -> Option<usize> {
    let is_time = ms >= 0.0;
    is_time.then(|| BOUNDS.partition_point(|bound| *bound < ms).min(STEPS - 1))
}

/// Returns a quantile in milliseconds. `None` below 20 requests.
pub(crate) fn percentile(q: f64, counts: &[u64; STEPS]) -> Option<Quantile> {
    if counts.iter().sum::<u64>() < FEW {
        return None;
    }
    let mut sum = 0;
    let mut buckets: Vec<(f64, f64)> = Vec::with_capacity(STEPS);
    for (bound, count) in BOUNDS.iter().zip(counts) {
        sum += count;
        buckets.push((*bound, sum as f64));
    }
    buckets[STEPS - 1].0 = f64::INFINITY;
    quantile(q, &buckets)
}

/// Rounds a positive number to three significant digits.
pub(crate) fn three_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    // The text of the number is exact, while a division by a power of ten is not.
    format!("{value:.2e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_cover_six_decades() {
        assert_eq!(bounds()[..3], [0.0501, 0.0631, 0.0794]);
        assert_eq!((bounds()[13], bounds()[43]), (1.0, 1000.0));
        assert_eq!(bounds()[59], 39_800.0);
        assert!(bounds().is_sorted());
    }

    #[test]
    fn times_have_the_step_that_ends_above_them() {
        assert_eq!(step_of(0.0), Some(0));
        assert_eq!(step_of(0.0501), Some(0));
        assert_eq!(step_of(0.051), Some(1));
        assert_eq!(step_of(1.0), Some(13));
        assert_eq!(step_of(1e12), Some(59));
        assert_eq!(step_of(f64::INFINITY), Some(59));
        assert_eq!(step_of(f64::NAN), None);
        assert_eq!(step_of(-1.0), None);
    }

    #[test]
    fn percentile_needs_twenty_requests() {
        let mut counts = [0; STEPS];
        counts[10] = FEW - 1;
        assert_eq!(percentile(0.5, &counts), None);
        counts[59] = 1;
        assert!(matches!(percentile(0.5, &counts), Some(Quantile::At(ms)) if ms <= 0.502));
        assert_eq!(
            percentile(1.0, &counts),
            Some(Quantile::Above(bounds()[58]))
        );
    }

    proptest! {
        /// The quantile is in the step of the request at its rank.
        #[test]
        fn percentile_is_within_a_step_of_the_exact_one(
            mut times in prop::collection::vec(0.001_f64..30_000.0, 20..200),
            q in 0.01_f64..1.0,
        ) {
            let mut counts = [0; STEPS];
            for ms in &times {
                counts[step_of(*ms).unwrap()] += 1;
            }
            times.sort_by(f64::total_cmp);
            let count = f64::from(u32::try_from(times.len()).unwrap());
            #[expect(clippy::cast_possible_truncation, reason = "a rank")]
            let rank = (q * count).ceil() as usize;
            let exact = step_of(times[rank - 1]).unwrap();
            let Some(Quantile::At(found)) = percentile(q, &counts) else {
                return Err(TestCaseError::fail("no quantile"));
            };
            let low = if exact == 0 { 0.0 } else { bounds()[exact - 1] };
            prop_assert!(low <= found && found <= bounds()[exact], "{found}");
        }
    }
}
