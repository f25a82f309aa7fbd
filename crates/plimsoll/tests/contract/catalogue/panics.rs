//! T-RT-01: panics wherever the service's own code runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use harness::{Process, eventually};

use super::{ask, occupy, value, wait_for_rest};
use crate::support::{assert_problem, ms, request, start};

/// How often each kind of panic happens.
const TIMES: usize = 40;

#[track_caller]
fn wait_for_panics(service: &Process, panics: usize) {
    let panics = f64::from(u32::try_from(panics).unwrap());
    eventually("each panic is counted", || {
        (value(service, "panics_total") >= panics).then_some(())
    });
    assert_eq!(value(service, "panics_total"), panics);
}

#[test]
fn panics_of_every_kind_are_counted_and_touch_nobody_else() {
    let service = start(&[("WORKERS", "2")]);
    let over = AtomicBool::new(false);
    let good = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // One connection for all: it is never closed.
                let mut connection = service.connect();
                while !over.load(Ordering::Relaxed) {
                    let answer = connection.get("/hello");
                    assert_eq!((answer.status, answer.text()), (200, "hello\n"));
                    good.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let bad = scope.spawn(|| {
            for _ in 0..TIMES {
                for path in ["/panic", "/panic-layer"] {
                    assert_problem(&service.get(path), 500);
                }
                assert_eq!(service.get("/evil-drop").status, 200);
                assert_eq!(service.get("/spawn-panic").text(), "ended\n");
                let mut torn = occupy(&service, "/panic-body");
                let said = torn.read_to_end();
                assert!(!said.ends_with(b"0\r\n\r\n"), "it looks complete");
            }
        });
        let outcome = bad.join();
        over.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    assert!(good.load(Ordering::Relaxed) > TIMES);
    wait_for_panics(&service, 5 * TIMES);
    wait_for_rest(&service);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.records_with("panic").len(), 5 * TIMES);
}

/// A handler that panics while it is dropped: for its deadline, and for want of a client.
#[test]
fn a_handler_that_panics_when_it_is_given_up_takes_nothing_with_it() {
    let service = start(&[("MAX_IN_FLIGHT", "2"), ("WORKERS", "1")]);
    let mut good = service.connect();
    for _ in 0..5 {
        let answer = service.get("/quick-evil");
        assert!([500, 503].contains(&answer.status), "{}", answer.status);
        assert_eq!(good.get("/hello").status, 200);
    }
    for gone in 1..=5 {
        let evil = occupy(&service, "/hang-evil");
        eventually("the handler has begun", || {
            (service.records_with("handler_began").len() == 5 + gone).then_some(())
        });
        drop(evil);
        wait_for_panics(&service, 5 + gone);
        assert_eq!(good.get("/hello").status, 200);
    }
    drop(good);
    wait_for_rest(&service);
    // Each request has left its record, and given its slot back.
    let paths = ["/quick-evil", "/hang-evil"];
    eventually("every request is recorded", || {
        let records = service.records_with("http_request");
        let of = |path: &&str| records.iter().filter(|r| r["path"] == *path).count();
        paths.iter().all(|path| of(path) == 5).then_some(())
    });
    assert_eq!(service.get("/hello").status, 200);
}

/// A metric of the service's own that panics must not take those of the chassis with it.
#[test]
fn a_metric_that_panics_leaves_the_others_there() {
    let service = start(&[]);
    let mut kept = service.connect();
    assert_eq!(kept.get("/count").status, 200);
    for _ in 0..3 {
        let set = service.request(request("POST", "/panic-metric/1", "Content-Length: 0\r\n"));
        assert_eq!(set.text(), "set\n");
        kept.send(ask("/metrics"));
        let scrape = kept.read();
        assert_eq!(scrape.status, 200);
        assert!(scrape.text().contains("\nhttp_requests_total{"));
        assert!(!scrape.text().contains("fixture_hits_total"));
        assert_eq!(kept.get("/hello").status, 200, "the connection goes on");
    }
    let scrape = service.metrics();
    assert_eq!(scrape.value("fixture_hits_total", &[]), Some(1.0));
    wait_for_panics(&service, 3);
    assert_eq!(service.records_with("panic").len(), 3);
    assert!(!kept.ends_within(ms(100)));
}
