//! The service under overload: its goodput must not decrease.
//!
//! Requests are sent at fixed times, independent of responses, and their time counts from when they
//! were due.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::setup::{Figures, now, p99, plain, scaled, serve};

/// A later response is useless.
const USEFUL: Duration = Duration::from_secs(1);

/// The maximal number of pending requests.
const CLIENTS: usize = 400;

#[derive(Default)]
struct Seen {
    useful: u32,
    late: u32,
    accepted: Vec<Duration>,
    shed: Vec<Duration>,
    without_advice: u32,
    errors: Vec<String>,
}

/// Offers this many requests per second for a while.
fn offer(addr: SocketAddr, path: &str, a_second: f64, length: Duration) -> Seen {
    let interval = Duration::from_secs_f64(1.0 / a_second);
    let next = AtomicU32::new(0);
    let start = now();
    let mut all = Seen::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let next = &next;
                scope.spawn(move || {
                    let mut seen = Seen::default();
                    let mut client = Client::new(addr);
                    loop {
                        let due = next.fetch_add(1, Ordering::Relaxed) * interval;
                        if due >= length || start.elapsed() >= length + USEFUL {
                            return seen;
                        }
                        thread::sleep((start + due).saturating_duration_since(now()));
                        let answer = client.get(path, "");
                        let took = start.elapsed() - due;
                        match answer {
                            Ok(reply) if reply.status == 200 => {
                                match took <= USEFUL {
                                    true => seen.useful += 1,
                                    false => seen.late += 1,
                                }
                                seen.accepted.push(took);
                            }
                            Ok(reply) if reply.status == 503 => {
                                seen.shed.push(took);
                                seen.without_advice += u32::from(!reply.retry_after);
                            }
                            Ok(reply) => seen.errors.push(format!("status {}", reply.status)),
                            Err(error) => seen.errors.push(error),
                        }
                    }
                })
            })
            .collect();
        for client in clients {
            let seen = client.join().unwrap();
            all.useful += seen.useful;
            all.late += seen.late;
            all.without_advice += seen.without_advice;
            all.accepted.extend(seen.accepted);
            all.shed.extend(seen.shed);
            all.errors.extend(seen.errors);
        }
    });
    all
}

/// Returns the amount of work that takes about 10 ms here: the fastest of several runs, since
/// disturbances only slow them down.
fn rounds(client: &mut Client, path: &str) -> u64 {
    let mut rounds: u64 = 1_000;
    loop {
        let path = format!("{path}?rounds={rounds}");
        let tries = (0..5).map(|_| {
            let began = now();
            assert_eq!(client.get(&path, "").unwrap().status, 200);
            began.elapsed().as_micros()
        });
        let took = tries.min().unwrap();
        if took >= 5_000 {
            return u64::try_from(u128::from(rounds) * 10_000 / took).unwrap();
        }
        rounds *= 2;
    }
}

/// Returns the requests per second of a few clients that wait for their responses.
fn capacity(addr: SocketAddr, path: &str, length: Duration) -> f64 {
    let answered = AtomicU32::new(0);
    let start = now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::new(addr);
                while start.elapsed() < length {
                    assert_eq!(client.get(path, "").unwrap().status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    f64::from(answered.into_inner()) / start.elapsed().as_secs_f64()
}

/// Requests the probes over new connections while the work is done.
fn probed<T>(addr: SocketAddr, work: impl FnOnce() -> T) -> (T, Vec<Duration>, Vec<String>) {
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let (mut times, mut failures) = (Vec::new(), Vec::new());
            while !done.load(Ordering::Relaxed) {
                for path in ["/health", "/ready"] {
                    let began = now();
                    match Client::new(addr).get(path, "Connection: close\r\n") {
                        Ok(reply) if reply.status == 200 => {}
                        Ok(reply) => failures.push(format!("{path}: status {}", reply.status)),
                        Err(error) => failures.push(format!("{path}: {error}")),
                    }
                    times.push(began.elapsed());
                }
                thread::sleep(Duration::from_millis(50));
            }
            (times, failures)
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let (times, failures) = prober.join().unwrap();
        (result, times, failures)
    })
}

/// Offers one kind of work at capacity and at five times the capacity.
fn overload(test: &'static str, path: &str, judged: bool) {
    let length = scaled(Duration::from_millis(1500), Duration::from_secs(20));
    // The number of requests that can be answered within the useful time of 1 s.
    let service = serve(&[("MAX_IN_FLIGHT", "8")]);
    let mut figures = Figures::of(test);
    let rounds = rounds(&mut Client::new(service.addr()), path);
    let path = format!("{path}?rounds={rounds}");
    let peak = capacity(service.addr(), &path, length / 2);
    figures.info("rounds of one request", rounds);
    figures.info("peak, requests a second", format!("{peak:.1}"));
    // Slightly below capacity, since a queue at exact capacity never becomes empty.
    let once = offer(service.addr(), &path, 0.9 * peak, length);
    let seconds = length.as_secs_f64();
    figures.info(
        "useful answers a second, 0.9 x peak offered",
        format!("{:.1}", f64::from(once.useful) / seconds),
    );
    let (mut five, mut probes, failures) = probed(service.addr(), || {
        offer(service.addr(), &path, 5.0 * peak, length)
    });
    let goodput = f64::from(five.useful) / seconds;
    let share = goodput / peak * 100.0;
    let asked = |figure: &'static str| if judged { figure } else { "-" };
    figures.limit(
        "useful answers a second, 5 x peak offered",
        asked(">=90% of peak"),
        format!("{goodput:.1} ({share:.0}%)"),
        share >= 90.0 || !judged,
    );
    figures.info("answers that came too late", five.late);
    let accepted = p99(&mut five.accepted);
    figures.info("p99 of what was accepted", format!("{accepted:?}"));
    let shed = p99(&mut five.shed);
    figures.limit(
        "p99 of what was shed",
        asked("<20ms"),
        format!("{shed:?} of {}", five.shed.len()),
        shed < Duration::from_millis(20) || !judged,
    );
    if judged && !plain() {
        assert!(!five.shed.is_empty(), "nothing was shed");
    }
    figures.exact("shed without Retry-After", 0, five.without_advice);
    figures.exact("other failures", 0, once.errors.len() + five.errors.len());
    if let Some(first) = once.errors.iter().chain(&five.errors).next() {
        figures.info("the first of them", first);
    }
    figures.exact("probes without a good answer", 0, failures.len());
    let probe = p99(&mut probes);
    figures.info(
        "p99 of the probes",
        format!(
            "{probe:?} (worst: {:?}) of {}",
            probes.last().unwrap(),
            probes.len()
        ),
    );
    figures.judge();
}

/// SRV-4
#[test]
fn goodput_stays_at_capacity_at_five_times_the_load() {
    overload("overload", "/work", true);
}

/// A handler that computes on its worker's thread blocks it, as the README warns. No limit covers
/// requests that wait for that thread. The figures are printed, and only the responses are checked.
#[test]
fn five_times_the_load_on_blocking_handlers_is_answered() {
    overload("overload of workers", "/burn", false);
}
