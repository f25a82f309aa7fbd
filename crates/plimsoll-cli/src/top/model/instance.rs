//! One instance: its answers over time, and what they mean.

use std::{collections::BTreeMap, time::Duration};

use plimsoll_scrape::{Fall, Quantile, Window, quantile};

use super::{
    Moment,
    reading::{Counter, Reading},
};

/// One instance.
#[derive(Debug)]
pub(in crate::top) struct Instance {
    pub(in crate::top) name: String,
    window: Window<Counter>,
    /// The last answer, also after a scrape that failed.
    last: Option<Answer>,
    /// The reason why the last scrape failed.
    error: Option<String>,
    pub(super) restarts: usize,
    /// The time of the last restart.
    pub(super) restarted: Option<Duration>,
    pub(super) contradictions: usize,
    /// The last answer that cannot be from the process of the answer before, with its time.
    pub(super) contradiction: Option<(Duration, String)>,
}

#[derive(Debug)]
struct Answer {
    at: Duration,
    reading: Reading,
}

/// Whether an instance answers.
#[derive(Debug, PartialEq)]
pub(in crate::top) enum Status<'a> {
    /// The last scrape was answered.
    Answers(Figures<'a>),
    /// The last scrape failed.
    Silent {
        /// The time since the last answer. `None` without any.
        since: Option<Duration>,
        /// The state of the service in that answer.
        was: Option<&'a str>,
        error: &'a str,
    },
    /// No scrape has ended.
    Unknown,
}

/// The values of an instance that answers. `None` is a value that is missing.
#[derive(Debug, PartialEq)]
pub(in crate::top) struct Figures<'a> {
    pub(in crate::top) state: Option<&'a str>,
    pub(in crate::top) requests_per_second: Option<f64>,
    /// The part of the requests with status 5xx.
    pub(in crate::top) errors_percent: Option<f64>,
    pub(in crate::top) p50: Option<Quantile>,
    pub(in crate::top) p99: Option<Quantile>,
    pub(in crate::top) in_flight: Option<f64>,
    pub(in crate::top) slots: Option<f64>,
    pub(in crate::top) connections: Option<f64>,
    /// Requests shed within the window.
    pub(in crate::top) shed: Option<f64>,
    /// Log records and spans lost within the window.
    pub(in crate::top) lost: Option<f64>,
}

/// Rates of a route, or of all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) requests: f64,
    pub(super) client_errors: f64,
    pub(super) server_errors: f64,
    pub(super) buckets: Vec<(f64, f64)>,
}

impl Instance {
    pub(super) fn new(name: String, window: Duration) -> Self {
        Self {
            name,
            window: Window::new(window),
            last: None,
            error: None,
            restarts: 0,
            restarted: None,
            contradictions: 0,
            contradiction: None,
        }
    }

    /// Adds the result of a scrape.
    pub(super) fn observe(&mut self, now: Moment, scrape: Result<String, String>) {
        let text = match scrape {
            Ok(text) => text,
            Err(error) => {
                self.error = Some(error);
                return;
            }
        };
        self.error = None;
        let mut reading = Reading::parse(&text);
        let before = self.last.as_ref().and_then(|last| last.reading.started);
        if let (Some(before), Some(started)) = (before, reading.started) {
            if started > before {
                self.restarts += 1;
                self.restarted = Some(now.elapsed);
                self.window.clear();
            } else if started < before {
                let reason = "the process is older than that of the answer before";
                self.contradict(now, reason.to_owned());
                self.window.clear();
            }
        }
        let counters = std::mem::take(&mut reading.counters);
        if let Err(fall) = self.window.push(now.elapsed, counters) {
            let Fall {
                counter,
                before,
                now: value,
            } = fall;
            self.contradict(now, format!("{counter} fell from {before} to {value}"));
        }
        let at = now.elapsed;
        self.last = Some(Answer { at, reading });
    }

    fn contradict(&mut self, now: Moment, reason: String) {
        self.contradictions += 1;
        self.contradiction = Some((now.elapsed, reason));
    }

    /// Returns whether the instance answers, and its values.
    pub(in crate::top) fn status(&self, now: Moment) -> Status<'_> {
        let last = self.last.as_ref();
        if let Some(error) = &self.error {
            return Status::Silent {
                since: last.map(|last| now.elapsed.saturating_sub(last.at)),
                was: last.and_then(|last| last.reading.state.as_deref()),
                error,
            };
        }
        last.map_or(Status::Unknown, |last| {
            Status::Answers(self.figures(&last.reading))
        })
    }

    /// Returns the last answer, unless the last scrape failed.
    pub(super) fn reading(&self) -> Option<&Reading> {
        let last = self.last.as_ref().filter(|_| self.error.is_none());
        last.map(|last| &last.reading)
    }

    fn figures<'a>(&self, reading: &'a Reading) -> Figures<'a> {
        let all = self.all_rates();
        let percent = all.as_ref().filter(|all| all.requests > 0.0);
        let buckets = all.as_ref().map(|all| all.buckets.as_slice());
        let lost = [Counter::RecordsLost, Counter::SpansLost];
        let lost = lost.iter().filter_map(|counter| self.increase(counter));
        Figures {
            state: reading.state.as_deref(),
            requests_per_second: all.as_ref().map(|all| all.requests),
            errors_percent: percent.map(|all| 100.0 * all.server_errors / all.requests),
            p50: buckets.and_then(|buckets| quantile(0.5, buckets)),
            p99: buckets.and_then(|buckets| quantile(0.99, buckets)),
            in_flight: reading.in_flight,
            slots: reading.slots,
            connections: reading.connections,
            shed: self.increase(&Counter::Shed),
            lost: lost.reduce(|sum, lost| sum + lost),
        }
    }

    /// Returns the rates of all routes together. `None` without two scrapes, and without a request.
    fn all_rates(&self) -> Option<Rates> {
        let routes = self.rates_by_route();
        routes.into_values().reduce(|mut all, route| {
            all.add(route);
            all
        })
    }

    /// Returns how much a counter has increased within the window.
    pub(super) fn increase(&self, counter: &Counter) -> Option<f64> {
        self.window.increase(counter)
    }

    /// Returns the rates of each route of an instance that answers.
    pub(super) fn rates_by_route(&self) -> BTreeMap<&str, Rates> {
        let mut routes: BTreeMap<&str, Rates> = BTreeMap::new();
        if self.reading().is_none() {
            return routes;
        }
        for counter in self.window.counters() {
            let Some(rate) = self.window.rate(counter) else {
                continue;
            };
            match counter {
                Counter::Requests { route, status } => {
                    let rates = routes.entry(route).or_default();
                    rates.requests += rate;
                    match status.as_bytes().first() {
                        Some(b'4') => rates.client_errors += rate,
                        Some(b'5') => rates.server_errors += rate,
                        _ => {}
                    }
                }
                Counter::Bucket { route, bound } => {
                    let rates = routes.entry(route).or_default();
                    rates.buckets.push((bound.value(), rate));
                }
                _ => {}
            }
        }
        routes
    }
}

impl Rates {
    /// Adds the rates of another route or instance. Buckets with equal bounds are added by `quantile`.
    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.buckets.extend(other.buckets);
    }
}
