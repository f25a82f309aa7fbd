//! `MAX_CONNECTION_AGE`: aged connections close without the loss of a request.

use std::thread;

use harness::{Connection, Process, eventually};
use tokio::time::Instant;

use super::LATE;
use crate::support::{ms, start};

/// Returns the number of connections that have reached the maximum age.
fn aged(service: &Process) -> f64 {
    let metrics = service.metrics();
    let aged = metrics.value("http_connections_aged_total", &[]);
    aged.expect("the counter exists from the start")
}

#[track_caller]
fn wait_for_aged(service: &Process, count: f64) {
    eventually("the connections are aged", || {
        (aged(service) >= count).then_some(())
    });
}

/// Opens a connection that has had a request.
fn used(service: &Process) -> Connection {
    let mut connection = service.connect();
    let answer = connection.get("/hello");
    assert_eq!((answer.status, answer.header("connection")), (200, None));
    connection
}

/// SRV-8
#[test]
fn busy_connection_closes_at_its_age_without_a_loss() {
    let service = start(&[("MAX_CONNECTION_AGE", "300ms")]);
    let closes: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let began = Instant::now();
                    let mut closes = 0;
                    while began.elapsed() < ms(2000) {
                        let mut connection = service.connect();
                        let opened = Instant::now();
                        loop {
                            let answer = connection.get("/hello");
                            assert_eq!(answer.status, 200);
                            if answer.header("connection") == Some("close") {
                                break;
                            }
                            assert!(opened.elapsed() < LATE, "it has no age");
                        }
                        assert!(opened.elapsed() >= ms(270), "{:?}", opened.elapsed());
                        assert_eq!(connection.read_to_end(), b"");
                        closes += 1;
                    }
                    closes
                })
            })
            .collect();
        clients.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert!(closes >= 8, "{closes}");
    assert!(aged(&service) >= closes as f64);
}

/// SRV-8
#[test]
fn request_in_progress_at_the_age_is_finished() {
    let service = start(&[("MAX_CONNECTION_AGE", "300ms")]);
    let mut connection = service.connect();
    let answer = connection.get("/slow?ms=1000");
    assert_eq!((answer.status, answer.text()), (200, "slow\n"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(connection.read_to_end(), b"");
}

/// SRV-8: its next request may be on the way.
#[test]
fn idle_connection_of_that_age_serves_one_more_request() {
    let service = start(&[("MAX_CONNECTION_AGE", "300ms")]);
    let mut idle = used(&service);
    wait_for_aged(&service, 1.0);
    assert!(!idle.ends_within(ms(500)), "a request could be lost");
    let answer = idle.get("/hello");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(idle.read_to_end(), b"");
}

/// SRV-8, SRV-4
#[test]
fn idle_connection_of_that_age_is_evicted_at_the_limit() {
    let service = start(&[("MAX_CONNECTION_AGE", "300ms"), ("MAX_CONNECTIONS", "2")]);
    let mut idle = used(&service);
    wait_for_aged(&service, 1.0);
    let _fills_up = used(&service);
    let _evicts = used(&service);
    assert_eq!(idle.read_to_end(), b"");
}

/// SRV-8
#[test]
fn connections_of_one_moment_age_at_different_times() {
    let service = start(&[("MAX_CONNECTION_AGE", "4s")]);
    let idle: Vec<_> = (0..30).map(|_| used(&service)).collect();
    wait_for_aged(&service, 1.0);
    let first = Instant::now();
    wait_for_aged(&service, 30.0);
    // The range is 800 ms wide.
    assert!(first.elapsed() > ms(200), "{:?}", first.elapsed());
    drop(idle);
}

/// SRV-8
#[test]
fn upgraded_connection_has_no_maximum_age() {
    let service = start(&[("MAX_CONNECTION_AGE", "300ms")]);
    let mut upgraded = service.connect();
    upgraded
        .send("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(upgraded.read_head().status, 101);
    for count in 1..=3 {
        let _younger = used(&service);
        wait_for_aged(&service, f64::from(count));
    }
    assert_eq!(aged(&service), 3.0, "only the others count");
    upgraded.send("echo");
    upgraded.finish_sending();
    assert_eq!(upgraded.read_to_end(), b"echo");
}
