//! Panics in handlers, bodies and tasks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use harness::{Process, access_record, eventually};

use crate::in_flight::{occupy, value, wait_for_rest};
use crate::support::{assert_problem, is_generated_id, start};

/// SRV-5, RID-4, DIF-4
#[test]
fn panic_is_a_500_with_the_request_id() {
    let answer = start(&[]).get("/panic");
    assert_problem(&answer, 500);
    assert!(is_generated_id(answer.header("x-request-id").unwrap()));
}

/// SRV-5
#[test]
fn panic_is_one_record_with_its_location() {
    let service = start(&[]);
    assert_eq!(service.get("/panic").status, 500);
    let ended = service.terminate();
    let panics = ended.records_with("panic");
    assert_eq!(panics.len(), 1);
    assert_eq!(panics[0]["levelname"], "ERROR");
    assert_eq!(panics[0]["name"], "panic");
    assert_eq!(panics[0]["panicMessage"], "fixture panic");
    let location = panics[0]["location"].as_str().unwrap();
    let mut parts = location.rsplitn(3, ':');
    let column: u32 = parts.next().unwrap().parse().unwrap();
    let line: u32 = parts.next().unwrap().parse().unwrap();
    assert!(parts.next().unwrap().ends_with(".rs"), "{location}");
    assert!(line > 0 && column > 0, "{location}");
    // The request has its access record as usual.
    let access = ended.records_with("http_request");
    assert_eq!(access.len(), 1);
    assert_eq!(access[0]["status"], 500);
}

/// SRV-5
#[test]
fn panic_affects_no_other_request() {
    let service = start(&[("WORKERS", "1")]);
    let mut slow = service.connect();
    slow.send("GET /slow?ms=500 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut connection = service.connect();
    for _ in 0..20 {
        assert_eq!(service.get("/panic").status, 500);
        assert_eq!(connection.get("/hello").text(), "hello\n");
    }
    assert_eq!(slow.read().text(), "slow\n");
    assert_eq!(service.terminate().code, Some(0));
}

/// SRV-5
#[test]
fn panic_in_a_body_never_completes_the_response() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("GET /panic-body HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let said = connection.read_to_end();
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 200 "),
        "{said:?}"
    );
    assert!(!said.ends_with("0\r\n\r\n"), "{said:?}");
    let record = access_record(&service, "/panic-body");
    assert_eq!(record["aborted"], true);
    let ended = service.terminate();
    assert_eq!(ended.records_with("panic").len(), 1);
}

/// SRV-5
#[test]
fn panic_of_a_spawned_task_is_logged_and_counted() {
    let service = start(&[]);
    drop(service.get("/spawn-panic"));
    eventually("the panic is counted", || {
        (service.metrics().value("panics_total", &[]) == Some(1.0)).then_some(())
    });
    let ended = service.terminate();
    let panics = ended.records_with("panic");
    assert_eq!(panics.len(), 1);
    assert_eq!(panics[0]["panicMessage"], "task panic");
}

/// SRV-5: a caught panic is logged once, and not attributed to another request.
#[test]
fn caught_panic_is_logged_once() {
    let service = start(&[]);
    assert_eq!(service.get("/swallowed-panic").status, 200);
    assert_eq!(service.get("/panic").status, 500);
    let ended = service.terminate();
    let mut texts: Vec<_> = ended
        .records_with("panic")
        .iter()
        .map(|record| record["panicMessage"].as_str().unwrap().to_owned())
        .collect();
    // Records of different workers are unordered.
    texts.sort();
    assert_eq!(texts, ["fixture panic", "swallowed"]);
}

/// SRV-5, RID-3: a panic in the drop of a body affects nothing else.
#[test]
fn panic_in_the_drop_of_a_body_has_the_request_id() {
    let service = start(&[]);
    let mut connection = service.connect();
    let request = |id| format!("GET /evil-drop HTTP/1.1\r\nHost: a\r\nX-Request-ID: {id}\r\n\r\n");
    for id in ["evil-1", "evil-2"] {
        connection.send(request(id));
        let answer = connection.read();
        assert_eq!((answer.status, answer.text()), (200, "evil\n"));
        service.wait_for_record(|r| r["message"] == "panic" && r["request_id"] == id);
    }
}

/// Repetitions of each kind of panic.
const TIMES: usize = 40;

#[track_caller]
pub(crate) fn wait_for_panics(service: &Process, panics: usize) {
    let panics = f64::from(u32::try_from(panics).unwrap());
    eventually("each panic is counted", || {
        (value(service, "panics_total") >= panics).then_some(())
    });
    assert_eq!(value(service, "panics_total"), panics);
}

#[test]
fn panics_of_every_kind_are_counted_and_isolated() {
    let service = start(&[("WORKERS", "2")]);
    let over = AtomicBool::new(false);
    let good = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // One connection for all requests, which stays open.
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

/// Handlers that panic while they are dropped, at a deadline and after a disconnect.
#[test]
fn panic_in_a_cancelled_handler_is_isolated() {
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
    // Each request has its record and has released its slot.
    let paths = ["/quick-evil", "/hang-evil"];
    eventually("every request is recorded", || {
        let records = service.records_with("http_request");
        let of = |path: &&str| records.iter().filter(|r| r["path"] == *path).count();
        paths.iter().all(|path| of(path) == 5).then_some(())
    });
    assert_eq!(service.get("/hello").status, 200);
}
