//! The values of one scrape that the charts use. A metric that is missing leaves its value `None`.

use std::collections::BTreeMap;

use plimsoll_scrape::{Sample, samples};

use super::names::{
    CONNECTIONS, CPU_COUNT, CPU_PART, CPU_SECONDS, FAMILIES, IN_FLIGHT, Labels, MEMORY, NO_LABEL,
    RECORDS_LOST, STARTED, STATE, THREADS_BUSY, THREADS_MAX, WORKER_SECONDS, is_infrastructure,
};

/// The most samples of a scrape (CON-5).
const MAX_SAMPLES: usize = 50_000;

/// The routes of a scrape that are kept by name.
const MAX_ROUTES: usize = 500;

/// The route of all others.
const OTHER: &str = "_other";

/// The values of one scrape.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The start of the process, in seconds since the epoch.
    pub(super) started: Option<f64>,
    pub(super) state: Option<String>,
    /// Requests by method and route. `None` without a counter of requests.
    pub(super) routes: Option<Routes>,
    /// Cumulative buckets of all routes: bits of the bound in milliseconds, and count.
    pub(super) buckets: BTreeMap<u64, f64>,
    pub(super) in_flight: First,
    pub(super) connections: First,
    pub(super) memory: First,
    pub(super) cpu_seconds: First,
    /// Micrometer: the used part of all processors, and their number.
    pub(super) cpu_part: Option<f64>,
    pub(super) cpu_count: Option<f64>,
    /// The busy time of each worker, in seconds.
    pub(super) workers: BTreeMap<String, f64>,
    /// Tomcat: the busy threads and their limit.
    pub(super) threads_busy: Option<f64>,
    pub(super) threads_max: Option<f64>,
    pub(super) records_lost: Option<f64>,
}

/// Requests by method and route.
pub(super) type Routes = BTreeMap<(String, String), RouteReading>;

/// The requests of one route.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RouteReading {
    pub(super) count: f64,
    /// `None` if the counter has no status.
    pub(super) client_errors: Option<f64>,
    pub(super) server_errors: Option<f64>,
    /// Cumulative buckets: bound in milliseconds, and count.
    pub(super) buckets: Vec<(f64, f64)>,
}

/// The value of the preferred one of several metrics.
#[derive(Debug, Default)]
pub(super) struct First {
    rank: usize,
    value: Option<f64>,
}

/// A scrape with more samples than are read.
#[derive(Debug, thiserror::Error)]
#[error("the response has more than {MAX_SAMPLES} series")]
pub(super) struct TooManySamples;

/// What a family has in one scrape, before it is known which family is preferred.
#[derive(Debug, Default)]
struct Found {
    requests: Vec<(usize, Routes)>,
    buckets: Vec<(usize, Routes)>,
}

/// Returns the state of the service.
pub(super) fn state_of(text: &str) -> Option<String> {
    let mut samples = samples(text).flatten();
    let state = samples.find(|sample| sample.name == STATE && sample.value > 0.0)?;
    state.label("state").map(str::to_owned)
}

impl Reading {
    /// Reads the text of a scrape. Lines that cannot be read are skipped.
    pub(super) fn parse(text: &str) -> Result<Self, TooManySamples> {
        let mut reading = Self::default();
        let mut found = Found::default();
        for (number, sample) in samples(text).flatten().enumerate() {
            if number == MAX_SAMPLES {
                return Err(TooManySamples);
            }
            if sample.value.is_finite() && sample.value >= 0.0 && !found.add(&sample) {
                reading.add(&sample);
            }
        }
        reading.take(found);
        Ok(reading)
    }

    fn add(&mut self, sample: &Sample<'_>) {
        let value = sample.value;
        match sample.name {
            STARTED => self.started = Some(value),
            STATE if value > 0.0 => self.state = sample.label("state").map(str::to_owned),
            WORKER_SECONDS => {
                let worker = sample.label("worker").unwrap_or(NO_LABEL);
                *self.workers.entry(worker.to_owned()).or_default() += value;
            }
            CPU_PART => self.cpu_part = Some(value),
            CPU_COUNT => self.cpu_count = Some(value),
            THREADS_BUSY => *self.threads_busy.get_or_insert_default() += value,
            THREADS_MAX => *self.threads_max.get_or_insert_default() += value,
            RECORDS_LOST => self.records_lost = Some(value),
            name => {
                self.in_flight.add(&IN_FLIGHT, name, value);
                self.connections.add(&CONNECTIONS, name, value);
                self.memory.add(&MEMORY, name, value);
                self.cpu_seconds.add(&CPU_SECONDS, name, value);
            }
        }
    }

    /// Takes the preferred counter, and the preferred buckets.
    fn take(&mut self, found: Found) {
        let first = |families: Vec<(usize, Routes)>| {
            let families = families.into_iter();
            families.min_by_key(|(rank, _)| *rank).map(|(_, it)| it)
        };
        let mut buckets = first(found.buckets).unwrap_or_default();
        for (bound, count) in buckets.values().flat_map(|route| &route.buckets) {
            *self.buckets.entry(bound.to_bits()).or_default() += count;
        }
        self.routes = first(found.requests);
        for (key, route) in self.routes.iter_mut().flatten() {
            route.buckets = buckets.remove(key).unwrap_or_default().buckets;
        }
    }
}

impl Found {
    /// Adds a sample. Returns whether it is one of a family.
    fn add(&mut self, sample: &Sample<'_>) -> bool {
        let rank = |name: fn(usize) -> &'static str| {
            (0..FAMILIES.len()).find(|rank| name(*rank) == sample.name)
        };
        if let Some(rank) = rank(|rank| FAMILIES[rank].requests) {
            let labels = Labels::of(sample);
            let routes = of_rank(&mut self.requests, rank);
            if !is_infrastructure(labels.route) {
                let status = labels.status.map(str::to_owned);
                let route = routes.entry(key(routes, labels)).or_default();
                route.count(sample.value, status.as_deref());
            }
            return true;
        }
        if let Some(rank) = rank(|rank| FAMILIES[rank].buckets) {
            let bound = sample.label("le").and_then(|le| le.parse::<f64>().ok());
            let labels = Labels::of(sample);
            let routes = of_rank(&mut self.buckets, rank);
            if let Some(bound) = bound.filter(|_| !is_infrastructure(labels.route)) {
                let route = routes.entry(key(routes, labels)).or_default();
                route.bucket(bound * FAMILIES[rank].ms, sample.value);
            }
            return true;
        }
        false
    }
}

fn of_rank(families: &mut Vec<(usize, Routes)>, rank: usize) -> &mut Routes {
    let known = families.iter().position(|(other, _)| *other == rank);
    let place = known.unwrap_or_else(|| {
        families.push((rank, Routes::new()));
        families.len() - 1
    });
    &mut families[place].1
}

fn key(routes: &Routes, labels: Labels<'_>) -> (String, String) {
    let key = (labels.method, labels.route.to_owned());
    if routes.len() >= MAX_ROUTES && !routes.contains_key(&key) {
        return (OTHER.to_owned(), OTHER.to_owned());
    }
    key
}

impl RouteReading {
    fn count(&mut self, value: f64, status: Option<&str>) {
        let is_first = self.count == 0.0 && self.client_errors.is_none();
        self.count += value;
        let class = status.and_then(|status| status.bytes().next());
        // One series without a status makes the number of errors unknown.
        let add = |errors: Option<f64>, of: u8| {
            let before = if is_first { 0.0 } else { errors? };
            Some(before + if class? == of { value } else { 0.0 })
        };
        self.client_errors = add(self.client_errors, b'4');
        self.server_errors = add(self.server_errors, b'5');
    }

    fn bucket(&mut self, bound: f64, count: f64) {
        let known = self.buckets.iter_mut().find(|(other, _)| *other == bound);
        match known {
            Some((_, sum)) => *sum += count,
            None => self.buckets.push((bound, count)),
        }
    }
}

impl First {
    fn add(&mut self, names: &[&str], name: &str, value: f64) {
        let Some(rank) = names.iter().position(|other| *other == name) else {
            return;
        };
        match self.value {
            Some(_) if rank > self.rank => {}
            Some(sum) if rank == self.rank => self.value = Some(sum + value),
            _ => {
                self.rank = rank;
                self.value = Some(value);
            }
        }
    }

    pub(super) fn get(&self) -> Option<f64> {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reading {
        Reading::parse(text).unwrap()
    }

    #[track_caller]
    fn route<'a>(reading: &'a Reading, method: &str, route: &str) -> &'a RouteReading {
        let routes = reading.routes.as_ref().unwrap();
        &routes[&(method.to_owned(), route.to_owned())]
    }

    #[test]
    fn chassis_is_read() {
        let reading = read(
            "http_requests_total{service=\"a\",method=\"GET\",path=\"/a\",status=\"200\"} 5\n\
             http_requests_total{service=\"a\",method=\"GET\",path=\"/a\",status=\"404\"} 2\n\
             http_requests_total{service=\"a\",method=\"GET\",path=\"/a\",status=\"500\"} 1\n\
             http_requests_total{service=\"a\",method=\"GET\",path=\"/ready\",status=\"503\"} 9\n\
             http_request_duration_seconds_bucket{method=\"GET\",path=\"/a\",status=\"200\",le=\"0.1\"} 3\n\
             http_request_duration_seconds_bucket{method=\"GET\",path=\"/a\",status=\"404\",le=\"0.1\"} 2\n\
             http_request_duration_seconds_bucket{method=\"GET\",path=\"/a\",status=\"200\",le=\"+Inf\"} 5\n\
             http_requests_in_flight 3\nhttp_connections_open 7\n\
             service_state{state=\"ready\"} 1\nservice_state{state=\"draining\"} 0\n\
             process_resident_memory_bytes 1e6\nprocess_cpu_seconds_total 4.5\n\
             runtime_worker_busy_seconds_total{worker=\"0\"} 1\n\
             runtime_worker_busy_seconds_total{worker=\"1\"} 2\n",
        );
        let route = route(&reading, "GET", "/a");
        assert_eq!(route.count, 8.0);
        assert_eq!(
            (route.client_errors, route.server_errors),
            (Some(2.0), Some(1.0))
        );
        assert_eq!(route.buckets, [(100.0, 5.0), (f64::INFINITY, 5.0)]);
        assert_eq!(
            reading.routes.as_ref().unwrap().len(),
            1,
            "probes are left out"
        );
        assert_eq!(reading.in_flight.get(), Some(3.0));
        assert_eq!(reading.connections.get(), Some(7.0));
        assert_eq!(reading.state.as_deref(), Some("ready"));
        assert_eq!(reading.memory.get(), Some(1e6));
        assert_eq!(reading.workers.len(), 2);
    }

    #[test]
    fn micrometer_is_read() {
        let reading = read(
            "http_server_requests_seconds_count{error=\"none\",exception=\"none\",method=\"GET\",outcome=\"SUCCESS\",status=\"200\",uri=\"/orders/{id}\"} 12\n\
             http_server_requests_seconds_count{method=\"GET\",outcome=\"SUCCESS\",status=\"200\",uri=\"/actuator/prometheus\"} 40\n\
             http_server_requests_seconds_sum{method=\"GET\",status=\"200\",uri=\"/orders/{id}\"} 1.5\n\
             http_server_requests_active_seconds_count{method=\"GET\",uri=\"UNKNOWN\"} 1\n\
             jvm_memory_used_bytes{area=\"heap\",id=\"G1 Eden Space\"} 100\n\
             jvm_memory_used_bytes{area=\"nonheap\",id=\"Metaspace\"} 50\n\
             process_cpu_usage 0.25\nsystem_cpu_count 2\n\
             tomcat_connections_current_connections{name=\"http-nio-8080\"} 4\n\
             tomcat_threads_busy_threads{name=\"http-nio-8080\"} 5\n\
             tomcat_threads_config_max_threads{name=\"http-nio-8080\"} 200\n\
             process_start_time_seconds 1.7E9\n",
        );
        assert_eq!(route(&reading, "GET", "/orders/{id}").count, 12.0);
        assert_eq!(reading.routes.as_ref().unwrap().len(), 1);
        assert_eq!(reading.in_flight.get(), Some(1.0));
        assert_eq!(reading.memory.get(), Some(150.0));
        assert_eq!(
            (reading.cpu_part, reading.cpu_count),
            (Some(0.25), Some(2.0))
        );
        assert_eq!(reading.connections.get(), Some(4.0));
        assert_eq!(
            (reading.threads_busy, reading.threads_max),
            (Some(5.0), Some(200.0))
        );
        assert_eq!(reading.started, Some(1.7e9));
    }

    #[test]
    fn client_golang_is_read() {
        let reading = read(
            "promhttp_metric_handler_requests_total{code=\"200\"} 99\n\
             promhttp_metric_handler_requests_in_flight 1\n\
             http_requests_total{code=\"500\",method=\"get\"} 3\n\
             http_request_duration_seconds_bucket{handler=\"/\",method=\"get\",le=\"1\"} 3\n\
             in_flight_requests 2\n",
        );
        let only = route(&reading, "GET", NO_LABEL);
        assert_eq!((only.count, only.server_errors), (3.0, Some(3.0)));
        assert_eq!(reading.in_flight.get(), Some(2.0));
        assert_eq!(reading.buckets.values().sum::<f64>(), 3.0);
        let scrapes_alone = read("promhttp_metric_handler_requests_total{code=\"200\"} 99\n");
        assert_eq!(scrapes_alone.routes, None);
    }

    #[test]
    fn opentelemetry_is_read() {
        let reading = read(
            "http_server_request_duration_seconds_bucket{http_request_method=\"POST\",http_route=\"/a\",http_response_status_code=\"201\",le=\"0.005\"} 1\n\
             http_server_request_duration_seconds_bucket{http_request_method=\"POST\",http_route=\"/a\",http_response_status_code=\"201\",le=\"+Inf\"} 2\n\
             http_server_request_duration_seconds_count{http_request_method=\"POST\",http_route=\"/a\",http_response_status_code=\"201\"} 2\n\
             http_server_active_requests{http_request_method=\"POST\",url_scheme=\"http\"} 1\n",
        );
        let new = route(&reading, "POST", "/a");
        assert_eq!((new.count, new.buckets[0]), (2.0, (5.0, 1.0)));
        let reading = read(
            "http_server_duration_milliseconds_bucket{http_method=\"GET\",http_route=\"/a\",http_status_code=\"503\",le=\"5\"} 4\n\
             http_server_duration_milliseconds_count{http_method=\"GET\",http_route=\"/a\",http_status_code=\"503\"} 4\n",
        );
        let old = route(&reading, "GET", "/a");
        assert_eq!((old.server_errors, old.buckets[0]), (Some(4.0), (5.0, 4.0)));
    }

    #[test]
    fn django_prometheus_is_read() {
        let reading = read(
            "django_http_responses_total_by_status_view_method_total{method=\"GET\",status=\"404\",view=\"orders\"} 6\n\
             django_http_responses_total_by_status_view_method_total{method=\"GET\",status=\"200\",view=\"prometheus-django-metrics\"} 6\n\
             django_http_requests_latency_seconds_by_view_method_bucket{le=\"0.01\",method=\"GET\",view=\"orders\"} 6\n",
        );
        let orders = route(&reading, "GET", "orders");
        assert_eq!((orders.count, orders.client_errors), (6.0, Some(6.0)));
        assert_eq!(orders.buckets, [(10.0, 6.0)]);
        assert_eq!(reading.routes.as_ref().unwrap().len(), 1);
    }

    #[test]
    fn errors_without_a_status_are_unknown() {
        let reading = read("http_request_duration_seconds_count{method=\"GET\",path=\"/a\"} 3\n");
        let route = route(&reading, "GET", "/a");
        assert_eq!((route.count, route.server_errors), (3.0, None));
    }

    #[test]
    fn size_of_a_scrape_is_limited() {
        let text: String = (0..MAX_SAMPLES).map(|n| format!("a{n} 1\n")).collect();
        assert!(Reading::parse(&text).is_ok());
        assert!(Reading::parse(&(text + "b 1\n")).is_err());
        let text: String = (0..2_000)
            .map(|n| format!("http_requests_total{{path=\"/{n}\"}} 1\n"))
            .collect();
        let routes = read(&text).routes.unwrap();
        assert_eq!(routes.len(), MAX_ROUTES + 1);
        assert_eq!(
            routes.values().map(|route| route.count).sum::<f64>(),
            2_000.0
        );
    }
}
