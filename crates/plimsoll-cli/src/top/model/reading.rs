//! The values of one scrape that `top` shows.
//!
//! Names are those of `docs/metrics.md`. A metric that is missing leaves its value `None`.

use std::fmt;

use plimsoll_scrape::{Sample, samples};

/// The values of one scrape.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) counters: Vec<(Counter, f64)>,
    /// The start of the process, in seconds since the epoch.
    pub(super) started: Option<f64>,
    pub(super) state: Option<String>,
    pub(super) in_flight: Option<f64>,
    pub(super) slots: Option<f64>,
    pub(super) connections: Option<f64>,
    /// The expiry of the certificate, in seconds since the epoch.
    pub(super) certificate: Option<f64>,
    /// The time since the last heartbeat of each worker, in seconds.
    pub(super) silences: Vec<(String, f64)>,
    pub(super) checks_down: Vec<String>,
    /// The parts of the service that hold readiness.
    pub(super) not_ready_by: Vec<String>,
    pub(super) unreadable_lines: usize,
}

/// A counter that `top` reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Counter {
    Requests {
        route: String,
        status: String,
    },
    /// A bucket of the duration of requests, over all statuses.
    Bucket {
        route: String,
        bound: Bound,
    },
    Shed,
    RecordsLost,
    SpansLost,
    Panics,
}

/// The upper bound of a bucket. A number is its bits, since `f64` cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Bound(u64);

impl Bound {
    pub(super) fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Reading {
    /// Reads the text of a scrape.
    pub(super) fn parse(text: &str) -> Self {
        let mut reading = Self::default();
        for sample in samples(text) {
            match sample {
                Ok(sample) => reading.add(&sample),
                Err(_) => reading.unreadable_lines += 1,
            }
        }
        reading
    }

    fn add(&mut self, sample: &Sample<'_>) {
        let value = sample.value;
        let label = |name: &str| sample.label(name).unwrap_or("–").to_owned();
        let is_set = value > 0.0;
        match sample.name {
            "http_requests_total" => {
                let (route, status) = (route(sample), label("status"));
                self.counters
                    .push((Counter::Requests { route, status }, value));
            }
            "http_request_duration_seconds_bucket" => {
                if let Some(Ok(bound)) = sample.label("le").map(str::parse::<f64>) {
                    let (route, bound) = (route(sample), Bound(bound.to_bits()));
                    self.counters
                        .push((Counter::Bucket { route, bound }, value));
                }
            }
            "http_requests_shed_total" => self.counters.push((Counter::Shed, value)),
            "log_records_dropped_total" => self.counters.push((Counter::RecordsLost, value)),
            "trace_spans_dropped_total" => self.counters.push((Counter::SpansLost, value)),
            "panics_total" => self.counters.push((Counter::Panics, value)),
            "process_start_time_seconds" => self.started = Some(value),
            "http_requests_in_flight" => self.in_flight = Some(value),
            "http_request_slots" => self.slots = Some(value),
            "http_connections_open" => self.connections = Some(value),
            "tls_certificate_not_after_seconds" => self.certificate = Some(value),
            "runtime_worker_silence_seconds" => self.silences.push((label("worker"), value)),
            "service_state" if is_set => self.state = Some(label("state")),
            "service_not_ready" if is_set => self.not_ready_by.push(label("by")),
            "check_up" if !is_set => self.checks_down.push(label("check")),
            _ => {}
        }
    }
}

fn route(sample: &Sample<'_>) -> String {
    let label = |name: &str| sample.label(name).unwrap_or("–").to_owned();
    format!("{} {}", label("method"), label("path"))
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests { route, status } => {
                write!(f, "http_requests_total of {route} with status {status}")
            }
            Self::Bucket { route, bound } => {
                write!(f, "the bucket {} s of {route}", bound.value())
            }
            Self::Shed => f.write_str("http_requests_shed_total"),
            Self::RecordsLost => f.write_str("log_records_dropped_total"),
            Self::SpansLost => f.write_str("trace_spans_dropped_total"),
            Self::Panics => f.write_str("panics_total"),
        }
    }
}
