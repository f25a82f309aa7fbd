//! Counters of one process over the last seconds.
//!
//! A counter never decreases within a process, so the increase is the last value minus the first.
//! A counter that is not there yet is 0: services create a series with its first event.
//! If a counter falls, its values come from several processes, or from a new one.
//! A difference means nothing then, so the window starts again.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

/// The counters of the last scrapes.
#[derive(Debug)]
pub struct Window<K> {
    length: Duration,
    /// The place of each counter in `values`.
    places: HashMap<K, usize>,
    scrapes: VecDeque<Scrape>,
}

#[derive(Debug)]
struct Scrape {
    at: Duration,
    /// Shorter than `places` if counters came later; those were 0.
    values: Vec<f64>,
}

/// A counter that was lower than before.
#[derive(Debug, Clone, PartialEq)]
pub struct Fall<K> {
    /// The counter.
    pub counter: K,
    /// Its value before.
    pub before: f64,
    /// Its value now; 0 if it is missing.
    pub now: f64,
}

impl<K: Clone + Eq + Hash> Window<K> {
    /// Creates an empty window that keeps scrapes of the last `length`.
    #[must_use]
    pub fn new(length: Duration) -> Self {
        Self {
            length,
            places: HashMap::new(),
            scrapes: VecDeque::new(),
        }
    }

    /// Removes all scrapes, for a new process.
    pub fn clear(&mut self) {
        self.places.clear();
        self.scrapes.clear();
    }

    /// Adds a scrape. `at` is its time since any fixed moment, and `counters` are all its counters.
    /// Values with the same key are added up.
    ///
    /// # Errors
    ///
    /// The first counter that fell. The window then starts again with this scrape.
    pub fn push(
        &mut self,
        at: Duration,
        counters: impl IntoIterator<Item = (K, f64)>,
    ) -> Result<(), Fall<K>> {
        let mut values = vec![0.0; self.places.len()];
        for (counter, value) in counters {
            let next = self.places.len();
            let place = *self.places.entry(counter).or_insert(next);
            if place == values.len() {
                values.push(0.0);
            }
            values[place] += value;
        }
        let fall = self.fall(&values);
        if fall.is_some() {
            self.scrapes.clear();
        }
        while let Some(oldest) = self.scrapes.front()
            && at.saturating_sub(oldest.at) > self.length
        {
            self.scrapes.pop_front();
        }
        self.scrapes.push_back(Scrape { at, values });
        fall.map_or(Ok(()), Err)
    }

    /// Returns how much the counter increases per second. `None` without two scrapes.
    #[must_use]
    pub fn rate(&self, counter: &K) -> Option<f64> {
        let span = self.span()?.as_secs_f64();
        Some(self.increase(counter)? / span)
    }

    /// Returns how much the counter has increased within the window. `None` without two scrapes.
    #[must_use]
    pub fn increase(&self, counter: &K) -> Option<f64> {
        self.span()?;
        let (first, last) = (self.scrapes.front()?, self.scrapes.back()?);
        let place = *self.places.get(counter)?;
        Some(last.value(place) - first.value(place))
    }

    /// Returns all counters that have been seen, in no order.
    pub fn counters(&self) -> impl Iterator<Item = &K> {
        self.places.keys()
    }

    /// Returns the time between the first and the last scrape. `None` without two scrapes.
    #[must_use]
    pub fn span(&self) -> Option<Duration> {
        let (first, last) = (self.scrapes.front()?, self.scrapes.back()?);
        let span = last.at.saturating_sub(first.at);
        (!span.is_zero()).then_some(span)
    }

    fn fall(&self, values: &[f64]) -> Option<Fall<K>> {
        let before = self.scrapes.back()?;
        let (place, now) = (0..)
            .zip(values)
            .find(|(place, now)| **now < before.value(*place))?;
        let counter = self.places.iter().find(|(_, other)| **other == place)?.0;
        Some(Fall {
            counter: counter.clone(),
            before: before.value(place),
            now: *now,
        })
    }
}

impl Scrape {
    fn value(&self, place: usize) -> f64 {
        self.values.get(place).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    fn seconds(at: u64) -> Duration {
        Duration::from_secs(at)
    }

    #[test]
    fn one_scrape_has_no_rate() {
        let mut window = Window::new(LENGTH);
        assert_eq!(window.increase(&"a"), None);
        window.push(seconds(1), [("a", 5.0)]).unwrap();
        assert_eq!(window.increase(&"a"), None);
        assert_eq!(window.span(), None);
        window.push(seconds(3), [("a", 9.0)]).unwrap();
        assert_eq!(window.rate(&"a"), Some(2.0));
        assert_eq!(window.rate(&"b"), None, "a counter that is missing");
    }

    #[test]
    fn new_counter_counts_from_zero() {
        let mut window = Window::new(LENGTH);
        window.push(seconds(1), [("a", 5.0)]).unwrap();
        window.push(seconds(2), [("a", 5.0), ("b", 3.0)]).unwrap();
        assert_eq!(window.increase(&"b"), Some(3.0));
    }

    #[test]
    fn counter_that_falls_restarts_the_window() {
        let mut window = Window::new(LENGTH);
        window.push(seconds(1), [("a", 5.0), ("b", 7.0)]).unwrap();
        let fall = window.push(seconds(2), [("a", 6.0)]).unwrap_err();
        assert_eq!((fall.counter, fall.before, fall.now), ("b", 7.0, 0.0));
        assert_eq!(window.increase(&"a"), None);
        window.push(seconds(3), [("a", 7.0)]).unwrap();
        assert_eq!(window.increase(&"a"), Some(1.0));
    }

    #[test]
    fn scrapes_before_a_gap_have_left_the_window() {
        let mut window = Window::new(LENGTH);
        window.push(seconds(1), [("a", 5.0)]).unwrap();
        window.push(seconds(60), [("a", 500.0)]).unwrap();
        assert_eq!(window.increase(&"a"), None);
    }

    proptest! {
        /// A naive reading keeps every scrape, and adds the differences within the last seconds.
        #[test]
        fn increase_agrees_with_a_naive_reading(
            steps in prop::collection::vec((1_u64..6, 0_u32..9, prop::option::of(0_u32..9)), 1..30),
        ) {
            let mut window = Window::new(LENGTH);
            let (mut at, mut a, mut b) = (0, 0, None);
            let mut all: Vec<(u64, u32, u32)> = Vec::new();
            for (pause, more_a, more_b) in steps {
                at += pause;
                a += more_a;
                b = more_b.map_or(b, |more| Some(b.unwrap_or(0) + more));
                all.push((at, a, b.unwrap_or(0)));
                let b = b.map(|b| ("b", f64::from(b)));
                window.push(seconds(at), [("a", f64::from(a))].into_iter().chain(b)).unwrap();

                let recent: Vec<_> = all.iter().filter(|scrape| at - scrape.0 <= 10).collect();
                let sum = |value: fn(&(u64, u32, u32)) -> u32| {
                    let differences = recent.windows(2).map(|pair| value(pair[1]) - value(pair[0]));
                    (recent.len() > 1).then(|| f64::from(differences.sum::<u32>()))
                };
                prop_assert_eq!(window.increase(&"a"), sum(|scrape| scrape.1));
                if b.is_some() {
                    prop_assert_eq!(window.increase(&"b"), sum(|scrape| scrape.2));
                }
            }
        }
    }
}
