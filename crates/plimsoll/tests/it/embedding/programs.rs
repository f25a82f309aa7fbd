//! Programs of other shapes than the fixture, and errors in programs.

use harness::{Process, example};

use crate::support::run_program;

/// CLI-1, CLI-2
#[test]
fn program_with_its_own_command_line_serves_and_exits() {
    let program = "own_command_line";
    let service = Process::spawn_with(example("programs"), &[program, "start", "--fast"], &[]);
    service.wait_until_ready();
    assert_eq!(service.get("/hello").text(), "hello\n");
    assert_eq!(service.terminate().code, Some(0));
    let checked = run_program(&[program, "check"], &[("PORT", "0")]);
    assert_eq!(checked.code, Some(78));
    let asked = run_program(&[program, "health"], &[]);
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.starts_with("unhealthy: "), "{}", asked.stderr);
    let unknown = run_program(&[program, "--fast"], &[]);
    assert_eq!(unknown.code, Some(64));
}

/// CLI-3
#[test]
fn run_inside_a_runtime_fails_with_the_remedy() {
    let ended = run_program(&["inside_runtime"], &[]);
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
    let ended = run_program(&["two_setups"], &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("`App::setup`"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}
