//! A rollout behind HAProxy while the database that all instances share is gone.
//!
//! The database is a TCP listener. Its check is of the policy `degrade`, required at start.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::{eventually, eventually_within};

use crate::client::Client;
use crate::haproxy::Front;
use crate::proxied::Instance;
use crate::setup::{Figures, Reserved, now, p99, plain, scaled, scratch_folder};
use crate::support::require_or_skip;

/// The instances in rotation from the start. The next one is new.
const OLD: usize = 3;

/// A server that accepts connections, or refuses them.
struct Database {
    reserved: Reserved,
    accepting: Option<JoinHandle<()>>,
    must_end: Arc<AtomicBool>,
}

// === impl Database ===

impl Database {
    fn start() -> Self {
        let mut database = Self {
            reserved: Reserved::port(),
            accepting: None,
            must_end: Arc::default(),
        };
        database.accept();
        database
    }

    fn addr(&self) -> SocketAddr {
        self.reserved.addr()
    }

    fn accept(&mut self) {
        let listener = TcpListener::bind(self.addr()).unwrap();
        self.must_end.store(false, Ordering::Relaxed);
        let must_end = Arc::clone(&self.must_end);
        self.accepting = Some(thread::spawn(move || {
            let mut clients = listener.incoming();
            while clients.next().is_some() && !must_end.load(Ordering::Relaxed) {}
        }));
    }

    fn refuse(&mut self) {
        self.must_end.store(true, Ordering::Relaxed);
        // It wakes the thread, which closes the listener.
        drop(TcpStream::connect(self.addr()));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }
}

/// The requests of the load.
#[derive(Default)]
struct Load {
    must_end: AtomicBool,
    sent: AtomicU64,
    failures: Mutex<Vec<String>>,
    times: Mutex<Vec<Duration>>,
}

// === impl Load ===

impl Load {
    /// Sends a request every 10 ms until the load must end.
    fn send(&self, front: SocketAddr) {
        let (mut client, began) = (Client::new(front), now());
        for number in 0_u32.. {
            if self.must_end.load(Ordering::Relaxed) {
                return;
            }
            let due = began + Duration::from_millis(10) * number;
            thread::sleep(due.saturating_duration_since(now()));
            self.sent.fetch_add(1, Ordering::Relaxed);
            let asked = now();
            match client.get("/hello", "") {
                Ok(reply) if reply.status == 200 => {
                    self.times.lock().unwrap().push(asked.elapsed());
                }
                Ok(reply) => self.fail(format!("status {}", reply.status)),
                Err(error) => self.fail(error),
            }
        }
    }

    fn fail(&self, error: String) {
        self.failures.lock().unwrap().push(error);
    }
}

/// Ends the load, also when the rehearsal panics.
struct EndLoad<'a>(&'a Load);

impl Drop for EndLoad<'_> {
    fn drop(&mut self) {
        self.0.must_end.store(true, Ordering::Relaxed);
    }
}

fn changes(instance: &Instance) -> String {
    let changes = instance.process().records_with("check_changed");
    let states = changes.iter().map(|record| record["state"].as_str());
    states.map(Option::unwrap).collect::<Vec<_>>().join(" ")
}

/// Waits until the checks of the old instances are up (1) or down (0). The gauges are read, because
/// the log is long.
#[track_caller]
fn wait_for_checks(instances: &[Instance], up: f64) {
    let labels = [("check", "tcp"), ("policy", "degrade")];
    for instance in &instances[..OLD] {
        eventually("the check changes", || {
            let seen = instance.process().metrics().value("check_up", &labels);
            (seen == Some(up)).then_some(())
        });
    }
}

/// The database goes away and comes back. A new instance starts meanwhile.
fn rehearse(
    figures: &mut Figures,
    front: &Front,
    database: &mut Database,
    instances: &mut [Instance],
) {
    let before = front.statistic(OLD, "stot");
    let outage = scaled(Duration::from_secs(6), Duration::from_secs(60));
    let began = now();
    database.refuse();
    wait_for_checks(instances, 0.0);
    figures.info(
        "time until all checks are down",
        format!("{:?}", began.elapsed()),
    );
    instances[OLD].serve();
    // It has a rest of the outage in which it could enter the rotation.
    let mut entered = false;
    let least = scaled(Duration::from_secs(2), Duration::from_secs(20));
    let rest = outage.saturating_sub(began.elapsed()).max(least);
    let _ = eventually_within(rest, || {
        entered |= front.statistic(OLD, "status") == "UP";
        entered.then_some(())
    });
    figures.exact("the new instance enters the rotation", false, entered);
    let after = front.statistic(OLD, "stot");
    figures.exact(
        "requests to the new instance, before and after",
        before,
        after,
    );
    let status = instances[OLD].process().get("/ready").status;
    figures.exact("/ready of the new instance", 503, status);
    figures.info("seconds of the outage", began.elapsed().as_secs());

    database.accept();
    let recovery = now();
    eventually("the new instance enters the rotation", || {
        (front.statistic(OLD, "status") == "UP").then_some(())
    });
    figures.info("time until it enters", format!("{:?}", recovery.elapsed()));
    wait_for_checks(instances, 1.0);
    figures.info(
        "time until all checks are up",
        format!("{:?}", recovery.elapsed()),
    );
}

/// Returns how often each old instance has left the rotation.
fn losses(front: &Front) -> String {
    let losses = (0..OLD).map(|instance| front.statistic(instance, "chkdown"));
    losses.collect::<Vec<_>>().join(" ")
}

/// HLT-5, HLT-6
#[test]
fn rollout_without_the_shared_database_loses_no_request() {
    if plain() || !require_or_skip("haproxy") {
        return;
    }
    let mut database = Database::start();
    let env = vec![("CHECK_TCP", database.addr().to_string())];
    let mut instances: Vec<_> = (0..=OLD).map(|_| Instance::reserve(env.clone())).collect();
    for instance in &mut instances[..OLD] {
        instance.serve();
    }
    let folder = scratch_folder("haproxy-database");
    let front = Front::before(&instances, &folder);
    // HAProxy assumes that a server is up until its first probe.
    eventually("the missing instance is out of the rotation", || {
        (front.statistic(OLD, "status") == "DOWN").then_some(())
    });
    let mut figures = Figures::of("rollout without the database, HAProxy");
    let load = Load::default();
    let before = losses(&front);
    thread::scope(|scope| {
        for _ in 0..scaled(4, 20) {
            scope.spawn(|| load.send(front.addr()));
        }
        let _end = EndLoad(&load);
        rehearse(&mut figures, &front, &mut database, &mut instances);
    });
    figures.exact(
        "losses of the rotation, before and after",
        before,
        losses(&front),
    );
    let failures = load.failures.into_inner().unwrap();
    figures.info("requests", load.sent.into_inner());
    figures.exact("failed requests", 0, failures.len());
    for failure in failures.iter().take(5) {
        figures.info("one of them", failure);
    }
    let mut times = load.times.into_inner().unwrap();
    figures.info("p99", format!("{:?}", p99(&mut times)));
    for instance in &instances[..OLD] {
        figures.exact(
            "changes of an old instance",
            "up down up",
            &changes(instance),
        );
        let readiness = instance.process().records_with("readiness_changed");
        figures.exact("changes of its readiness", 0, readiness.len());
    }
    figures.exact(
        "changes of the new instance",
        "down up",
        &changes(&instances[OLD]),
    );
    database.refuse();
    std::fs::remove_dir_all(folder).unwrap();
    figures.judge();
}
