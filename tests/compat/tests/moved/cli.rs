//! A program with commands and an error tracker.

use std::time::Duration;

use harness::Process;

use crate::support::{Subject, Target, Work, binaries, end_under_load, get};

/// Starts on the port that the test has reserved, which the environment then does not name.
const START: &str = "port=$PORT; unset PORT; exec \"$0\" start --port \"$port\"";

fn cli() -> Subject {
    binaries!("cli").shell(START)
}

#[test]
fn program_with_commands_answers_the_same() {
    cli().compare(&[
        ("joke", get("/")),
        ("failure", get("/fail")),
        ("failure again", get("/fail")),
        ("errors that the tracker has seen", get("/errors")),
    ]);
}

#[test]
fn commands_of_the_program_are_the_same() {
    let run = |program: &str, arguments: &[&str]| {
        let ended = Process::spawn_with(program, arguments, &[]).wait(Duration::from_secs(30));
        (ended.code, ended.stdout, ended.stderr)
    };
    let cli = cli();
    for arguments in [
        &["joke"][..],
        &["--help"],
        &["start", "--help"],
        &["stop"],
        &[],
    ] {
        assert_eq!(
            run(cli.moved(), arguments),
            run(cli.plain(), arguments),
            "{arguments:?}"
        );
    }
}

#[test]
fn program_with_commands_loses_no_request() {
    let process = cli().start_moved();
    let target = Target::from(&process);
    end_under_load(process, target, vec![Work::get("/"), Work::get("/errors")]);
}
