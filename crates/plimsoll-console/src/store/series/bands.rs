//! Times without values, each with its cause.

use std::collections::VecDeque;

/// The bands of a service that are kept.
const KEEP: usize = 500;

/// The longest cause, in bytes.
const CAUSE: usize = 256;

/// A time without values. Times are in seconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Band {
    pub(crate) from: f64,
    /// `None` if it lasts.
    pub(crate) to: Option<f64>,
    pub(crate) cause: String,
}

/// The bands of one service, the latest last. At most the last one lasts.
#[derive(Debug, Default)]
pub(super) struct Bands {
    bands: VecDeque<Band>,
    /// The time of the last scrape with values.
    good: Option<f64>,
}

impl Bands {
    /// Adds a scrape that failed. The band begins at the last scrape with values.
    pub(super) fn fail(&mut self, at: f64, cause: &str) {
        let cause = cut(cause);
        let mut from = self.good.take().unwrap_or(at);
        if let Some(last) = self.lasting() {
            if last.cause == cause {
                return;
            }
            last.to = Some(at);
            from = at;
        }
        self.add(Band {
            from,
            to: None,
            cause,
        });
    }

    /// Adds a scrape with values. `restarted` is the time of a restart since the one before.
    pub(super) fn succeed(&mut self, at: f64, restarted: Option<f64>) {
        let good = self.good.replace(at);
        let restarted = restarted.map(|time| time.min(at));
        let mut from = good;
        if let Some(last) = self.lasting() {
            let end = restarted.map_or(at, |time| time.max(last.from));
            last.to = Some(end);
            from = Some(end);
        }
        if restarted.is_some() {
            self.add(Band {
                from: from.unwrap_or(at),
                to: Some(at),
                cause: "restart".to_owned(),
            });
        }
    }

    fn lasting(&mut self) -> Option<&mut Band> {
        self.bands.back_mut().filter(|band| band.to.is_none())
    }

    fn add(&mut self, band: Band) {
        if self.bands.len() == KEEP {
            self.bands.pop_front();
        }
        self.bands.push_back(band);
    }

    /// Returns the bands that overlap a range.
    pub(super) fn within(&self, from: f64, to: f64) -> impl Iterator<Item = &Band> {
        let overlaps = move |band: &&Band| band.from <= to && band.to.is_none_or(|end| end >= from);
        self.bands.iter().filter(overlaps)
    }

    pub(super) fn bytes(&self) -> usize {
        let causes: usize = self.bands.iter().map(|band| band.cause.capacity()).sum();
        causes + self.bands.capacity() * size_of::<Band>()
    }
}

fn cut(cause: &str) -> String {
    let end = cause.floor_char_boundary(CAUSE);
    cause[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bands: &Bands) -> Vec<String> {
        let bands = bands.within(0.0, 1e9);
        bands
            .map(|band| {
                let to = band.to.map_or("…".to_owned(), |to| to.to_string());
                format!("{}–{to} {}", band.from, band.cause)
            })
            .collect()
    }

    #[test]
    fn equal_causes_make_one_band() {
        let mut bands = Bands::default();
        bands.succeed(1.0, None);
        bands.fail(2.0, "refused");
        bands.fail(3.0, "refused");
        bands.fail(4.0, "late");
        assert_eq!(texts(&bands), ["1–4 refused", "4–… late"]);
        bands.succeed(5.0, None);
        assert_eq!(texts(&bands), ["1–4 refused", "4–5 late"]);
        assert_eq!(bands.within(0.0, 0.5).count(), 0);
        assert_eq!(bands.within(4.5, 4.6).count(), 1);
    }

    #[test]
    fn restart_ends_the_band_of_failed_scrapes() {
        let mut bands = Bands::default();
        bands.succeed(1.0, None);
        bands.fail(2.0, "refused");
        bands.succeed(5.0, Some(4.5));
        assert_eq!(texts(&bands), ["1–4.5 refused", "4.5–5 restart"]);
        bands.succeed(6.0, Some(5.5));
        assert_eq!(texts(&bands)[2..], ["5–6 restart"]);
    }

    #[test]
    fn bands_are_bounded() {
        let mut bands = Bands::default();
        for at in 0..2_000 {
            bands.fail(f64::from(at), &format!("{at} {}", "ä".repeat(500)));
        }
        assert_eq!(bands.within(0.0, 1e9).count(), KEEP);
        assert!(bands.bytes() < KEEP * 400);
    }
}
