//! Telemetry under pressure, from outside: the log with every kind of reader, and metrics while all
//! workers count into one series.
//!
//! By default the scale is small enough for every CI run. `PLIMSOLL_FULL=1` runs the long forms;
//! use `--release` for them. The numbers of each case are printed in any case:
//!
//! ```text
//! cargo test -p plimsoll --test pressure
//! ```

#![expect(clippy::unwrap_used, reason = "a failure of a helper ends its test")]

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

/// The number of concurrent clients.
const CLIENTS: usize = 4;

/// Returns the small figure, or the full one with `PLIMSOLL_FULL=1`.
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

/// Prints a line directly, since the harness hides the output of passing tests.
fn print_line(line: &str) {
    // Without a terminal the error is ignored.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Runs clients that request `target`, each over one connection, until they are stopped or a
/// response announces the close. Returns their numbers of responses, all 200.
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

/// Returns the total number of responses.
fn answers(clients: Vec<ScopedJoinHandle<'_, u64>>) -> u64 {
    clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .sum()
}

/// Pauses as part of the tested condition, not as a wait.
fn last(time: std::time::Duration) {
    thread::sleep(time);
}
