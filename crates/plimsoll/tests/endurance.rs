//! The contract under load, and in an unreliable environment.
//!
//! By default the scale is small enough for every CI run. `PLIMSOLL_FULL=1` runs the full scale of
//! the contract; use `--release` and `--test-threads=1` for it.

#[path = "it/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests in `it`; only a part is used here"
)]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use harness::{Connection, Process, eventually, eventually_within, request, timed};

use crate::support::{END, fixture, pipeline, start};

const CLIENTS: usize = 4;

/// Returns the small figure, or the full one with `PLIMSOLL_FULL=1`.
#[expect(
    clippy::disallowed_methods,
    reason = "the setting of the test run, not of a service"
)]
fn scaled<T>(small: T, full: T) -> T {
    match std::env::var_os("PLIMSOLL_FULL") {
        Some(value) if value == "1" => full,
        _ => small,
    }
}

/// Returns a value of one scrape.
#[track_caller]
fn value(service: &Process, name: &str) -> f64 {
    service
        .metrics()
        .value(name, &[])
        .unwrap_or_else(|| panic!("{name} is missing"))
}

/// Waits until nothing is in flight and only the scrape's connection is open.
#[track_caller]
fn wait_for_rest(service: &Process) {
    eventually("the service is at rest", || {
        let metrics = service.metrics();
        let at_rest = metrics.value("http_requests_in_flight", &[]) == Some(0.0)
            && metrics.value("http_connections_open", &[]) == Some(1.0);
        at_rest.then_some(())
    });
}

/// Sends the same mix of requests from several clients at once.
fn load(service: &Process, requests: usize) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let mut connection = service.connect();
            scope.spawn(move || {
                pipeline(
                    &mut connection,
                    requests / CLIENTS,
                    |number| {
                        let path = ["/hello", "/items/7?x=1", "/nowhere", "/error"][number % 4];
                        format!(
                            "GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {client}-{number}\r\n\r\n"
                        )
                    },
                    |answer| assert!([200, 404, 500].contains(&answer.status)),
                );
            });
        }
    });
}

/// MET-5, LOG-12
#[test]
fn every_request_under_load_is_counted_and_logged_once() {
    let requests = scaled(20_000, 1_000_000);
    let service = start(&[]);
    load(&service, requests);
    wait_for_rest(&service);
    let metrics = service.metrics();
    let counted: f64 = metrics
        .samples("http_requests_total")
        .filter(|sample| sample.labels["path"] != "/metrics")
        .map(|sample| sample.value)
        .sum();
    assert_eq!(counted, f64::from(u32::try_from(requests).unwrap()));
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let lines = ended
        .stdout
        .lines()
        .filter(|line| line.contains("\"http_request\""))
        .count();
    assert_eq!(lines, requests);
    let report = &ended.records_with("shutdown_complete")[0];
    assert_eq!(report["logRecordsDropped"], 0);
}

/// MET-8
#[test]
fn memory_and_descriptors_do_not_grow_with_traffic() {
    let requests = scaled(10_000, 500_000);
    let service = start(&[("LOG_LEVEL", "CRITICAL")]);
    // Threads, pools and buffers reach their size.
    load(&service, requests);
    wait_for_rest(&service);
    let before = value(&service, "process_resident_memory_bytes");
    let descriptors = value(&service, "process_open_fds");
    // No scrape happens meanwhile.
    load(&service, 2 * requests);
    wait_for_rest(&service);
    let after = value(&service, "process_resident_memory_bytes");
    let allowed = 8.0 * 1024.0 * 1024.0;
    assert!(after <= before + allowed, "{before} bytes became {after}");
    eventually_within(Duration::from_secs(5), || {
        (value(&service, "process_open_fds") <= descriptors + 1.0).then_some(())
    })
    .expect("descriptors are given back");
}

/// MET-8
#[test]
fn scrapes_and_traffic_do_not_delay_each_other() {
    let requests = scaled(10_000, 500_000);
    let service = start(&[("LOG_LEVEL", "CRITICAL")]);
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        let scraper = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !finished.load(Ordering::Relaxed) {
                let (answer, took) = timed(|| service.get("/metrics"));
                assert_eq!(answer.status, 200);
                slowest = slowest.max(took);
            }
            slowest
        });
        load(&service, requests);
        finished.store(true, Ordering::Relaxed);
        let slowest = scraper.join().unwrap();
        assert!(
            slowest < Duration::from_secs(2),
            "a scrape took {slowest:?}"
        );
    });
}

/// MET-4
#[test]
fn long_scan_adds_five_label_sets_at_most() {
    let requests: usize = scaled(10_000, 100_000);
    let service = start(&[("LOG_LEVEL", "CRITICAL")]);
    assert_eq!(service.get("/hello").status, 200);
    wait_for_rest(&service);
    let before = service.metrics().series("http_requests_total");
    // A random generator without a crate: a full-period generator of 64 bits.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    let mut connection = service.connect();
    pipeline(
        &mut connection,
        requests,
        |_| {
            let (method, path, host) = (random(), random(), random());
            let method = match method % 3 {
                0 => "GET".to_owned(),
                1 => "POST".to_owned(),
                _ => format!("M{method:X}"),
            };
            format!(
                "{method} /{path:x}/{host:x} HTTP/1.1\r\nHost: {host:x}.example\r\nUser-Agent: {path:x}\r\nContent-Length: 0\r\n\r\n"
            )
        },
        |answer| assert!((400..500).contains(&answer.status), "{}", answer.status),
    );
    drop(connection);
    wait_for_rest(&service);
    let after = service.metrics().series("http_requests_total");
    assert!(after <= before + 5, "{before} label sets became {after}");
}

/// LOG-11, LOG-12
#[test]
fn stopped_log_reader_fails_no_request() {
    let pause = scaled(Duration::from_secs(2), Duration::from_secs(10));
    let service = start(&[]);
    let stop = AtomicBool::new(false);
    let (answered, slowest) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let mut connection = service.connect();
                let stop = &stop;
                scope.spawn(move || {
                    let filler = "f".repeat(900);
                    let mut answered = 0_u64;
                    let mut slowest = Duration::ZERO;
                    while !stop.load(Ordering::Relaxed) {
                        let (answer, took) = timed(|| connection.get(&format!("/hello?{filler}")));
                        assert_eq!(answer.status, 200);
                        answered += 1;
                        slowest = slowest.max(took);
                    }
                    (answered, slowest)
                })
            })
            .collect();
        // The reader reads, stops, and reads again, while the clients continue.
        thread::sleep(Duration::from_millis(300));
        service.pause_reading();
        thread::sleep(pause);
        // On a slow machine the buffer may take longer to fill.
        let full = eventually_within(Duration::from_secs(60), || {
            (value(&service, "log_records_dropped_total") > 0.0).then_some(())
        });
        service.resume_reading();
        thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        assert!(
            full.is_some(),
            "no record was dropped while the log was unread"
        );
        clients
            .into_iter()
            .fold((0, Duration::ZERO), |(all, slowest), client| {
                let (answered, took) = client.join().unwrap();
                (all + answered, slowest.max(took))
            })
    });
    assert!(
        slowest < Duration::from_secs(2),
        "an answer took {slowest:?}"
    );
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    let written = u64::try_from(ended.records_with("http_request").len()).unwrap();
    let dropped = ended.records_with("shutdown_complete")[0]["logRecordsDropped"]
        .as_u64()
        .unwrap();
    assert_eq!(written + dropped, answered, "written + dropped = produced");
    let announced: u64 = ended
        .records_with("log_records_dropped")
        .iter()
        .map(|record| record["dropped"].as_u64().unwrap())
        .sum();
    assert_eq!(announced, dropped, "every drop is announced");
}

/// LIFE-1, LIFE-2
#[test]
fn shutdown_under_load_loses_no_request() {
    const IN_FLIGHT: usize = 100;
    const IDLE: usize = 200;
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut idle: Vec<Connection> = (0..IDLE).map(|_| service.connect()).collect();
    for connection in &mut idle {
        assert_eq!(connection.get("/hello").status, 200);
    }
    let mut busy: Vec<Connection> = (0..IN_FLIGHT).map(|_| service.connect()).collect();
    for connection in &mut busy {
        connection.send(request("GET", "/slow?ms=1000", ""));
    }
    eventually("all requests are in flight", || {
        (value(&service, "http_requests_in_flight") == 100.0).then_some(())
    });
    service.signal(harness::Signal::Term);
    for connection in &mut busy {
        assert_eq!(connection.read().text(), "slow\n");
    }
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    // One second of work, and tolerance for a busy machine.
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
    assert_eq!(ended.records_with("http_request").len(), IN_FLIGHT + IDLE);
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["requestsCutOff"],
        0
    );
}

/// SRV-5
#[test]
fn panics_under_load_affect_no_other_request() {
    let panics: usize = scaled(500, 10_000);
    let service = start(&[("LOG_LEVEL", "CRITICAL")]);
    thread::scope(|scope| {
        for path in ["/panic", "/hello"] {
            let service = &service;
            scope.spawn(move || {
                let mut connection = service.connect();
                for _ in 0..panics {
                    let answer = connection.get(path);
                    assert_eq!(answer.status, if path == "/panic" { 500 } else { 200 });
                    if answer.header("connection") == Some("close") {
                        connection = service.connect();
                    }
                }
            });
        }
    });
    wait_for_rest(&service);
    let expected = f64::from(u32::try_from(panics).unwrap());
    assert_eq!(value(&service, "panics_total"), expected);
}

/// LIFE-1, LIFE-4
#[test]
fn repeated_starts_and_stops_leave_no_process() {
    for _ in 0..scaled(10, 500) {
        let service = Process::start(fixture(), &[]);
        assert_eq!(service.get("/hello").status, 200);
        let ended = service.terminate();
        assert_eq!(ended.code, Some(0));
        assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
    }
}

/// RID-5
#[test]
fn ids_of_threads_and_processes_are_unique() {
    const PROCESSES: usize = 2;
    let requests = scaled(20_000, 10_000_000) / PROCESSES / CLIENTS;
    let mut ids: Vec<u128> = Vec::new();
    for _ in 0..PROCESSES {
        let service = start(&[("WORKERS", "8"), ("LOG_LEVEL", "CRITICAL")]);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    let mut connection = service.connect();
                    scope.spawn(move || {
                        let mut ids = Vec::with_capacity(requests);
                        pipeline(
                            &mut connection,
                            requests,
                            |_| "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                            |answer| {
                                let id = answer.header("x-request-id").unwrap();
                                ids.push(u128::from_str_radix(id, 16).unwrap());
                            },
                        );
                        ids
                    })
                })
                .collect();
            for client in clients {
                ids.extend(client.join().unwrap());
            }
        });
    }
    let made = ids.len();
    assert_eq!(made, requests * CLIENTS * PROCESSES);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), made);
}
