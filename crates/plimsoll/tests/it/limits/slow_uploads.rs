//! Requests whose bodies do not arrive: they are evicted from their slots.

use harness::eventually;

use crate::in_flight::{requests_in_flight, wait_for_in_flight};
use crate::support::{assert_problem, ms, start};

/// SRV-4, SRV-6: clients that send no body bytes do not block other requests.
#[test]
fn request_without_body_bytes_is_evicted_when_slots_run_out() {
    let service = start(&[("MAX_IN_FLIGHT", "4"), ("READ_TIMEOUT", "60s")]);
    let mut silent = Vec::new();
    for taken in 1..=4 {
        let mut connection = service.connect();
        connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
        silent.push(connection);
        wait_for_in_flight(&service, f64::from(taken));
    }
    eventually("the longest stalled upload is evicted", || {
        (service.get("/hello").status == 200).then_some(())
    });
    let answer = silent[0].read();
    assert_problem(&answer, 408);
    assert_eq!(answer.header("connection"), Some("close"));
    // The other requests need not be evicted, and continue.
    for connection in &mut silent[1..] {
        connection.send("-whole");
        assert_eq!(connection.read().text(), "10\n");
    }
}

/// SRV-4, SRV-6: a byte now and then is below the minimum progress.
#[test]
fn request_with_a_trickling_body_is_evicted() {
    let service = start(&[("MAX_IN_FLIGHT", "2"), ("READ_TIMEOUT", "60s")]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut connection = service.connect();
            connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    if connection.try_send("x").is_err() {
                        return;
                    }
                    // The interval of the attack.
                    std::thread::sleep(ms(20));
                }
            });
        }
        wait_for_in_flight(&service, 2.0);
        eventually("one upload is evicted", || {
            (service.get("/hello").status == 200).then_some(())
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// SRV-2, SRV-4: a handler that has polled its body and computes is not waiting for its client.
#[test]
fn request_that_works_on_its_body_is_not_evicted() {
    let service = start(&[("MAX_IN_FLIGHT", "1"), ("READ_TIMEOUT", "60s")]);
    let mut at_work = service.connect();
    at_work.send("POST /look-and-work?ms=1500 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    wait_for_in_flight(&service, 1.0);
    // It gets the slot of a waiting request, or none.
    eventually("another has asked", || {
        let answer = service.get("/hello");
        assert!([200, 503].contains(&answer.status));
        (service
            .metrics()
            .sum("http_requests_total", &[("path", "/hello")])
            >= 1.0
            || requests_in_flight(&service) == 0.0)
            .then_some(())
    });
    assert_eq!(at_work.read().text(), "worked\n");
}
