//! CLI, CFG, LOG: programs of other shapes than the fixture's, and mistakes in programs.

use harness::{ExitedProcess, Process, example};

use crate::support::{END, scratch_file};

/// A program of the example `programs`, which is expected to end by itself.
#[track_caller]
fn run(arguments: &[&str], env: &[(&str, &str)]) -> ExitedProcess {
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

/// CFG-9
#[test]
fn default_of_the_program_is_below_environment_and_profile() {
    let profile = scratch_file("defaults.env", "READ_TIMEOUT=4s\nGUNICORN_TIMEOUT=44\n");
    let check = |env: &[(&str, &str)]| {
        let ended = run(&["defaults", "--check-config"], env);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stdout
    };
    let alone = check(&[("PORT", "1")]);
    let has = |report: &str, name: &str, value: &str, origin: &str| {
        let line = report.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {report}"));
        assert!(line.starts_with(&format!("{name}={value} ")), "{line}");
        assert!(line.contains(&format!("# {origin}")), "{line}");
    };
    has(&alone, "SERVICE_NAME", "old-name", "code");
    has(&alone, "REQUEST_TIMEOUT", "60s", "code");
    has(&alone, "IDLE_TIMEOUT", "61s", "code");
    has(&alone, "READ_TIMEOUT", "5s", "default");
    let set = check(&[("ENV_FILE", &profile), ("IDLE_TIMEOUT", "9s")]);
    has(&set, "IDLE_TIMEOUT", "9s", "environment");
    has(
        &set,
        "REQUEST_TIMEOUT",
        "44s",
        "alias GUNICORN_TIMEOUT, env file",
    );
    let help = run(&["defaults", "--help"], &[]).stdout;
    assert!(
        help.contains("REQUEST_TIMEOUT [GUNICORN_TIMEOUT] (60s)"),
        "{help}"
    );
}

/// CFG-9
#[test]
fn bad_default_of_the_program_fails_the_start() {
    let ended = run(&["bad_defaults"], &[]);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    let line = |start: &str| ended.stderr.lines().any(|it| it.trim().starts_with(start));
    assert!(line("PROT (its default in code)"), "{}", ended.stderr);
    assert!(
        line(r#"READ_TIMEOUT="soon" (its default in code)"#),
        "{}",
        ended.stderr
    );
}

/// HTTP-4
#[test]
fn start_without_readiness_logs_the_reason() {
    let service = Process::spawn_with(example("programs"), &["not_ready"], &[]);
    service.wait_until_ready();
    assert_eq!(service.get("/ready").status, 503);
    let ended = service.terminate();
    let records = ended.records();
    let at = records
        .iter()
        .position(|it| it["message"] == "infra_app_ready");
    let next = &records[at.unwrap() + 1];
    assert_eq!(next["message"], "readiness_changed");
    assert_eq!(
        (&next["ready"], &next["reason"]),
        (&false.into(), &"the cache is cold".into())
    );
}

/// LOG-15
#[test]
fn layers_of_the_program_stand_beside_the_log() {
    for level in ["INFO", "OFF"] {
        let env = [("LOG_LEVEL", level)];
        let service = Process::spawn_with(example("programs"), &["layers"], &env);
        service.wait_until_ready();
        // All events, and those that pass the filter of the layer.
        assert_eq!(service.get("/events").text(), "3 1\n", "{level}");
        let ended = service.terminate();
        assert_eq!(ended.code, Some(0));
        let levels: Vec<_> = ended.records_with("an_event");
        let levels: Vec<_> = levels.iter().map(|it| it["levelname"].clone()).collect();
        let expected: &[&str] = if level == "OFF" {
            &[]
        } else {
            &["INFO", "ERROR"]
        };
        assert_eq!(levels, expected);
    }
}

/// LOG-15
#[test]
fn subscriber_installed_before_run_fails_the_start() {
    let ended = run(&["foreign_subscriber"], &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("tracing_subscriber::fmt().init()"),
        "{}",
        ended.stderr
    );
    let failed = ended.records_with("start_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(ended.records().len(), 1);
}

/// LOG-15
#[test]
fn logger_installed_before_run_is_warned_about() {
    let service = Process::spawn_with(example("programs"), &["foreign_logger"], &[]);
    service.wait_until_ready();
    let ended = service.terminate();
    let warnings = ended.records_with("logger_foreign");
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0]["levelname"], "WARNING");
}

/// LOG-15
#[test]
fn rust_log_is_named_as_having_no_effect() {
    let service = Process::start(example("fixture"), &[("RUST_LOG", "debug")]);
    let ended = service.terminate();
    let notes = ended.records_with("settings_aliases");
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0]["levelname"], "INFO");
    let names = notes[0]["aliases"].as_str().unwrap();
    assert!(
        names.contains("RUST_LOG") && names.contains("LOG_LEVEL"),
        "{names}"
    );
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
    assert!(ended.stderr.contains("`App::setup`"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}
