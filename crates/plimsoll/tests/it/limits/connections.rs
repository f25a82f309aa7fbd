//! The limit of connections, eviction, and the reserve for probes.

use std::path::PathBuf;

use harness::{Connection, Scrape, eventually, timed};

use crate::in_flight::occupy;
use crate::support::{assert_problem, ms, start};

const CAPACITY: usize = 100;

/// A connection to an admin listener, which uses none of the tested connections.
struct Admin {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Admin {
    fn new() -> Self {
        let name = format!("plimsoll-catalogue-{}.sock", std::process::id());
        Self {
            path: std::env::temp_dir().join(name),
            connection: None,
        }
    }

    #[track_caller]
    fn metrics(&mut self) -> Scrape {
        let connection = self
            .connection
            .get_or_insert_with(|| Connection::unix(&self.path).unwrap());
        Scrape::parse(connection.get("/metrics").text()).unwrap()
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        drop(std::fs::remove_file(lock));
    }
}

#[test]
fn connections_above_the_limit_are_counted_exactly() {
    let mut admin = Admin::new();
    let addr = format!("unix:{}", admin.path.display());
    let service = start(&[
        ("ADMIN_ADDR", &addr),
        ("MAX_CONNECTIONS", "100"),
        ("READ_TIMEOUT", "60s"),
        // One worker accepts in the order of the queue.
        ("WORKERS", "1"),
    ]);
    let mut silent: Vec<_> = (0..3 * CAPACITY).map(|_| service.connect()).collect();
    let open = |metrics: &Scrape| metrics.value("http_connections_open", &[]);
    // The connection to the admin listener counts as open.
    let metrics = eventually("all have been accepted", || {
        let metrics = admin.metrics();
        (metrics.value("http_connections_total", &[]) == Some(301.0)).then_some(metrics)
    });
    let rejected = |metrics: &Scrape| metrics.sum("http_connections_rejected_total", &[]);
    assert_eq!(rejected(&metrics), 200.0);
    eventually("as many are left as there is room for", || {
        (open(&admin.metrics()) == Some(101.0)).then_some(())
    });
    let mut times: Vec<_> = (0..20).map(|_| timed(|| admin.metrics()).1).collect();
    times.sort_unstable();
    assert!(times[10] < ms(50), "{:?}", times[10]);
    // The oldest were closed, and the newest are served.
    for connection in &mut silent[..2 * CAPACITY] {
        assert!(connection.ends_within(ms(3000)));
    }
    for connection in &mut silent[2 * CAPACITY..] {
        assert_eq!(connection.get("/hello").status, 200);
    }
    // Half of the clients disconnect, and the same number connects without an eviction.
    silent.truncate(2 * CAPACITY + CAPACITY / 2);
    eventually("closed connections are no longer counted", || {
        (open(&admin.metrics()) == Some(51.0)).then_some(())
    });
    let (fresh, took) = timed(|| {
        let mut fresh: Vec<_> = (0..CAPACITY / 2).map(|_| service.connect()).collect();
        for connection in &mut fresh {
            assert_eq!(connection.get("/hello").status, 200);
        }
        fresh
    });
    assert!(took < ms(1000), "{took:?}");
    let metrics = admin.metrics();
    assert_eq!(rejected(&metrics), 200.0);
    assert_eq!(open(&metrics), Some(101.0));
    drop(fresh);
}

/// SRV-4, SRV-6
#[test]
fn silent_connections_are_evicted_for_requests() {
    // One worker accepts in the order of the queue, which makes the first one the oldest.
    let service = start(&[
        ("MAX_CONNECTIONS", "10"),
        ("READ_TIMEOUT", "60s"),
        ("WORKERS", "1"),
    ]);
    let mut silent: Vec<_> = (0..30).map(|_| service.connect()).collect();
    for _ in 0..20 {
        assert_eq!(service.get("/hello").status, 200);
    }
    // The oldest were closed first.
    assert!(silent[0].ends_within(ms(3000)));
    let metrics = service.metrics();
    let rejected = metrics.sum(
        "http_connections_rejected_total",
        &[("reason", "no_request")],
    );
    assert!(rejected >= 20.0, "{rejected}");
    assert!(metrics.value("http_connections_open", &[]).unwrap() <= 11.0);
}

/// SRV-4
#[test]
fn idle_connection_is_evicted_at_the_limit() {
    let service = start(&[("MAX_CONNECTIONS", "5"), ("WORKERS", "1")]);
    let mut idle: Vec<_> = (0..5).map(|_| service.connect()).collect();
    for connection in &mut idle {
        assert_eq!(connection.get("/hello").status, 200);
    }
    assert_eq!(service.get("/hello").status, 200);
    assert!(idle[0].ends_within(ms(3000)), "the longest idle one goes");
    let rejected = service.metrics();
    let idle = rejected.sum("http_connections_rejected_total", &[("reason", "idle")]);
    assert!(idle >= 1.0, "{idle}");
}

/// SRV-4
#[test]
fn reserve_answers_probes_when_all_connections_are_busy() {
    let service = start(&[("MAX_CONNECTIONS", "4")]);
    let mut busy: Vec<_> = (0..4).map(|_| occupy(&service, "/sse")).collect();
    for connection in &mut busy {
        // The head of the response has arrived, so the request is being handled.
        connection.read_head();
    }
    let mut probe = service.connect();
    let answer = probe.get("/health");
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    assert!(probe.ends_within(ms(3000)), "one request each");
    assert_problem(&service.get("/hello"), 503);
    drop(busy);
    eventually("there is room again", || {
        (service.get("/hello").status == 200).then_some(())
    });
}
