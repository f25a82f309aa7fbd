//! The unaffected client: a request every 5 ms, each over a new connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::setup::{Figures, now, p99, scaled};

const EVERY: Duration = Duration::from_millis(5);

/// Number of threads that take turns, so that a slow response does not delay the next request.
const CLIENTS: u32 = 8;

/// The observations of the clients.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) asked: usize,
    pub(crate) errors: BTreeMap<String, usize>,
    pub(crate) took: Vec<Duration>,
}

// === impl Seen ===

impl Seen {
    pub(crate) fn failed(&self) -> usize {
        self.errors.values().sum()
    }

    fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.took.extend(other.took);
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }
}

/// Requests a path every 5 ms until the work is done.
pub(crate) fn ask_during<T>(addr: SocketAddr, path: &str, work: impl FnOnce() -> T) -> (T, Seen) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let start = now();
        let askers: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let done = &done;
                scope.spawn(move || {
                    let mut seen = Seen::default();
                    let mut turn = client;
                    while !done.load(Ordering::Relaxed) {
                        // A delayed client sends late, so the time counts from when the request was
                        // due.
                        let due = start + turn * EVERY;
                        thread::sleep(due.saturating_duration_since(now()));
                        turn += CLIENTS;
                        let answer = Client::new(addr).get(path, "Connection: close\r\n");
                        seen.took.push(due.elapsed());
                        seen.asked += 1;
                        let error = match answer {
                            Ok(reply) if reply.status == 200 => continue,
                            Ok(reply) => format!("status {}", reply.status),
                            Err(error) => error,
                        };
                        *seen.errors.entry(error).or_default() += 1;
                    }
                    seen
                })
            })
            .collect();
        let result = work();
        done.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for asker in askers {
            all.add(asker.join().unwrap());
        }
        (result, all)
    })
}

/// Measures the client without other load.
pub(crate) fn quiet(addr: SocketAddr) -> Duration {
    let pause = scaled(Duration::from_millis(500), Duration::from_secs(20));
    let ((), mut seen) = ask_during(addr, "/hello", || thread::sleep(pause));
    p99(&mut seen.took)
}

/// Prints and checks the observations of the client during an attack.
pub(crate) fn judge(figures: &mut Figures, quiet: Duration, mut seen: Seen) {
    figures.info("requests of the fresh client", seen.asked);
    if !seen.errors.is_empty() {
        figures.info("its errors", format!("{:?}", seen.errors));
    }
    figures.exact("its failed requests", 0, seen.failed());
    let allowed = (3 * quiet).max(quiet + Duration::from_millis(20));
    let p99 = p99(&mut seen.took);
    figures.limit(
        "its p99",
        format!("<={allowed:?} (quiet: {quiet:?})"),
        format!(
            "{p99:?} (worst: {:?})",
            seen.took.last().copied().unwrap_or_default()
        ),
        p99 <= allowed,
    );
}
