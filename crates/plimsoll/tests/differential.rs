//! The chassis compared with `axum::serve`: the same router, the same bytes, the same responses.
//!
//! Routers and requests are generated from a seed. Each router is served by both, over real
//! sockets. Each response must be equal in status, headers, body, trailers and in its effect on the
//! connection. Section DIF of `docs/contract.md` lists the allowed differences. Any other fails the
//! test, which prints the seed and the smallest router and request that reproduce it.
//!
//! ```text
//! cargo test -p plimsoll --test differential -- --nocapture
//! PLIMSOLL_FULL=1 cargo test -p plimsoll --test differential -- --nocapture
//! PLIMSOLL_SEED=17 cargo test -p plimsoll --test differential -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a failure of a helper ends its test")]

#[path = "differential/allowed.rs"]
mod allowed;
#[path = "differential/answer.rs"]
mod answer;
#[path = "differential/build.rs"]
mod build;
#[path = "differential/compare.rs"]
mod compare;
#[path = "differential/files.rs"]
mod files;
#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/generate_requests.rs"]
mod generate_requests;
#[path = "differential/handlers.rs"]
mod handlers;
#[path = "differential/http1.rs"]
mod http1;
#[path = "differential/http2.rs"]
mod http2;
#[path = "differential/layers.rs"]
mod layers;
#[path = "differential/plan.rs"]
mod plan;
#[path = "differential/random.rs"]
mod random;
#[path = "differential/requests.rs"]
mod requests;
#[path = "differential/run.rs"]
mod run;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    http::{StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::get,
};

use self::{
    allowed::Difference,
    files::Files,
    run::{Failure, Fault, Figures, Runner},
};

/// Comparisons of a CI run and of the long form.
const COMPARISONS: [usize; 2] = [10_000, 100_000];

/// Failing cases that are reduced and printed.
const SHOWN: usize = 3;

#[expect(
    clippy::disallowed_methods,
    reason = "the setting of the test run, not of a service"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// DIF-1, DIF-2, DIF-3, DIF-4, DIF-5, DIF-6, DIF-7, DIF-8, DIF-9, DIF-10, DIF-11
#[test]
fn responses_equal_those_of_axum_serve() {
    run::silence_expected_panics();
    let files = Files::create("generated").unwrap();
    if let Some(seed) = variable("PLIMSOLL_SEED") {
        let mut runner = Runner::new(files);
        runner.run(seed.parse().unwrap());
        report(runner.figures);
        return;
    }
    let is_full = variable("PLIMSOLL_FULL").is_some_and(|value| value == "1");
    let wanted = COMPARISONS[usize::from(is_full)];
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let next = AtomicU64::new(1);
    let total = std::thread::scope(|scope| {
        let runners: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut runner = Runner::new(files.clone());
                    while runner.figures.comparisons < wanted.div_ceil(threads)
                        && runner.figures.failures.len() < SHOWN
                    {
                        runner.run(next.fetch_add(1, Ordering::Relaxed));
                    }
                    runner.figures
                })
            })
            .collect();
        let figures = runners.into_iter().map(|runner| runner.join().unwrap());
        figures.fold(Figures::default(), Figures::add)
    });
    let seen: BTreeSet<_> = total.allowed.keys().copied().collect();
    report(total);
    assert_eq!(
        seen,
        Difference::ALL.into(),
        "a row of the contract has no use"
    );
}

#[track_caller]
#[expect(clippy::print_stdout, reason = "the figures are what the test shows")]
fn report(figures: Figures) {
    println!("{figures}");
    let failures: Vec<_> = figures.failures.iter().map(Failure::to_string).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

#[test]
fn allowed_differences_are_those_of_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    let contract = fs::read_to_string(path).unwrap();
    let rows = contract.lines().filter(|line| line.starts_with("| DIF-"));
    let listed: Vec<_> = rows
        .filter_map(|row| row.split('|').nth(1))
        .map(str::trim)
        .collect();
    assert_eq!(listed, Difference::ALL.map(Difference::id));
}

/// Runs cases until the fault is found, and checks that the case is reduced to its essence.
#[track_caller]
fn check_fault(name: &str, fault: Fault, calls: usize, what: &str) {
    run::silence_expected_panics();
    let mut runner = Runner::with_fault(Files::create(name).unwrap(), fault);
    for seed in 1..1000 {
        runner.run(seed);
        if let [failure] = &runner.figures.failures[..] {
            let case = &failure.case;
            let requests = case.connections.iter().map(|it| it.requests.len());
            assert_eq!(requests.sum::<usize>(), 1, "{failure}");
            assert!(case.plan.len() <= calls, "{failure}");
            assert!(failure.what.contains(what), "{failure}");
            return;
        }
    }
    panic!("1000 routers have not shown the fault");
}

#[test]
fn dropped_header_is_found_and_reduced() {
    let fault: Fault = |router| {
        router.layer(map_response(|mut answer: Response| async {
            answer.headers_mut().remove(header::VARY);
            answer
        }))
    };
    check_fault("header", fault, 2, "only axum [vary: ");
}

#[test]
fn fallback_outside_the_layers_is_found_and_reduced() {
    let fault: Fault =
        |router| router.method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED });
    check_fault("fallback", fault, 2, "405");
}

#[test]
fn failed_start_is_reported_with_its_seed() {
    run::silence_expected_panics();
    let fault: Fault = |_| Router::new().route("/health", get(async || "mine"));
    let mut runner = Runner::with_fault(Files::create("start").unwrap(), fault);
    runner.run(17);
    let [failure] = &runner.figures.failures[..] else {
        panic!("the start does not fail");
    };
    let text = failure.to_string();
    assert!(text.starts_with("PLIMSOLL_SEED=17: panic: "), "{text}");
    assert!(text.contains("/health"), "{text}");
}
