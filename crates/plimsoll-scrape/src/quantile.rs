//! A quantile of a histogram, as `histogram_quantile` of PromQL computes it.
//!
//! Values are assumed to be spread evenly within a bucket.
//! The last bucket has no upper bound, so of a quantile there only the lower bound is known.

/// A quantile of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantile {
    /// The interpolated value.
    At(f64),
    /// It is in the last bucket: the value is above this bound.
    Above(f64),
}

/// Returns the quantile `q` of cumulative buckets: upper bound and count, in any order.
///
/// Returns `None` without a bucket `+Inf`, without another bucket, and without an observation.
/// `q` is from 0 to 1.
#[must_use]
pub fn quantile(q: f64, buckets: &[(f64, f64)]) -> Option<Quantile> {
    let buckets = cumulative(buckets);
    let (last, finite) = buckets.split_last()?;
    let has_observations = last.1 > 0.0;
    if last.0 != f64::INFINITY || finite.is_empty() || !has_observations {
        return None;
    }
    let rank = q * last.1;
    let Some(index) = finite.iter().position(|(_, count)| *count >= rank) else {
        return finite.last().map(|(bound, _)| Quantile::Above(*bound));
    };
    let (end, count) = finite[index];
    let (start, below) = match index.checked_sub(1) {
        Some(before) => finite[before],
        // As in PromQL: the first bucket begins at 0, unless its bound is not above 0.
        None if end <= 0.0 => return Some(Quantile::At(end)),
        None => (0.0, 0.0),
    };
    let within = count - below;
    let part = if within > 0.0 {
        (rank - below) / within
    } else {
        1.0
    };
    Some(Quantile::At(start + (end - start) * part))
}

/// Sorts the buckets, adds those with the same bound, and makes the counts increase.
///
/// Counts of instances that were not read at the same moment may decrease a little.
fn cumulative(buckets: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = buckets.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    sorted.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1 += next.1;
        }
        is_same
    });
    let mut highest = 0.0;
    for (_, count) in &mut sorted {
        highest = f64::max(highest, *count);
        *count = highest;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INF: f64 = f64::INFINITY;

    /// The values are those of Prometheus 2.42 for the same buckets.
    #[test]
    fn quantiles_are_those_of_promql() {
        let buckets = [(0.1, 50.0), (0.5, 90.0), (1.0, 99.0), (INF, 100.0)];
        let at = |q| match quantile(q, &buckets).unwrap() {
            Quantile::At(value) => format!("{value:.4}"),
            Quantile::Above(bound) => format!("> {bound}"),
        };
        assert_eq!(at(0.25), "0.0500");
        assert_eq!(at(0.5), "0.1000");
        assert_eq!(at(0.7), "0.3000");
        assert_eq!(at(0.95), "0.7778");
        assert_eq!(at(0.999), "> 1");
        assert_eq!(at(0.0), "0.0000");
    }

    #[test]
    fn quantile_is_unknown_without_observations_or_bounds() {
        assert_eq!(quantile(0.5, &[]), None);
        assert_eq!(quantile(0.5, &[(INF, 5.0)]), None);
        assert_eq!(quantile(0.5, &[(1.0, 5.0)]), None);
        assert_eq!(quantile(0.5, &[(1.0, 0.0), (INF, 0.0)]), None);
        assert_eq!(quantile(0.5, &[(1.0, f64::NAN), (INF, f64::NAN)]), None);
    }

    #[test]
    fn buckets_of_several_series_are_added() {
        let buckets = [(INF, 2.0), (1.0, 2.0), (INF, 2.0), (1.0, 0.0)];
        assert_eq!(quantile(0.25, &buckets), Some(Quantile::At(0.5)));
        assert_eq!(quantile(0.75, &buckets), Some(Quantile::Above(1.0)));
    }

    proptest! {
        /// A naive reading: spread each bucket's observations evenly, sort all, and count.
        #[test]
        fn quantile_agrees_with_a_naive_reading(
            counts in prop::collection::vec(0_u32..20, 2..8),
            q in 0.001_f64..1.0,
        ) {
            // Bucket i covers i to i + 1, and the last one has no end.
            let bounds = (1_u32..).map(f64::from);
            let total: u32 = counts.iter().sum();
            let mut sum = 0;
            let mut buckets: Vec<(f64, f64)> = bounds.zip(&counts).map(|(bound, count)| {
                sum += count;
                (bound, f64::from(sum))
            }).collect();
            let last = counts.len() - 1;
            buckets[last].0 = INF;
            let mut observations = Vec::new();
            for (start, count) in (0_u32..).zip(&counts) {
                let values = (1..=*count).map(|n| f64::from(start) + f64::from(n) / f64::from(*count));
                observations.extend(values);
            }
            let finite = f64::from(u32::try_from(last).unwrap());
            match quantile(q, &buckets) {
                None => prop_assert_eq!(total, 0),
                Some(Quantile::Above(bound)) => {
                    prop_assert_eq!(bound, finite);
                    let below = observations.iter().filter(|value| **value <= finite).count();
                    prop_assert!(f64::from(u32::try_from(below).unwrap()) < q * f64::from(total));
                }
                Some(Quantile::At(value)) => {
                    // Each rank is between the observations around it.
                    let rank = q * f64::from(total);
                    let at_most = |limit: f64| {
                        let count = observations.iter().filter(|value| **value <= limit).count();
                        f64::from(u32::try_from(count).unwrap())
                    };
                    prop_assert!(at_most(value + 1e-9) + 1.0 > rank, "{value}");
                    prop_assert!(at_most(value - 1e-9) <= rank, "{value}");
                }
            }
        }
    }
}
