//! Connections and requests that a shutdown under load loses.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::{Connection, Process, Signal, eventually, request};

use crate::support::{END, ms, start};

/// The outcomes of connections.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    answered: AtomicUsize,
    lost: AtomicUsize,
}

impl Tally {
    /// Sends a request over one new connection after the other, until the listener is closed.
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

#[test]
fn shutdown_without_delay_loses_few_accepted_connections() {
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
    // The system resets connections that arrive during the close of the listener, at most one per
    // shutdown.
    assert!(lost <= ENDS, "{lost} lost, {answered} answered");
}

/// Posts over one kept connection with pauses, until a response announces the close. Returns
/// whether a post got no response.
fn post_until_close(mut connection: Connection, pause: Duration) -> bool {
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

/// With a delay, every connection in use gets a response that announces the close.
#[test]
fn shutdown_loses_no_post_on_connections_in_use() {
    const CLIENTS: u64 = 40;
    for _ in 0..3 {
        let service = start(&[("DRAIN_DELAY", "1s"), ("LOG_LEVEL", "CRITICAL")]);
        let lost = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let connection = service.connect();
                    let pause = ms(100 + client * 200 / CLIENTS);
                    scope.spawn(move || post_until_close(connection, pause))
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
