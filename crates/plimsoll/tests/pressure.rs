//! Telemetry under pressure, seen from outside: the log with every kind of reader, and metrics while
//! all workers count into one series.
//!
//! By default everything is small enough for every run of CI. `PLIMSOLL_FULL=1` gives the long
//! forms; run those with `--release`. Either way the arithmetic of each case is printed, whether the
//! test passes or not:
//!
//! ```text
//! cargo test -p plimsoll --test pressure
//! ```

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

#[path = "it/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests in `it`; only a part is used here"
)]
mod support;

#[path = "pressure/log.rs"]
mod log;
#[path = "pressure/metrics.rs"]
mod metrics;
#[path = "pressure/output.rs"]
mod output;

use std::{
    io::Write as _,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, Scope, ScopedJoinHandle},
};

use harness::Process;

/// How many clients ask at the same time.
const CLIENTS: usize = 4;

/// The small figure, or the full one where it was asked for.
#[expect(
    clippy::disallowed_methods,
    reason = "the setting of the test run, not of a service"
)]
fn scaled<T>(small: T, full: T) -> T {
    match std::env::var_os("PLIMSOLL_FULL") {
        Some(value) if value == "1" => full,
        _ => small,
    }
}

/// Prints a line, past the harness, which shows what passing tests print to nobody.
fn tell(line: &str) {
    // Whoever runs the tests may have no terminal; that is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Clients that ask for `target`, each over one connection, until they are told to stop or the
/// service says that an answer is the last. Gives how many answers they got; each is a 200.
fn clients<'scope>(
    scope: &'scope Scope<'scope, '_>,
    service: &'scope Process,
    stop: &'scope AtomicBool,
    target: &'scope (dyn Fn(usize) -> String + Sync),
) -> Vec<ScopedJoinHandle<'scope, u64>> {
    let client = |client: usize| {
        let mut connection = service.connect();
        move || {
            let mut answers = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = connection.get(&target(client));
                assert_eq!(answer.status, 200);
                answers += 1;
                if answer.header("connection") == Some("close") {
                    break;
                }
            }
            answers
        }
    };
    (0..CLIENTS)
        .map(|number| scope.spawn(client(number)))
        .collect()
}

/// How many answers all of them got together.
fn answers(clients: Vec<ScopedJoinHandle<'_, u64>>) -> u64 {
    clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .sum()
}

/// A pause that is part of what is tested, not a wait for something.
fn last(time: std::time::Duration) {
    thread::sleep(time);
}
