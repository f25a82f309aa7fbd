//! The check of the example `with_database`, whose connection is its own.

use harness::{Process, eventually, example};

use crate::firewall::Firewall;
use crate::outage::Subject;
use crate::postgres_server::Server;
use crate::setup::Figures;

fn start(url: &str) -> Process {
    Process::start(example("with_database"), &[("DATABASE_URL", url)])
}

fn database(service: &Process) -> Subject<'_> {
    Subject {
        service,
        check: "database",
        ready_when_down: 200,
    }
}

/// HLT-4, HLT-5, HLT-9
#[test]
fn check_follows_a_stopped_postgres() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server.url());
    let server = std::cell::RefCell::new(server);
    database(&service).outlive(
        "postgres stopped",
        || server.borrow_mut().stop(),
        || server.borrow_mut().start(),
    );
    assert_eq!(service.terminate().code, Some(0));
}

/// HLT-4, HLT-5, HLT-7, HLT-9
#[test]
fn check_follows_a_paused_postgres() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server.url());
    let subject = database(&service);
    subject.outlive("postgres paused", || server.pause(), || server.resume());
    assert!(subject.runs(Some("timeout")) >= 3.0);
    assert_eq!(service.terminate().code, Some(0));
}

/// HLT-4, HLT-5, HLT-7, HLT-9
#[test]
fn check_follows_a_firewalled_postgres() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let firewall = Firewall::before(server.socket());
    let port = firewall.addr().port();
    let service = start(&format!(
        "host=127.0.0.1 port={port} user=test dbname=postgres"
    ));
    let subject = database(&service);
    subject.outlive(
        "postgres firewalled",
        || firewall.set(true),
        || firewall.set(false),
    );
    assert!(subject.runs(Some("timeout")) >= 3.0);
    assert_eq!(service.terminate().code, Some(0));
}

/// HLT-4
#[test]
fn restarted_postgres_changes_no_state() {
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server.url());
    let subject = database(&service);
    subject.wait_for_runs(1);
    server.stop();
    server.start();
    subject.wait_for_runs(3);
    let mut figures = Figures::of("postgres restarted");
    figures.info("runs: failed", subject.runs(Some("failed")));
    figures.exact("changes", "up", &subject.changes().join(" "));
    figures.judge();
}

/// HLT-5: the connections of the requests are busy, and that of the check is not.
#[test]
fn saturated_pool_is_not_reported_as_database_down() {
    const REQUESTS: usize = 20;
    /// The connections of the pool. The other requests fail when they have waited for one, and one
    /// more does if the background worker has a connection.
    const POOL: usize = 8;
    let Some(mut server) = Server::prepared() else {
        return;
    };
    server.start();
    let service = start(&server.url());
    let subject = database(&service);
    let lock = server.lock("visits");
    let mut waiting: Vec<_> = (0..REQUESTS).map(|_| service.connect()).collect();
    for connection in &mut waiting {
        connection.send("GET /visits HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    let failed = || {
        let labels = [("path", "/visits"), ("status", "503")];
        service.metrics().sum("http_requests_total", &labels)
    };
    eventually("the requests without a connection have failed", || {
        (failed() >= (REQUESTS - POOL) as f64).then_some(())
    });
    subject.wait_for_runs(4);
    assert_eq!(service.get("/ready").status, 200);
    let mut figures = Figures::of("saturated pool");
    figures.exact(
        "failed runs",
        0.0,
        subject.runs(None) - subject.runs(Some("ok")),
    );
    figures.exact("changes", "up", &subject.changes().join(" "));
    let in_flight = service.metrics().value("http_requests_in_flight", &[]);
    let expected = REQUESTS as f64 - failed();
    figures.exact("requests that wait", expected, in_flight.unwrap());
    lock.release();
    let answers = waiting
        .iter_mut()
        .map(|connection| connection.read().status);
    let answered = answers.filter(|status| *status == 200).count();
    figures.exact("answered after the lock", expected, answered as f64);
    figures.judge();
}
