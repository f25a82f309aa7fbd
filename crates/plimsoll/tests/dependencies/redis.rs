//! The checks of the fixture, of a Redis server: a PING, and a TCP connection.

use std::cell::RefCell;
use std::net::SocketAddr;

use harness::{Process, Signal, eventually, timed};

use crate::firewall::Firewall;
use crate::outage::Subject;
use crate::redis_server::Server;
use crate::setup::Figures;
use crate::support::{spawn, start};

fn checked(addr: SocketAddr, policy: &str) -> Process {
    let addr = addr.to_string();
    start(&[("CHECK_REDIS", &addr), ("CHECK_POLICY", policy)])
}

fn redis(service: &Process, ready_when_down: u16) -> Subject<'_> {
    Subject {
        service,
        check: "redis",
        ready_when_down,
    }
}

#[track_caller]
fn outlive_stop(test: &'static str, policy: &str, ready_when_down: u16) {
    let Some(server) = Server::started(&format!("stopped-{policy}")) else {
        return;
    };
    let service = checked(server.addr(), policy);
    let server = RefCell::new(server);
    redis(&service, ready_when_down).outlive(
        test,
        || server.borrow_mut().stop(),
        || server.borrow_mut().start(),
    );
    assert_eq!(service.terminate().code, Some(0));
}

/// HLT-4, HLT-5, HLT-9, HLT-11
#[test]
fn gate_on_a_stopped_redis_makes_ready_503() {
    outlive_stop("redis stopped, gate", "gate", 503);
}

/// HLT-4, HLT-5, HLT-9
#[test]
fn required_check_of_a_stopped_redis_leaves_ready() {
    outlive_stop("redis stopped, required", "required", 200);
}

/// HLT-5, HLT-9
#[test]
fn observed_stop_of_redis_leaves_ready() {
    outlive_stop("redis stopped, observe", "observe", 200);
}

/// HLT-4, HLT-5, HLT-7, HLT-9
#[test]
fn check_follows_a_paused_redis() {
    let Some(server) = Server::started("paused") else {
        return;
    };
    let addr = server.addr().to_string();
    let service = start(&[
        ("CHECK_REDIS", &addr),
        ("CHECK_TCP", &addr),
        ("CHECK_POLICY", "gate"),
    ]);
    let subject = redis(&service, 503);
    subject.outlive(
        "redis paused, gate",
        || server.signal(Signal::Stop),
        || server.signal(Signal::Cont),
    );
    assert!(subject.runs(Some("timeout")) >= 3.0);
    // The system accepts connections for a paused server.
    let check = "tcp";
    assert_eq!(Subject { check, ..subject }.changes(), ["up"]);
}

/// HLT-4, HLT-5, HLT-7, HLT-9
#[test]
fn check_follows_a_firewalled_redis() {
    let Some(server) = Server::started("firewalled") else {
        return;
    };
    let firewall = Firewall::before(server.socket());
    let service = checked(firewall.addr(), "gate");
    let subject = redis(&service, 503);
    subject.outlive(
        "redis firewalled, gate",
        || firewall.set(true),
        || firewall.set(false),
    );
    assert!(subject.runs(Some("timeout")) >= 3.0);
}

/// HLT-4
#[test]
fn restarted_redis_changes_no_state() {
    let Some(mut server) = Server::started("restarted") else {
        return;
    };
    let service = checked(server.addr(), "gate");
    let subject = redis(&service, 503);
    subject.wait_for_runs(1);
    server.stop();
    server.start();
    subject.wait_for_runs(3);
    let mut figures = Figures::of("redis restarted");
    figures.info("runs: failed", subject.runs(Some("failed")));
    figures.exact("changes", "up", &subject.changes().join(" "));
    figures.judge();
}

/// HLT-5, HLT-6
#[test]
fn service_is_not_ready_until_its_redis_starts() {
    let Some(mut server) = Server::prepared("later") else {
        return;
    };
    let addr = server.addr().to_string();
    let service = spawn(&[("CHECK_REDIS", &addr)]);
    service.wait_until_ready();
    let subject = redis(&service, 503);
    subject.wait_for_runs(3);
    assert_eq!(service.get("/ready").status, 503);
    assert_eq!(service.get("/startupz").status, 200);
    server.start();
    let ((), took) = timed(|| {
        eventually("the service is ready", || {
            (service.get("/ready").status == 200).then_some(())
        });
    });
    // The record of the change is written after the state that `/ready` answers with.
    subject.wait_for_changes(2, [200, 200]);
    let mut figures = Figures::of("redis starts later");
    figures.info("time until the service is ready", format!("{took:?}"));
    figures.exact("changes", "down up", &subject.changes().join(" "));
    figures.judge();
}
