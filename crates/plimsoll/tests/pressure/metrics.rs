//! Metrics under pressure: one shared series, ten thousand series, and a long time without a
//! scrape.

use std::{
    fs, io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    routing::get,
};
use harness::{Process, Scrape, eventually, timed};
use http_body_util::BodyExt as _;
use plimsoll::{App, build_info, config::Environment, metrics::TextFormat, telemetry::Output};
use tower::ServiceExt as _;

use crate::{
    answers, clients, last, print_line, scaled,
    support::{pipeline, start},
};

/// The counts of the shared series in one scrape, from the chassis and from metrics of the service.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Counted {
    requests: f64,
    seconds: f64,
    own: f64,
    own_seconds: f64,
}

fn counted(metrics: &Scrape) -> Counted {
    let labels = [("path", "/count")];
    let requests = metrics.sum("http_requests_total", &labels);
    let observed = metrics.sum("http_request_duration_seconds_count", &labels);
    assert_eq!(requests, observed, "a histogram's count is its counter's");
    let value = |name| metrics.value(name, &[]).unwrap();
    Counted {
        requests,
        seconds: metrics.sum("http_request_duration_seconds_sum", &labels),
        own: value("fixture_hits_total"),
        own_seconds: value("fixture_work_seconds_sum"),
    }
}

/// MET-5
#[test]
fn concurrent_counts_into_one_series_are_exact() {
    const CONNECTIONS: usize = 8;
    let requests = scaled(2_000, 500_000);
    let service = start(&[("WORKERS", "4"), ("LOG_LEVEL", "CRITICAL")]);
    let finished = AtomicBool::new(false);
    let scrapes = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut connection = service.connect();
                scope.spawn(move || {
                    pipeline(
                        &mut connection,
                        requests,
                        |_| "GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                        |answer| assert_eq!(answer.status, 200),
                    );
                })
            })
            .collect();
        let scraper = scope.spawn(|| {
            let mut before = counted(&service.metrics());
            let mut scrapes = 0;
            while !finished.load(Ordering::Relaxed) {
                let now = counted(&service.metrics());
                assert!(
                    now.requests >= before.requests
                        && now.seconds >= before.seconds
                        && now.own >= before.own
                        && now.own_seconds >= before.own_seconds,
                    "{before:?} became {now:?}"
                );
                before = now;
                scrapes += 1;
            }
            scrapes
        });
        for client in clients {
            client.join().unwrap();
        }
        finished.store(true, Ordering::Relaxed);
        scraper.join().unwrap()
    });
    let all = f64::from(u32::try_from(CONNECTIONS * requests).unwrap());
    let seen = eventually("every request is counted", || {
        let seen = counted(&service.metrics());
        (seen.requests == all && seen.own == all).then_some(seen)
    });
    print_line(&format!(
        "one series: {} requests over 4 workers, {scrapes} scrapes meanwhile, {} counted",
        all, seen.requests
    ));
    assert!(scrapes > 0);
}

const ROUTES: usize = 2_000;
const STATUSES: [u16; 5] = [200, 201, 404, 409, 503];

/// Returns the number of requests for a route and a status, which differs between neighbours.
const fn asked(route: usize, status: usize) -> usize {
    1 + (route + status) % 3
}

/// MET-1, MET-2, MET-5
#[tokio::test]
async fn ten_thousand_series_are_each_exact() {
    let chassis = App::new(build_info!())
        .environment(Environment::from_pairs([("LOG_LEVEL", "CRITICAL")]))
        .output(Output::to(io::sink()))
        .prepare()
        .unwrap();
    let layer = chassis.layer();
    let status = |Path(status): Path<u16>| async move { StatusCode::from_u16(status).unwrap() };
    let router = (0..ROUTES).fold(Router::new(), |router, route| {
        router.route(&format!("/r{route}/{{status}}"), get(status))
    });
    let app = router.layer(layer.clone());
    for route in 0..ROUTES {
        for (index, status) in STATUSES.into_iter().enumerate() {
            for _ in 0..asked(route, index) {
                let request = Request::get(format!("/r{route}/{status}"));
                let request = request.body(Body::empty()).unwrap();
                let answer = app.clone().oneshot(request).await.unwrap();
                assert_eq!(answer.status(), status);
                answer.into_body().collect().await.unwrap();
            }
        }
    }
    let text = layer.metrics(TextFormat::Plain);
    let metrics = Scrape::parse(&text).unwrap();
    for name in ["http_requests_total", "http_request_duration_seconds_count"] {
        let series = metrics.samples(name).count();
        assert_eq!(series, ROUTES * STATUSES.len(), "{name}");
    }
    for route in 0..ROUTES {
        let path = format!("/r{route}/{{status}}");
        for (index, status) in STATUSES.into_iter().enumerate() {
            let status = status.to_string();
            let labels = [
                ("service", "plimsoll"),
                ("method", "GET"),
                ("path", &path),
                ("status", &status),
            ];
            let expected = Some(f64::from(u32::try_from(asked(route, index)).unwrap()));
            for name in ["http_requests_total", "http_request_duration_seconds_count"] {
                assert_eq!(metrics.value(name, &labels), expected, "{name} {labels:?}");
            }
        }
    }
    // OpenMetrics has the same number of samples, and its end marker.
    let open = layer.metrics(TextFormat::OpenMetrics);
    let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(samples(&open), samples(&text));
    assert!(open.ends_with("# EOF\n"));
}

/// Returns the resident memory in KiB from the kernel, since no scrape may happen here.
fn resident(service: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.unwrap().trim().trim_end_matches(" kB");
    figure.parse().unwrap()
}

/// MET-8
#[test]
fn memory_is_flat_without_a_scrape() {
    const PARTS: u32 = 20;
    let (warm_up, time) = scaled(
        (Duration::from_secs(1), Duration::from_secs(3)),
        (Duration::from_secs(30), Duration::from_secs(600)),
    );
    let service = start(&[("LOG_LEVEL", "CRITICAL")]);
    let stop = AtomicBool::new(false);
    // Metrics of the service and of requests, with label values that do not repeat.
    let number = std::sync::atomic::AtomicU64::new(0);
    let target = |client: usize| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        match number % 3 {
            0 => format!("/items/{number}-{client}"),
            1 => format!("/tenants/{number}-{client}"),
            _ => "/count".to_owned(),
        }
    };
    let (before, after, requests) = thread::scope(|scope| {
        let all = clients(scope, &service, &stop, &target);
        last(warm_up);
        let before = resident(&service);
        let mut after = before;
        for _ in 0..PARTS {
            last(time / PARTS);
            after = after.max(resident(&service));
        }
        stop.store(true, Ordering::Relaxed);
        (before, after, answers(all))
    });
    print_line(&format!(
        "no scrape for {time:?}: {requests} requests, {before} KiB at first, {after} KiB at most"
    ));
    assert!(after <= before + 8 * 1024, "{before} KiB became {after}");
    let (answer, took) = timed(|| service.get("/metrics"));
    assert_eq!(answer.status, 200);
    assert!(
        took < Duration::from_secs(2),
        "the first scrape took {took:?}"
    );
}
