//! T-LIFE-07, T-LIFE-11, T-LIFE-13: starts that fail, and ends with the worst that can be open.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::{Connection, Process, Signal, eventually};

use super::{occupy, wait_for_in_flight};
use crate::support::{END, ms, request, run, scratch_file, start};

/// T-LIFE-07
#[test]
fn nothing_that_hangs_blocks_or_does_not_read_holds_the_end_up() {
    const HANGING: usize = 10;
    let service = start(&[
        ("DRAIN_DELAY", "200ms"),
        ("SHUTDOWN_TIMEOUT", "500ms"),
        ("WORKERS", "4"),
    ]);
    let mut open: Vec<_> = (0..HANGING)
        .map(|number| occupy(&service, &format!("/hang?n={number}")))
        .collect();
    open.push(occupy(&service, "/sleep-blocking?ms=300000"));
    let mut unread = service.connect();
    unread.set_receive_buffer(4096);
    unread.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    unread.read_head();
    open.push(unread);
    // All of the large answer has been handed on by then, and nothing of it was taken.
    wait_for_in_flight(&service, 11.0);
    // One holds the lock, the other waits for it: two of four workers are blocked.
    for _ in 0..2 {
        open.push(occupy(&service, "/held?ms=300000"));
    }
    service.wait_for_record(|record| record["message"] == "worker_stuck");
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!((ended.code, ended.signal), (Some(3), None));
    // Delay, limit and flush, and what a busy machine adds.
    let budget = ms(200) + ms(500) + Duration::from_secs(3) + ms(1500);
    assert!(ended.took < budget, "{:?}", ended.took);
    let records = ended.records();
    let report = records.last().unwrap();
    assert_eq!(report["message"], "shutdown_complete");
    assert_eq!(report["exitStatus"], 3);
    // The answer that nobody takes is told by its worker, which may be one that is blocked.
    let cut_off = report["requestsCutOff"].as_u64().unwrap();
    assert!((13..=14).contains(&cut_off), "{report}");
    // Whoever was cut off on a worker that runs has its record, with its id.
    let cut: Vec<_> = records
        .iter()
        .filter(|record| record["message"] == "http_request" && record["aborted"] == true)
        .collect();
    assert!(!cut.is_empty());
    assert!(cut.iter().all(|record| record["request_id"] != "-"));
}

/// Settings of one start.
type Environment<'a> = &'a [(&'a str, &'a str)];

/// T-LIFE-11, CLI-3
#[test]
fn a_start_that_fails_says_why_in_one_record_and_leaves_nothing_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port().to_string();
    let broken = scratch_file("catalogue-broken.pem", "no certificate");
    let certificate = [
        ("TLS_CERT_FILE", broken.as_str()),
        ("TLS_KEY_FILE", broken.as_str()),
    ];
    let cases: [(&str, Environment<'_>, i32); 5] = [
        ("a port that is taken", &[("PORT", &taken)], 1),
        ("a broken certificate", &certificate, 1),
        ("a set-up that fails", &[("SETUP_FAIL", "yes")], 1),
        ("a route that is taken", &[("ROUTE_CLASH", "/health")], 1),
        ("a wrong setting", &[("READ_TIMEOUT", "soon")], 78),
    ];
    for (what, env, code) in cases {
        let ended = run(&[], env);
        assert_eq!(ended.code, Some(code), "{what}: {}", ended.stderr);
        assert!(ended.took < ms(1000), "{what}: {:?}", ended.took);
        let records = ended.records();
        let errors: Vec<_> = records
            .iter()
            .filter(|record| ["ERROR", "CRITICAL"].contains(&record["levelname"].as_str().unwrap()))
            .collect();
        assert_eq!(errors.len(), 1, "{what}: {}", ended.stdout);
        assert!(ended.records_with("infra_app_ready").is_empty(), "{what}");
    }
    // A port is given back by the system, the file of a unix socket only by its owner.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalogue-failed");
    std::fs::create_dir_all(&folder).unwrap();
    let paths = ["main.sock", "admin.sock"].map(|name| folder.join(name));
    let [main, admin] = paths
        .each_ref()
        .map(|path| format!("unix:{}", path.display()));
    let env = [
        ("SETUP_FAIL", "yes"),
        ("HOST", &*main),
        ("ADMIN_ADDR", &*admin),
    ];
    assert_eq!(run(&[], &env).code, Some(1));
    assert!(!paths.iter().any(|path| path.exists()), "{paths:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// What became of connections that were made.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    answered: AtomicUsize,
    lost: AtomicUsize,
}

impl Tally {
    /// Asks over one new connection after the other, until there are none to be had.
    fn ask(&self, service: &Process) {
        while !self.over.load(Ordering::Relaxed) {
            let Ok(mut connection) = service.try_connect() else {
                return;
            };
            match Self::answer(&mut connection) {
                Some(200) => self.answered.fetch_add(1, Ordering::Relaxed),
                _ => self.lost.fetch_add(1, Ordering::Relaxed),
            };
        }
    }

    fn answer(connection: &mut Connection) -> Option<u16> {
        connection.try_send(request("GET", "/hello", "")).ok()?;
        Some(connection.read_or_end()?.status)
    }
}

/// T-LIFE-13
#[test]
fn an_end_without_delay_loses_next_to_none_of_those_who_have_connected() {
    const ENDS: usize = 10;
    let tally = Tally::default();
    for _ in 0..ENDS {
        let service = start(&[("DRAIN_DELAY", "0"), ("LOG_LEVEL", "CRITICAL")]);
        let enough = tally.answered.load(Ordering::Relaxed) + 100;
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| tally.ask(&service));
            }
            eventually("there is load", || {
                (tally.answered.load(Ordering::Relaxed) > enough).then_some(())
            });
            service.signal(Signal::Term);
        });
        assert_eq!(service.wait(END).code, Some(0));
    }
    let answered = tally.answered.load(Ordering::Relaxed);
    let lost = tally.lost.load(Ordering::Relaxed);
    println!(
        "figure: connections at an end without delay: answered={answered} lost={lost} ends={ENDS}"
    );
    // The system resets whoever comes while the listener is being closed: one an end is much.
    assert!(lost <= ENDS, "{lost} lost, {answered} answered");
}

/// Posts over one kept connection, after a pause each time, until an answer says that it was the
/// last. Tells whether one of them got no answer.
fn post_until_told(mut connection: Connection, pause: Duration) -> bool {
    loop {
        thread::sleep(pause);
        let sent = connection
            .try_send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody");
        let answer = sent.ok().and_then(|()| connection.read_or_end());
        match answer {
            Some(answer) if answer.header("connection") == Some("close") => return false,
            Some(answer) => assert_eq!(answer.text(), "4\n"),
            None => return true,
        }
    }
}

/// T-LIFE-04: nothing that is posted over connections in use is lost, if there is a delay in which
/// all of them can be told.
#[test]
fn nothing_that_is_posted_over_connections_in_use_is_lost_at_the_end() {
    const CLIENTS: u64 = 40;
    for _ in 0..3 {
        let service = start(&[("DRAIN_DELAY", "1s"), ("LOG_LEVEL", "CRITICAL")]);
        let lost = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let connection = service.connect();
                    let pause = ms(100 + client * 200 / CLIENTS);
                    scope.spawn(move || post_until_told(connection, pause))
                })
                .collect();
            eventually("all have begun", || {
                let posts = [("method", "POST")];
                let posts = service.metrics().sum("http_requests_total", &posts);
                (posts > 80.0).then_some(())
            });
            service.signal(Signal::Term);
            let lost = clients.into_iter().map(|client| client.join().unwrap());
            lost.filter(|lost| *lost).count()
        });
        assert_eq!(lost, 0);
        assert_eq!(service.wait(END).code, Some(0));
    }
}
