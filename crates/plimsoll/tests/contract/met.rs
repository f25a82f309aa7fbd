//! MET: metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::{MetricType, Process, Scrape, Signal, eventually};

use crate::support::{
    BUILD_TIME, SERVICE, VERSION, pipeline, post, request, require_or_skip, start,
};

/// Upper limits of the duration histogram, in seconds.
const BUCKETS: [f64; 15] = [
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    f64::INFINITY,
];

/// The labels of a request series.
fn labels<'a>(method: &'a str, path: &'a str, status: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("service", SERVICE),
        ("method", method),
        ("path", path),
        ("status", status),
    ]
}

/// Waits until a value is what it should be: a count is made a moment after the client has the last
/// byte.
#[track_caller]
fn wait_for_value(service: &Process, name: &str, labels: &[(&str, &str)], expected: f64) {
    let mut last = None;
    let found = harness::eventually_within(std::time::Duration::from_secs(10), || {
        last = service.metrics().value(name, labels);
        (last == Some(expected)).then_some(())
    });
    assert!(
        found.is_some(),
        "{name}{labels:?} is {last:?}, not {expected}"
    );
}

/// MET-1
#[test]
fn requests_are_counted_by_service_method_path_and_status() {
    let service = start(&[]);
    for _ in 0..3 {
        assert_eq!(service.get("/hello").status, 200);
    }
    assert_eq!(service.get("/missing").status, 404);
    assert_eq!(service.request(post("/upload", "abc")).status, 200);
    drop(service.request(request("HEAD", "/hello", "")));
    for (method, path, status, count) in [
        ("GET", "/hello", "200", 3.0),
        ("GET", "/missing", "404", 1.0),
        ("POST", "/upload", "200", 1.0),
        ("HEAD", "/hello", "200", 1.0),
    ] {
        wait_for_value(
            &service,
            "http_requests_total",
            &labels(method, path, status),
            count,
        );
    }
    let kind = service
        .metrics()
        .family("http_requests_total")
        .unwrap()
        .kind;
    assert_eq!(kind, MetricType::Counter);
}

/// MET-2
#[test]
fn durations_are_in_a_histogram_with_the_buckets_of_the_contract() {
    let service = start(&[]);
    assert_eq!(service.get("/slow?ms=120").status, 200);
    let labels = labels("GET", "/slow", "200");
    wait_for_value(
        &service,
        "http_request_duration_seconds_count",
        &labels,
        1.0,
    );
    let metrics = service.metrics();
    assert_eq!(
        metrics
            .family("http_request_duration_seconds")
            .unwrap()
            .kind,
        MetricType::Histogram
    );
    let sum = metrics
        .value("http_request_duration_seconds_sum", &labels)
        .unwrap();
    assert!((0.12..10.0).contains(&sum), "{sum}");
    let buckets: Vec<(f64, f64)> = metrics
        .samples("http_request_duration_seconds_bucket")
        .filter(|sample| sample.labels["path"] == "/slow")
        .map(|sample| {
            let limit = match sample.labels["le"].as_str() {
                "+Inf" => f64::INFINITY,
                limit => limit.parse().unwrap(),
            };
            (limit, sample.value)
        })
        .collect();
    let limits: Vec<f64> = buckets.iter().map(|(limit, _)| *limit).collect();
    assert_eq!(limits, BUCKETS);
    for (limit, count) in buckets {
        assert_eq!(
            count,
            if limit >= sum { 1.0 } else { 0.0 },
            "le {limit}, sum {sum}"
        );
    }
}

/// MET-3
#[test]
fn the_build_is_a_metric_of_value_one() {
    let metrics = start(&[]).metrics();
    let labels = [
        ("service", SERVICE),
        ("version", VERSION),
        ("build_time", BUILD_TIME),
    ];
    assert_eq!(metrics.value("build_info", &labels), Some(1.0));
    assert_eq!(metrics.series("build_info"), 1);
}

/// MET-4
#[test]
fn paths_are_labelled_by_their_pattern() {
    let service = start(&[]);
    for number in 0..5 {
        assert_eq!(service.get(&format!("/items/{number}")).status, 200);
        assert_eq!(service.get(&format!("/nowhere/{number}")).status, 404);
    }
    let total = "http_requests_total";
    wait_for_value(&service, total, &labels("GET", "/items/{id}", "200"), 5.0);
    wait_for_value(&service, total, &labels("GET", "__unmatched__", "404"), 5.0);
}

/// MET-4
#[test]
fn standard_methods_keep_their_names_and_others_share_one() {
    let service = start(&[]);
    let standard = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH",
    ];
    for method in standard {
        drop(service.request(request(method, "/nowhere", "")));
    }
    for method in ["BREW", "get", "PROPFIND", "GETT", "X"] {
        drop(service.request(request(method, "/nowhere", "")));
    }
    drop(service.request(
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n",
    ));
    eventually("all requests are counted", || {
        let metrics = service.metrics();
        let total = |method| {
            let labels = [("path", "__unmatched__"), ("method", method)];
            metrics.sum("http_requests_total", &labels)
        };
        let each = standard.iter().all(|method| total(method) == 1.0);
        (each && total("_OTHER") == 5.0 && total("CONNECT") == 1.0).then_some(())
    });
}

/// How many label sets the request counter has.
fn label_sets(service: &Process) -> usize {
    service.metrics().series("http_requests_total")
}

/// MET-4
#[test]
fn a_scanner_adds_five_label_sets_at_most() {
    const REQUESTS: usize = 3000;
    let service = start(&[]);
    assert_eq!(service.get("/hello").status, 200);
    wait_for_value(
        &service,
        "http_requests_total",
        &labels("GET", "/hello", "200"),
        1.0,
    );
    wait_for_value(&service, "http_requests_in_flight", &[], 0.0);
    let before = label_sets(&service);
    let mut connection = service.connect();
    pipeline(
        &mut connection,
        REQUESTS,
        |number| {
            let method = format!("SCAN{number}");
            let target = format!("/wp-{number}.php?x={number}");
            format!(
                "{method} {target} HTTP/1.1\r\nHost: h{number}.example\r\nUser-Agent: a{number}\r\n\r\n"
            )
        },
        |answer| assert!((400..500).contains(&answer.status)),
    );
    eventually("all requests are counted", || {
        let counted = service
            .metrics()
            .sum("http_requests_total", &[("method", "_OTHER")]);
        (counted >= 3000.0).then_some(())
    });
    let after = label_sets(&service);
    assert!(after <= before + 5, "{before} label sets became {after}");
}

/// MET-4
#[test]
fn a_host_is_no_label() {
    let service = start(&[]);
    let raw = "GET /hello HTTP/1.1\r\nHost: canary.example\r\nConnection: close\r\nUser-Agent: canary\r\n\r\n";
    assert_eq!(service.request(raw).status, 200);
    assert!(!service.get("/metrics").text().contains("canary"));
}

/// MET-4
#[test]
fn a_label_of_the_users_own_ends_where_it_says_and_the_rest_is_counted() {
    const VALUES: u32 = 200;
    let service = start(&[("LOG_LEVEL", "ERROR")]);
    let mut connection = service.connect();
    for number in 0..VALUES {
        assert_eq!(connection.get(&format!("/tenants/t{number}")).status, 200);
        assert_eq!(connection.get("/tenants/t0").status, 200);
    }
    drop(connection);
    let metrics = service.metrics();
    let name = "fixture_tenant_hits_total";
    let count = |tenant| metrics.value(name, &[("tenant", tenant)]);
    assert_eq!(metrics.series(name), 4);
    assert_eq!(count("t0"), Some(f64::from(VALUES + 1)));
    assert_eq!(count("t1"), Some(1.0));
    assert_eq!(count("t2"), Some(1.0));
    assert_eq!(count("_other"), Some(f64::from(VALUES - 3)));
    let labels = [("metric", name)];
    let folded = metrics.value("metrics_labels_folded_total", &labels);
    assert_eq!(folded, Some(f64::from(VALUES - 3)));
}

/// Count of every request series in one scrape, from the counter and from the histogram.
fn counts(metrics: &Scrape, name: &str) -> BTreeMap<String, f64> {
    metrics
        .samples(name)
        .map(|sample| (format!("{:?}", sample.labels), sample.value))
        .collect()
}

/// MET-5
#[test]
fn counts_are_exact_whatever_the_number_of_workers() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 250;
    let service = start(&[("WORKERS", "4"), ("LOG_LEVEL", "ERROR")]);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut connection = service.connect();
            scope.spawn(move || {
                pipeline(
                    &mut connection,
                    REQUESTS,
                    |_| "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                    |answer| assert_eq!(answer.status, 200),
                );
            });
        }
    });
    let labels = labels("GET", "/hello", "200");
    wait_for_value(&service, "http_requests_total", &labels, 2000.0);
    wait_for_value(
        &service,
        "http_request_duration_seconds_count",
        &labels,
        2000.0,
    );
    wait_for_value(&service, "http_requests_in_flight", &[], 0.0);
}

/// MET-5
#[test]
fn counters_never_fall_and_equal_their_histograms_in_every_scrape() {
    let service = start(&[("WORKERS", "4"), ("LOG_LEVEL", "CRITICAL")]);
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let mut connection = service.connect();
                scope.spawn(move || {
                    pipeline(
                        &mut connection,
                        1000,
                        |index| {
                            let path = ["/hello", "/error", "/nowhere"][index % 3];
                            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        },
                        |_| {},
                    );
                })
            })
            .collect();
        let scraper = scope.spawn(|| {
            let mut before: BTreeMap<String, f64> = BTreeMap::new();
            let mut scrapes = 0;
            while !finished.load(Ordering::Relaxed) {
                let metrics = service.metrics();
                let totals = counts(&metrics, "http_requests_total");
                assert_eq!(
                    totals,
                    counts(&metrics, "http_request_duration_seconds_count")
                );
                for (series, value) in &before {
                    let now = totals.get(series).copied().unwrap_or(f64::NAN);
                    assert!(now >= *value, "{series} fell from {value} to {now}");
                }
                before = totals;
                scrapes += 1;
            }
            scrapes
        });
        for client in clients {
            client.join().unwrap();
        }
        finished.store(true, Ordering::Relaxed);
        assert!(scraper.join().unwrap() > 0);
    });
}

/// MET-6
#[test]
fn metrics_without_labels_are_there_from_the_start() {
    let metrics = start(&[]).metrics();
    for name in [
        "http_requests_in_flight",
        "panics_total",
        "log_records_dropped_total",
    ] {
        assert_eq!(metrics.value(name, &[]), Some(0.0), "{name}");
    }
    // The scrape's own connection.
    for name in ["http_connections_open", "http_connections_total"] {
        assert_eq!(metrics.value(name, &[]), Some(1.0), "{name}");
    }
}

/// MET-6
#[test]
fn slots_are_taken_by_requests_and_given_back_by_event_streams() {
    let service = start(&[("MAX_IN_FLIGHT", "7")]);
    assert_eq!(
        service.metrics().value("http_request_slots", &[]),
        Some(7.0)
    );
    assert_eq!(
        service.metrics().value("http_request_slots_taken", &[]),
        Some(0.0)
    );
    let mut hanging = service.connect();
    hanging.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut streaming = service.connect();
    streaming.send("GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_value(&service, "http_requests_in_flight", &[], 2.0);
    wait_for_value(&service, "http_request_slots_taken", &[], 1.0);
    drop(hanging);
    wait_for_value(&service, "http_request_slots_taken", &[], 0.0);
    let unlimited = start(&[("MAX_IN_FLIGHT", "0")]).metrics();
    assert_eq!(unlimited.value("http_request_slots", &[]), None);
    assert_eq!(unlimited.value("http_request_slots_taken", &[]), None);
}

/// MET-6
#[test]
fn requests_in_flight_are_counted_to_their_last_byte() {
    let service = start(&[]);
    let mut hanging = service.connect();
    hanging.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut streaming = service.connect();
    streaming.send("GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_value(&service, "http_requests_in_flight", &[], 2.0);
    drop(streaming);
    wait_for_value(&service, "http_requests_in_flight", &[], 1.0);
    drop(hanging);
    wait_for_value(&service, "http_requests_in_flight", &[], 0.0);
}

/// MET-6
#[test]
fn probes_and_scrapes_are_not_in_flight() {
    let service = start(&[]);
    for _ in 0..20 {
        let metrics = service.metrics();
        assert_eq!(metrics.value("http_requests_in_flight", &[]), Some(0.0));
    }
}

/// MET-6
#[test]
fn connections_are_counted() {
    let service = start(&[]);
    let idle: Vec<_> = (0..3)
        .map(|_| {
            let mut connection = service.connect();
            assert_eq!(connection.get("/hello").status, 200);
            connection
        })
        .collect();
    // Three idle ones, and the scrape's own.
    wait_for_value(&service, "http_connections_open", &[], 4.0);
    assert!(
        service
            .metrics()
            .value("http_connections_total", &[])
            .unwrap()
            >= 4.0
    );
    drop(idle);
    wait_for_value(&service, "http_connections_open", &[], 1.0);
    let total = service
        .metrics()
        .value("http_connections_total", &[])
        .unwrap();
    assert!(total >= 6.0, "{total}");
}

/// MET-6, SRV-5
#[test]
fn panics_are_counted() {
    let service = start(&[]);
    for expected in [1.0, 2.0] {
        assert_eq!(service.get("/panic").status, 500);
        wait_for_value(&service, "panics_total", &[], expected);
    }
    drop(service.get("/spawn-panic"));
    wait_for_value(&service, "panics_total", &[], 3.0);
}

/// MET-6, LOG-12
#[test]
fn records_are_counted_by_level() {
    let service = start(&[("LOG_LEVEL", "DEBUG")]);
    for path in [
        "/log",
        "/log/debug",
        "/log/warn",
        "/log/error",
        "/nowhere",
        "/error",
        "/panic",
    ] {
        drop(service.get(path));
    }
    // Nothing but a scrape comes after these, and a scrape is not logged: line and count agree in
    // the end.
    eventually("the counts are those of the lines", || {
        let counted = service.metrics();
        let records = service.records();
        let agree = ["DEBUG", "INFO", "WARNING", "ERROR"].iter().all(|level| {
            let lines = records
                .iter()
                .filter(|record| record["levelname"] == *level)
                .count();
            let count = counted.value("log_records_total", &[("level", level)]);
            lines > 0 && count == u32::try_from(lines).ok().map(f64::from)
        });
        (agree && counted.value("log_records_dropped_total", &[]) == Some(0.0)).then_some(())
    });
}

/// The one state that is 1, the others being 0.
#[track_caller]
fn state(metrics: &Scrape) -> String {
    let states: Vec<_> = metrics.samples("service_state").collect();
    assert!(
        states
            .iter()
            .all(|state| state.value == 0.0 || state.value == 1.0),
        "{states:?}"
    );
    let current: Vec<&str> = states
        .iter()
        .filter(|state| state.value == 1.0)
        .map(|state| state.labels["state"].as_str())
        .collect();
    assert_eq!(current.len(), 1, "{states:?}");
    current[0].to_owned()
}

/// MET-6
#[test]
fn the_state_of_the_service_is_a_metric() {
    let service = start(&[("DRAIN_DELAY", "2s")]);
    assert_eq!(state(&service.metrics()), "ready");
    assert_eq!(service.request(post("/readiness/off", "")).status, 200);
    assert_eq!(state(&service.metrics()), "not_ready");
    assert_eq!(service.request(post("/readiness/on", "")).status, 200);
    assert_eq!(state(&service.metrics()), "ready");
    service.signal(Signal::Term);
    eventually("the drain delay has begun", || {
        (state(&service.metrics()) == "lame_duck").then_some(())
    });
}

/// MET-6
#[test]
fn the_process_is_measured_under_the_usual_names() {
    let service = start(&[]);
    let metrics = service.metrics();
    for (name, kind, least) in [
        ("process_cpu_seconds_total", MetricType::Counter, 0.0),
        ("process_open_fds", MetricType::Gauge, 3.0),
        ("process_max_fds", MetricType::Gauge, 256.0),
        ("process_virtual_memory_bytes", MetricType::Gauge, 1e6),
        ("process_resident_memory_bytes", MetricType::Gauge, 1e5),
    ] {
        let value = metrics
            .value(name, &[])
            .unwrap_or_else(|| panic!("{name} is missing"));
        assert!(value >= least, "{name} is {value}");
        assert_eq!(metrics.family(name).unwrap().kind, kind, "{name}");
    }
    let started = metrics.value("process_start_time_seconds", &[]).unwrap();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!(
        (now - 60.0..=now + 1.0).contains(&started),
        "started at {started}, now it is {now}"
    );
}

/// MET-6
#[test]
fn runtimes_are_measured_per_worker() {
    let metrics = start(&[("WORKERS", "3")]).metrics();
    let mut workers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for family in metrics
        .families()
        .iter()
        .filter(|family| family.name.starts_with("runtime_"))
    {
        for sample in &family.samples {
            if let Some(worker) = sample.labels.get("worker") {
                workers.entry(&family.name).or_default().insert(worker);
            }
        }
    }
    assert!(
        !workers.is_empty(),
        "no runtime_* metric has the label worker"
    );
    for (name, workers) in workers {
        assert_eq!(workers.len(), 3, "{name}: {workers:?}");
    }
}

/// MET-7
#[test]
fn metrics_of_the_user_stand_beside_those_of_the_chassis() {
    let service = start(&[]);
    for _ in 0..2 {
        assert_eq!(service.get("/count").status, 200);
    }
    let metrics = service.metrics();
    assert_eq!(metrics.value("fixture_hits_total", &[]), Some(2.0));
    assert_eq!(metrics.value("fixture_work_seconds_count", &[]), Some(2.0));
    assert_eq!(
        metrics.family("fixture_hits_total").unwrap().kind,
        MetricType::Counter
    );
    assert_eq!(
        metrics.family("fixture_work_seconds").unwrap().kind,
        MetricType::Histogram
    );
}

/// MET-7
#[test]
fn promtool_finds_nothing_to_complain_about() {
    if !require_or_skip("promtool") {
        return;
    }
    let service = start(&[]);
    for path in [
        "/hello",
        "/nowhere",
        "/panic",
        "/count",
        "/tenants/a%22b%5C%0A",
        "/items/a%22b",
    ] {
        drop(service.get(path));
    }
    drop(service.request(request("BREW", "/hello", "")));
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let scrape = service.get("/metrics").body;
    promtool.stdin.take().unwrap().write_all(&scrape).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

/// MET-8
#[test]
fn a_scrape_is_no_longer_after_more_traffic() {
    let service = start(&[("LOG_LEVEL", "ERROR")]);
    let mut connection = service.connect();
    let mut send = |requests| {
        pipeline(
            &mut connection,
            requests,
            |_| "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            |answer| assert_eq!(answer.status, 200),
        );
        service.get("/metrics").text().lines().count()
    };
    send(100);
    let before = send(100);
    assert_eq!(send(3000), before);
}
