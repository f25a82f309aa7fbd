//! The instances and what is known about them. Pure: time and scrapes are arguments.
//!
//! * A value that is missing is `None`, never zero.
//! * An instance whose last scrape failed has no values.
//! * A new start time of the process is a restart, and rates begin again.
//! * A counter that falls without a restart is reported: its values come from several processes.

mod instance;
mod notes;
mod reading;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use plimsoll_scrape::{Quantile, quantile};

use self::instance::Rates;
pub(super) use self::instance::{Figures, Instance, Status};

/// The time that the chart covers.
const CHART: Duration = Duration::from_mins(2);

/// All instances.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) interval: Duration,
    pub(super) window: Duration,
    pub(super) instances: Vec<Instance>,
    /// The rate of requests of all instances at each scrape, the latest last.
    pub(super) chart: VecDeque<Option<f64>>,
    /// The time of the last scrape.
    pub(super) now: Moment,
}

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moment {
    /// Time since the start of the command.
    pub(super) elapsed: Duration,
    /// Seconds since the epoch.
    pub(super) unix: f64,
}

/// A route, over all instances.
#[derive(Debug, PartialEq)]
pub(super) struct Route<'a> {
    /// Method and pattern.
    pub(super) name: &'a str,
    pub(super) requests_per_second: f64,
    pub(super) client_errors_percent: Option<f64>,
    pub(super) server_errors_percent: Option<f64>,
    pub(super) p50: Option<Quantile>,
    pub(super) p99: Option<Quantile>,
}

impl Model {
    /// Creates a model of instances that have not been read.
    pub(super) fn new(
        names: impl IntoIterator<Item = String>,
        interval: Duration,
        window: Duration,
    ) -> Self {
        // A scrape that is late by less than half an interval is still within the window.
        let length = window + interval / 2;
        let names = names.into_iter();
        Self {
            interval,
            window,
            instances: names.map(|name| Instance::new(name, length)).collect(),
            chart: VecDeque::new(),
            now: Moment::default(),
        }
    }

    /// Adds the results of one scrape of all instances, in their order.
    pub(super) fn observe(
        &mut self,
        now: Moment,
        scrapes: impl IntoIterator<Item = Result<String, String>>,
    ) {
        self.now = now;
        for (instance, scrape) in self.instances.iter_mut().zip(scrapes) {
            instance.observe(now, scrape);
        }
        let rate = self.requests_per_second();
        self.chart.push_back(rate);
        let length = CHART.div_duration_f64(self.interval);
        while self.chart.len() > 1 && f64_of(self.chart.len()) > length {
            self.chart.pop_front();
        }
    }

    /// Returns whether each instance answers, with its values.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (&Instance, Status<'_>)> {
        let instances = self.instances.iter();
        instances.map(|instance| (instance, instance.status(self.now)))
    }

    /// Returns the number of instances whose last scrape failed.
    pub(super) fn silent(&self) -> usize {
        self.statuses()
            .filter(|(_, status)| matches!(status, Status::Silent { .. }))
            .count()
    }

    /// Returns the rate of all instances together. `None` if it is known for no instance.
    pub(super) fn requests_per_second(&self) -> Option<f64> {
        let rates = self.statuses().filter_map(|(_, status)| match status {
            Status::Answers(figures) => figures.requests_per_second,
            _ => None,
        });
        rates.reduce(|sum, rate| sum + rate)
    }

    /// Returns the routes of all instances, those with most requests first.
    pub(super) fn routes(&self) -> Vec<Route<'_>> {
        let mut routes: BTreeMap<&str, Rates> = BTreeMap::new();
        for instance in &self.instances {
            for (name, rates) in instance.rates_by_route() {
                routes.entry(name).or_default().add(rates);
            }
        }
        let routes = routes.into_iter();
        let mut routes: Vec<_> = routes
            .map(|(name, rates)| Route::new(name, &rates))
            .collect();
        // The sort is stable, so routes with equal rates are in alphabetical order.
        routes.sort_by(|a, b| b.requests_per_second.total_cmp(&a.requests_per_second));
        routes
    }
}

impl<'a> Route<'a> {
    fn new(name: &'a str, rates: &Rates) -> Self {
        let percent = |rate: f64| (rates.requests > 0.0).then(|| 100.0 * rate / rates.requests);
        Self {
            name,
            requests_per_second: rates.requests,
            client_errors_percent: percent(rates.client_errors),
            server_errors_percent: percent(rates.server_errors),
            p50: quantile(0.5, &rates.buckets),
            p99: quantile(0.99, &rates.buckets),
        }
    }
}

fn f64_of(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
