//! CLI, CFG, LOG: programs of other shapes than the fixture's, and mistakes in programs.

use plimsoll::testing::{Ended, Process};

use crate::support::{END, example};

/// A program of the example `programs`, which is expected to end by itself.
#[track_caller]
fn run(arguments: &[&str], env: &[(&str, &str)]) -> Ended {
    Process::spawn_with(example("programs"), arguments, env).wait(END)
}

/// CLI-1, CLI-2
#[test]
fn program_with_its_own_command_line_serves_and_ends() {
    let program = "own_command_line";
    let service = Process::spawn_with(example("programs"), &[program, "start", "--fast"], &[]);
    service.wait_until_ready();
    assert_eq!(service.get("/hello").text(), "hello\n");
    assert_eq!(service.terminate().code, Some(0));
    let checked = run(&[program, "check"], &[("PORT", "0")]);
    assert_eq!(checked.code, Some(78));
    let asked = run(&[program, "health"], &[]);
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.starts_with("unhealthy: "), "{}", asked.stderr);
    let unknown = run(&[program, "--fast"], &[]);
    assert_eq!(unknown.code, Some(64));
}

/// CLI-3
#[test]
fn run_inside_a_runtime_fails_and_says_what_to_remove() {
    let ended = run(&["inside_runtime"], &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("remove `#[tokio::main]`"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

/// CLI-3
#[test]
fn second_setup_fails_the_start() {
    let ended = run(&["two_setups"], &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("`Service::setup`"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
}
