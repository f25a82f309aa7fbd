//! Two instances behind a proxy: restarted one after the other under load, and sent forged
//! addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use harness::{ExitedProcess, Process, eventually_within};
use serde_json::Value;

use crate::client::Client;
use crate::setup::{Figures, Reserved, now, p99, plain, scaled, serve};

/// Returns the probe interval of a proxy that probes `/ready`.
pub(crate) fn check_interval() -> Duration {
    scaled(Duration::from_millis(100), Duration::from_secs(1))
}

/// An address at which one process replaces another.
pub(crate) struct Instance {
    reserved: Reserved,
    env: Vec<(&'static str, String)>,
    process: Option<Process>,
    ended: Vec<ExitedProcess>,
}

// === impl Instance ===

impl Instance {
    pub(crate) fn start() -> Self {
        let mut instance = Self::reserve(Vec::new());
        instance.serve();
        instance
    }

    /// Reserves the address of an instance that does not run yet.
    pub(crate) fn reserve(env: Vec<(&'static str, String)>) -> Self {
        Self {
            reserved: Reserved::port(),
            env,
            process: None,
            ended: Vec::new(),
        }
    }

    pub(crate) fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.reserved.addr()
    }

    pub(crate) fn serve(&mut self) {
        // One interval until the probe, one for the response, and one in reserve; more at short
        // intervals, of which a busy machine could skip one.
        let delay = format!("{}ms", scaled(10, 3) * check_interval().as_millis());
        let port = self.addr().port().to_string();
        let mut env = vec![
            ("PORT", &*port),
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("DRAIN_DELAY", &delay),
        ];
        env.extend(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        self.process = Some(serve(&env));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            self.ended.push(process.terminate());
        }
    }

    fn restart(&mut self) {
        self.stop();
        self.serve();
    }

    /// Returns whether the proxy sends requests to it: it has answered one that is no probe.
    fn is_used(&self) -> bool {
        plain()
            || self
                .process()
                .metrics()
                .sum("http_requests_total", &[("path", "/upload")])
                > 0.0
    }
}

/// Returns the id and the status of every request that the instances have logged, over all
/// restarts.
fn handled(instances: &[Instance]) -> HashMap<String, Vec<Value>> {
    let mut handled: HashMap<String, Vec<Value>> = HashMap::new();
    for ended in instances.iter().flat_map(|instance| &instance.ended) {
        for record in ended.records_with("http_request") {
            let id = record["request_id"].as_str().unwrap().to_owned();
            handled.entry(id).or_default().push(record);
        }
    }
    handled
}

/// Restarts both instances in turn under load, according to the scale. Half of the load is uploads,
/// each of which must be handled exactly once.
#[track_caller]
pub(crate) fn restart_under_load(
    test: &'static str,
    front: SocketAddr,
    instances: &mut [Instance],
) {
    let clients = scaled(8, 50);
    let pause = scaled(Duration::from_millis(5), Duration::from_millis(10));
    let least = scaled(Duration::from_secs(2), Duration::from_secs(60));
    let rounds = scaled(1, 5);
    let stop = AtomicBool::new(false);
    let sent = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let times = Mutex::new(Vec::new());
    let began = now();
    let all_used = thread::scope(|scope| {
        for client in 0..clients {
            let (stop, sent, failures, times) = (&stop, &sent, &failures, &times);
            scope.spawn(move || {
                let mut connection = Client::new(front);
                let mut taken = Vec::new();
                for number in 0_u32.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    thread::sleep((began + pause * number).saturating_duration_since(now()));
                    let id = format!("load-{client}-{number}");
                    let request = match number % 2 {
                        0 => format!("GET /hello HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {id}\r\n\r\n"),
                        _ => format!("POST /upload HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {id}\r\nContent-Length: 6\r\n\r\nunique"),
                    };
                    sent.fetch_add(1, Ordering::Relaxed);
                    let asked = now();
                    let error = match connection.ask(request.as_bytes()) {
                        Ok(reply) if reply.status == 200 => {
                            taken.push(asked.elapsed());
                            continue;
                        }
                        Ok(reply) => format!("status {}", reply.status),
                        Err(error) => error,
                    };
                    let at = began.elapsed();
                    failures.lock().unwrap().push(format!("{id} at {at:?}: {error}"));
                }
                times.lock().unwrap().extend(taken);
            });
        }
        let mut all_used = true;
        for _ in 0..rounds {
            for instance in &mut *instances {
                instance.restart();
                // The other instance must not stop before this one serves again.
                let used =
                    eventually_within(Duration::from_secs(15), || instance.is_used().then_some(()));
                all_used &= used.is_some();
                // A plain service does not show whether the proxy uses it.
                if plain() {
                    thread::sleep(3 * check_interval());
                }
            }
        }
        thread::sleep(least.saturating_sub(began.elapsed()));
        stop.store(true, Ordering::Relaxed);
        all_used
    });
    let took = began.elapsed();
    for instance in &mut *instances {
        instance.stop();
    }
    let sent = sent.into_inner();
    let failures = failures.into_inner().unwrap();
    let mut times = times.into_inner().unwrap();
    let mut figures = Figures::of(test);
    figures.info("restarts", rounds * instances.len());
    figures.info("requests, half of them uploads", sent);
    figures.info("seconds", format!("{:.1}", took.as_secs_f64()));
    figures.info("p99", format!("{:?}", p99(&mut times)));
    figures.exact("every new instance is used", true, all_used);
    figures.exact("failed requests", 0, failures.len());
    for failure in failures.iter().take(5) {
        figures.info("one of them", failure);
    }
    if !plain() {
        let handled = handled(instances);
        let ours = handled.iter().filter(|(id, _)| id.starts_with("load-"));
        let (mut once, mut more) = (0, 0);
        for (_, records) in ours {
            match records.len() {
                1 => once += 1,
                _ => more += 1,
            }
        }
        figures.exact("requests handled exactly once", sent, once);
        figures.exact("requests handled more than once", 0, more);
    }
    figures.judge();
}

/// Clients send forged addresses; the logged address must be the real one.
#[track_caller]
pub(crate) fn lie_about_addresses(
    test: &'static str,
    front: SocketAddr,
    instances: &mut [Instance],
) {
    const CLIENTS: u8 = 4;
    let requests = scaled(50, 2_500);
    let failures = AtomicU64::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let failures = &failures;
            scope.spawn(move || {
                let mut connection = Client::from(front, address_of(client));
                // A random generator without a crate: a full-period generator of 64 bits.
                let mut state = u64::from(client) + 1;
                for number in 0..requests {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let headers = format!(
                        "X-Request-ID: lie-{client}-{number}\r\n{}",
                        lie(state >> 33)
                    );
                    let answer = connection.get("/hello", &headers);
                    if !answer.is_ok_and(|reply| reply.status == 200) {
                        failures.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    for instance in &mut *instances {
        instance.stop();
    }
    let handled = handled(instances);
    let (mut right, mut wrong) = (0, Vec::new());
    for (id, records) in &handled {
        let Some(client) = id.strip_prefix("lie-") else {
            continue;
        };
        let client: u8 = client.split('-').next().unwrap().parse().unwrap();
        let expected = address_of(client).to_string();
        for record in records {
            match record["ip"] == expected {
                true => right += 1,
                false => wrong.push(format!("{id}: {}", record["ip"])),
            }
        }
    }
    let mut figures = Figures::of(test);
    figures.exact("failed requests", 0, failures.into_inner());
    figures.exact(
        "true addresses logged",
        usize::from(CLIENTS) * requests,
        right,
    );
    figures.exact("forged addresses logged", String::new(), wrong.join(" "));
    figures.judge();
}

/// Addresses that no proxy has.
fn address_of(client: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, client + 1).into()
}

/// Addresses that a client may forge as hops.
fn lie(random: u64) -> String {
    let octets = random.to_be_bytes();
    let address = Ipv4Addr::new(octets[4], octets[5], octets[6], octets[7]);
    match random % 8 {
        0 => format!("X-Forwarded-For: {address}\r\n"),
        1 => format!("X-Forwarded-For: {address}, 127.0.0.1\r\n"),
        2 => format!("X-Forwarded-For: {address}\r\nX-Forwarded-For: 127.0.0.1\r\n"),
        3 => format!("X-Forwarded-For: {address}, unknown, \"'; drop\r\n"),
        4 => format!("Forwarded: for={address}\r\nX-Real-IP: {address}\r\n"),
        5 => format!(
            "X-Forwarded-For: [2001:db8::{:x}]:443,,{address}:80,\r\n",
            random & 0xffff
        ),
        6 => format!("X_Forwarded_For: {address}\r\nX-Forwarded-For: 127.0.0.1\r\n"),
        _ => "X-Forwarded-For:\r\n".to_owned(),
    }
}
