//! The history of numbers, with gaps: 1 s resolution for 15 minutes, 10 s resolution for 4 h.
//!
//! * A number that is missing is `None`, never 0, and the band of its time has the cause.
//! * A point of 10 s is the mean of the seconds that have a value. For percentiles it is the highest.
//! * Only changes are kept. The memory stays within a budget, whatever the number of services.
//!
//! `chart` has the names, `level` the numbers at one resolution, `bands` the causes.

mod bands;
mod chart;
mod level;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use self::{bands::Bands, level::Level};
use super::ServiceId;

pub(crate) use self::{bands::Band, chart::Chart};

/// The seconds that are kept at 1 s resolution.
pub(crate) const FINE: u32 = 15 * 60;

/// The seconds of a coarse slot.
pub(crate) const COARSE_STEP: u32 = 10;

/// The coarse slots that are kept, 4 h.
pub(crate) const COARSE: u32 = 4 * 3600 / COARSE_STEP;

/// The size of a series without its changes, and of the node that has it.
const OVERHEAD: usize = 2 * size_of::<Series>();

/// The history of all charts of all services.
#[derive(Debug)]
pub(crate) struct History {
    budget: usize,
    bytes: usize,
    series: BTreeMap<(ServiceId, Chart), Series>,
    services: BTreeMap<ServiceId, Service>,
}

/// What is known about a service beside its numbers.
#[derive(Debug, Default)]
struct Service {
    bands: Bands,
    /// The seconds in which log records were lost.
    lost: VecDeque<u32>,
}

/// The numbers of one chart.
#[derive(Debug)]
struct Series {
    fine: Level,
    coarse: Level,
}

/// The values of a point.
#[derive(Debug, Default)]
struct Values {
    sum: f32,
    count: f32,
    highest: Option<f32>,
}

impl History {
    /// Creates an empty history that takes at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            budget,
            bytes: 0,
            series: BTreeMap::new(),
            services: BTreeMap::new(),
        }
    }

    /// Sets the value of a second. `None` is a gap.
    pub(crate) fn push(
        &mut self,
        service: ServiceId,
        chart: Chart,
        second: u32,
        value: Option<f32>,
    ) {
        // A chart without any value is not reported, and has no gaps.
        if value.is_none() && !self.series.contains_key(&(service, chart)) {
            return;
        }
        let series = self.series.entry((service, chart)).or_insert_with(|| {
            self.bytes += OVERHEAD;
            Series::new()
        });
        self.bytes -= series.bytes();
        series.push(chart, second, value);
        self.bytes += series.bytes();
        while self.bytes > self.budget && self.evict() {}
    }

    /// Adds a scrape that failed: a gap in every chart, with its cause.
    pub(crate) fn fail(&mut self, service: ServiceId, at: f64, cause: &str) {
        for chart in Chart::ALL {
            self.push(service, chart, second_of(at), None);
        }
        self.with_service(service, |it| it.bands.fail(at, cause));
    }

    /// Adds a scrape with values. `restarted` is the time of a restart since the one before.
    pub(crate) fn succeed(&mut self, service: ServiceId, at: f64, restarted: Option<f64>) {
        self.with_service(service, |it| it.bands.succeed(at, restarted));
    }

    /// Notes that the service lost log records.
    pub(crate) fn lose(&mut self, service: ServiceId, second: u32) {
        self.with_service(service, |it| {
            if it.lost.back() == Some(&second) {
                return;
            }
            if it.lost.len() == FINE as usize {
                it.lost.pop_front();
            }
            it.lost.push_back(second);
        });
    }

    fn with_service(&mut self, service: ServiceId, edit: impl FnOnce(&mut Service)) {
        let it = self.services.entry(service).or_insert_with(|| {
            self.bytes += size_of::<Service>();
            Service::default()
        });
        self.bytes -= it.bytes();
        edit(it);
        self.bytes += it.bytes();
        while self.bytes > self.budget && self.evict() {}
    }

    /// Returns whether the service lost log records within the seconds.
    pub(crate) fn has_lost(&self, service: ServiceId, seconds: &Range<u32>) -> bool {
        let lost = self.services.get(&service).map(|it| &it.lost);
        lost.is_some_and(|lost| lost.iter().any(|second| seconds.contains(second)))
    }

    /// Returns a point per `step` seconds of a range. `None` is a gap.
    ///
    /// A step of at least 10 s, and times before the last 15 minutes, have points of 10 s.
    pub(crate) fn points(
        &self,
        service: ServiceId,
        chart: Chart,
        seconds: Range<u32>,
        step: u32,
    ) -> Vec<Option<f32>> {
        let series = self.series.get(&(service, chart));
        let starts = seconds.step_by(step.max(1) as usize);
        starts
            .map(|start| series?.point(chart, start..start.saturating_add(step.max(1))))
            .collect()
    }

    /// Returns the value of the last second, if it is not older than `since`.
    pub(crate) fn last(&self, service: ServiceId, chart: Chart, since: u32) -> Option<f32> {
        let fine = &self.series.get(&(service, chart))?.fine;
        let last = fine.last().filter(|last| *last >= since)?;
        fine.value(last)
    }

    /// Returns the bands that overlap a range of times.
    pub(crate) fn bands(&self, service: ServiceId, from: f64, to: f64) -> Vec<Band> {
        let service = self.services.get(&service);
        service
            .map(|it| it.bands.within(from, to).cloned().collect())
            .unwrap_or_default()
    }

    /// Returns the memory that the history takes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Removes a part of what takes most. Returns whether there was anything.
    fn evict(&mut self) -> bool {
        let largest = self.series.iter().max_by_key(|(_, series)| series.bytes());
        let Some((key, series)) = largest else {
            // The rest are bands: the oldest service has the lowest id.
            let Some((_, service)) = self.services.pop_first() else {
                return false;
            };
            self.bytes -= size_of::<Service>() + service.bytes();
            return true;
        };
        let (key, bytes) = (*key, series.bytes());
        if series.fine.len() + series.coarse.len() > 16
            && let Some(series) = self.series.get_mut(&key)
        {
            series.halve();
            self.bytes = self.bytes - bytes + series.bytes();
            return true;
        }
        // All are small: the one without a value for longest is removed as a whole.
        let oldest = self.series.iter().min_by_key(|(_, it)| it.fine.last());
        if let Some((key, bytes)) = oldest.map(|(key, it)| (*key, it.bytes())) {
            self.series.remove(&key);
            self.bytes -= OVERHEAD + bytes;
        }
        true
    }
}

impl Service {
    fn bytes(&self) -> usize {
        self.bands.bytes() + self.lost.capacity() * size_of::<u32>()
    }
}

impl Series {
    fn new() -> Self {
        Self {
            fine: Level::new(FINE, 1),
            coarse: Level::new(COARSE, 0),
        }
    }

    fn push(&mut self, chart: Chart, second: u32, value: Option<f32>) {
        self.fine.push(second, value);
        let slot = second / COARSE_STEP;
        let mut all = Values::default();
        (slot * COARSE_STEP..=second).for_each(|second| all.add(self.fine.value(second)));
        self.coarse.push(slot, all.value(chart));
    }

    /// Returns the value of some seconds.
    fn point(&self, chart: Chart, seconds: Range<u32>) -> Option<f32> {
        let mut all = Values::default();
        if self.is_fine(seconds.start) {
            seconds.for_each(|second| all.add(self.fine.value(second)));
        } else {
            let end = seconds.end.saturating_sub(1) / COARSE_STEP;
            let slots = seconds.start / COARSE_STEP..=end;
            slots.for_each(|slot| all.add(self.coarse.value(slot)));
        }
        all.value(chart)
    }

    /// Returns whether the seconds from `start` on are kept, or nothing before them is.
    fn is_fine(&self, start: u32) -> bool {
        match (self.fine.first(), self.coarse.first()) {
            (Some(fine), Some(coarse)) => start >= fine || coarse >= fine / COARSE_STEP,
            (fine, _) => fine.is_some(),
        }
    }

    fn halve(&mut self) {
        if self.fine.len() > self.coarse.len() {
            self.fine.halve();
        } else {
            self.coarse.halve();
        }
    }

    fn bytes(&self) -> usize {
        self.fine.bytes() + self.coarse.bytes()
    }
}

impl Values {
    fn add(&mut self, value: Option<f32>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.sum += value;
            self.count += 1.0;
            self.highest = Some(self.highest.map_or(value, |highest| highest.max(value)));
        }
    }

    fn value(&self, chart: Chart) -> Option<f32> {
        let highest = self.highest?;
        Some(match chart.quantile() {
            Some(_) => highest,
            None => self.sum / self.count,
        })
    }
}

/// Returns the second of a time; times before the epoch are at 0.
pub(crate) fn second_of(time: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a number beyond the range gives the nearest one"
    )]
    let second = time as u32;
    second
}
