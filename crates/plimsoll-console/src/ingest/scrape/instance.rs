//! One instance: its readings over time, and the numbers that follow from them.
//!
//! * Rates are differences of two scrapes of the same process.
//! * A later start of the process is a restart, and so is a counter that falls. No rate is negative.
//! * A number that is not known is `None`, never 0.

use std::time::Duration;

use plimsoll_scrape::{Quantile, Window, quantile};

use super::reading::{Reading, RouteReading, Routes, TooManySamples};
use crate::store::{heat::FEW, series::Chart};

/// The seconds over which percentiles are computed.
pub(super) const PERCENTILE_WINDOW: u32 = 10;

/// The longest time between two scrapes whose difference is shown as the rate of the later one.
const MAX_DISTANCE: Duration = Duration::from_secs(5);

/// A start time that is later by less is that of the same process: its clock can be adjusted.
const SAME_START: f64 = 2.0;

/// One instance.
#[derive(Debug)]
pub(super) struct Instance {
    last: Option<Last>,
    /// Buckets of durations, by the bits of their bounds.
    buckets: Window<u64>,
}

#[derive(Debug)]
struct Last {
    at: Duration,
    reading: Reading,
}

/// The numbers of one scrape.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Numbers {
    pub(super) rate: Option<f64>,
    pub(super) errors: Option<f64>,
    pub(super) p50: Option<Quantile>,
    pub(super) p99: Option<Quantile>,
    pub(super) in_flight: Option<f64>,
    pub(super) connections: Option<f64>,
    pub(super) workers: Option<f64>,
    pub(super) memory: Option<f64>,
    pub(super) cpu: Option<f64>,
    /// The process is not that of the scrape before. The time is its start, if that is known.
    pub(super) restarted: Option<Option<f64>>,
    /// Log records were lost since the scrape before.
    pub(super) lost: bool,
}

impl Instance {
    pub(super) fn new() -> Self {
        // A scrape that is late by less than half a second is still within the window.
        let window = Duration::from_secs(PERCENTILE_WINDOW.into()) + Duration::from_millis(500);
        Self {
            last: None,
            buckets: Window::new(window),
        }
    }

    /// Adds a scrape. `at` is its time since any fixed moment.
    pub(super) fn observe(&mut self, at: Duration, text: &str) -> Result<Numbers, TooManySamples> {
        let reading = Reading::parse(text)?;
        let before = self.last.take();
        let is_restart = before
            .as_ref()
            .is_some_and(|before| is_restart(&before.reading, &reading));
        if is_restart {
            self.buckets.clear();
        }
        let buckets = reading.buckets.iter();
        // A bucket that falls makes the window begin again, as the restart does that it shows.
        let fell = self
            .buckets
            .push(at, buckets.map(|(bound, count)| (*bound, *count)));
        let is_restart = is_restart || fell.is_err() && before.is_some();
        let mut numbers = Numbers {
            in_flight: reading.in_flight.get(),
            connections: reading.connections.get(),
            memory: reading.memory.get(),
            cpu: reading
                .cpu_part
                .zip(reading.cpu_count)
                .map(product_in_percent),
            workers: threads(&reading),
            p50: self.percentile(0.5),
            p99: self.percentile(0.99),
            restarted: is_restart.then_some(reading.started),
            ..Numbers::default()
        };
        let distance = before.as_ref().map(|before| at.saturating_sub(before.at));
        let is_near = distance.is_some_and(|it| it <= MAX_DISTANCE && !it.is_zero());
        if let (Some(before), Some(distance), false, true) =
            (&before, distance, is_restart, is_near)
        {
            numbers.differ(&before.reading, &reading, distance.as_secs_f64());
        }
        self.last = Some(Last { at, reading });
        Ok(numbers)
    }

    /// Returns the requests by method and route, since the start of the process.
    pub(super) fn routes(&self) -> Option<&Routes> {
        self.last.as_ref()?.reading.routes.as_ref()
    }

    /// Returns the state of the service in the last scrape.
    pub(super) fn state(&self) -> Option<&str> {
        self.last.as_ref()?.reading.state.as_deref()
    }

    /// Returns the start of the process, in seconds since the epoch.
    pub(super) fn started(&self) -> Option<f64> {
        self.last.as_ref()?.reading.started
    }

    fn percentile(&self, q: f64) -> Option<Quantile> {
        let buckets = self.buckets.counters();
        let increases = buckets.filter_map(|bound| {
            let increase = self.buckets.increase(bound)?;
            Some((f64::from_bits(*bound), increase))
        });
        quantile_of_many(q, &increases.collect::<Vec<_>>())
    }
}

/// Returns a quantile of cumulative buckets. `None` below 20 observations.
pub(super) fn quantile_of_many(q: f64, buckets: &[(f64, f64)]) -> Option<Quantile> {
    let count = buckets.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    let is_enough = count >= FEW as f64;
    is_enough.then(|| quantile(q, buckets)).flatten()
}

/// Returns whether `now` is a reading of another process than `before`.
fn is_restart(before: &Reading, now: &Reading) -> bool {
    if let (Some(before), Some(now)) = (before.started, now.started)
        && (now - before).abs() > SAME_START
    {
        return true;
    }
    let fell = |before: Option<f64>, now: Option<f64>| before > now;
    let routes = before.routes.iter().flatten();
    let mut routes = routes.map(|(key, before)| {
        let now = now.routes.as_ref().and_then(|now| now.get(key));
        fell(Some(before.count), now.map(|now| now.count))
            || fell(before.server_errors, now.and_then(|now| now.server_errors))
    });
    let mut workers = before.workers.iter();
    routes.any(|fell| fell)
        || fell(before.cpu_seconds.get(), now.cpu_seconds.get())
        || fell(before.records_lost, now.records_lost)
        || workers.any(|(worker, before)| fell(Some(*before), now.workers.get(worker).copied()))
}

impl Numbers {
    /// Adds the numbers that are differences of two readings of one process.
    fn differ(&mut self, before: &Reading, now: &Reading, seconds: f64) {
        let all = |reading: &Reading| reading.routes.as_ref().map(total);
        if let Some((count, errors)) = all(now) {
            // Services create a series with its first event, so a missing one is 0.
            let (count_before, errors_before) = all(before).unwrap_or((0.0, Some(0.0)));
            let requests = count - count_before;
            self.rate = Some(requests / seconds);
            let errors = errors.zip(errors_before).map(|(now, before)| now - before);
            self.errors = errors
                .filter(|_| requests > 0.0)
                .map(|errors| 100.0 * errors / requests);
        }
        let rate = |now: Option<f64>, before: Option<f64>| Some((now? - before?) / seconds);
        let cpu = rate(now.cpu_seconds.get(), before.cpu_seconds.get());
        self.cpu = cpu.map(|cpu| 100.0 * cpu).or(self.cpu);
        let busy = now.workers.iter().filter_map(|(worker, now)| {
            let before = before.workers.get(worker)?;
            Some((now - before) / seconds)
        });
        let (sum, workers) = busy.fold((0.0, 0.0), |(sum, workers), busy| {
            (sum + busy, workers + 1.0)
        });
        if workers > 0.0 {
            self.workers = Some(100.0 * sum / workers);
        }
        let lost = rate(now.records_lost, before.records_lost);
        self.lost = lost.is_some_and(|lost| lost > 0.0);
    }

    /// Returns the value of a chart, and whether it is only a lower bound.
    pub(super) fn value(&self, chart: Chart) -> (Option<f64>, bool) {
        let quantile = match chart {
            Chart::Rate => return (self.rate, false),
            Chart::Errors => return (self.errors, false),
            Chart::InFlight => return (self.in_flight, false),
            Chart::Connections => return (self.connections, false),
            Chart::Workers => return (self.workers, false),
            Chart::Memory => return (self.memory, false),
            Chart::Cpu => return (self.cpu, false),
            Chart::P50 => self.p50,
            Chart::P99 => self.p99,
        };
        match quantile {
            Some(Quantile::At(ms)) => (Some(ms), false),
            Some(Quantile::Above(ms)) => (Some(ms), true),
            None => (None, false),
        }
    }
}

/// Returns the requests and the errors of all routes. Errors are unknown if they are for one route.
fn total(routes: &Routes) -> (f64, Option<f64>) {
    let add = |(count, errors): (f64, Option<f64>), route: &RouteReading| {
        let errors = errors.zip(route.server_errors);
        (
            count + route.count,
            errors.map(|(sum, errors)| sum + errors),
        )
    };
    routes.values().fold((0.0, Some(0.0)), add)
}

fn threads(reading: &Reading) -> Option<f64> {
    let max = reading.threads_max.filter(|max| *max > 0.0)?;
    Some(100.0 * reading.threads_busy? / max)
}

fn product_in_percent((part, count): (f64, f64)) -> f64 {
    100.0 * part * count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn scrape(requests: u64, errors: u64, started: u64) -> String {
        format!(
            "process_start_time_seconds {started}\nprocess_cpu_seconds_total {}\n\
             http_requests_total{{method=\"GET\",path=\"/a\",status=\"200\"}} {}\n\
             http_requests_total{{method=\"GET\",path=\"/a\",status=\"500\"}} {errors}\n\
             http_request_duration_seconds_bucket{{method=\"GET\",path=\"/a\",le=\"0.1\"}} {requests}\n\
             http_request_duration_seconds_bucket{{method=\"GET\",path=\"/a\",le=\"+Inf\"}} {requests}\n",
            requests / 10,
            requests - errors,
        )
    }

    #[test]
    fn rates_are_differences_of_two_scrapes() {
        let mut instance = Instance::new();
        let first = instance.observe(at(1), &scrape(100, 0, 5)).unwrap();
        assert_eq!(
            (first.rate, first.errors, first.cpu, first.p50),
            (None, None, None, None)
        );
        let second = instance.observe(at(3), &scrape(140, 10, 5)).unwrap();
        assert_eq!(second.rate, Some(20.0));
        assert_eq!(second.errors, Some(25.0));
        assert_eq!(second.cpu, Some(200.0));
        assert_eq!(second.p50, Some(Quantile::At(50.0)));
        assert_eq!(second.restarted, None);
    }

    #[test]
    fn restart_makes_no_negative_rate() {
        let mut instance = Instance::new();
        instance.observe(at(1), &scrape(100, 5, 5)).unwrap();
        // The new process has more requests than the one before, but started later.
        let by_start = instance.observe(at(2), &scrape(200, 5, 60)).unwrap();
        assert_eq!(
            (by_start.rate, by_start.errors, by_start.p50),
            (None, None, None)
        );
        assert_eq!(by_start.restarted, Some(Some(60.0)));
        // No start time differs, but a counter falls.
        let by_fall = instance.observe(at(3), &scrape(3, 0, 60)).unwrap();
        assert_eq!((by_fall.rate, by_fall.cpu), (None, None));
        assert!(by_fall.restarted.is_some());
        // All routes together grow, but one of them vanished.
        let other = "http_requests_total{method=\"GET\",path=\"/b\",status=\"200\"} 500\n";
        let by_route = instance.observe(at(4), other).unwrap();
        assert_eq!(by_route.rate, None);
        assert!(by_route.restarted.is_some());
        let after = instance
            .observe(at(5), &other.replace("500", "510"))
            .unwrap();
        assert_eq!((after.rate, after.restarted), (Some(10.0), None));
    }

    #[test]
    fn absent_value_never_becomes_zero() {
        let mut instance = Instance::new();
        for second in 1..4 {
            let numbers = instance.observe(at(second), "something_else 1\n").unwrap();
            for chart in Chart::ALL {
                assert_eq!(numbers.value(chart).0, None, "{chart:?}");
            }
        }
        // No requests: the rate is known, the part of errors is not.
        let mut instance = Instance::new();
        instance.observe(at(5), &scrape(100, 0, 5)).unwrap();
        let idle = instance.observe(at(6), &scrape(100, 0, 5)).unwrap();
        assert_eq!((idle.rate, idle.errors, idle.p99), (Some(0.0), None, None));
    }

    #[test]
    fn distant_scrapes_have_no_rate() {
        let mut instance = Instance::new();
        instance.observe(at(1), &scrape(100, 0, 5)).unwrap();
        let after_sleep = instance.observe(at(600), &scrape(900, 0, 5)).unwrap();
        assert_eq!(after_sleep.rate, None);
        assert_eq!(
            after_sleep.p50, None,
            "the window has left the scrape before"
        );
    }

    #[test]
    fn few_requests_have_no_percentiles() {
        let mut instance = Instance::new();
        instance.observe(at(1), &scrape(100, 0, 5)).unwrap();
        assert_eq!(
            instance.observe(at(2), &scrape(119, 0, 5)).unwrap().p50,
            None
        );
        assert!(
            instance
                .observe(at(3), &scrape(120, 0, 5))
                .unwrap()
                .p50
                .is_some()
        );
    }

    #[test]
    fn first_request_of_a_service_is_counted() {
        let mut instance = Instance::new();
        instance
            .observe(at(1), "process_start_time_seconds 5\n")
            .unwrap();
        let first = instance.observe(at(2), &scrape(1, 0, 5)).unwrap();
        assert_eq!(first.rate, Some(1.0));
    }
}
