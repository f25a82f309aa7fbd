//! Profiles, and defaults of the program.

use super::{EX_CONFIG, check_config};
use crate::support::{run, run_program, scratch_file, start};

/// CFG-6
#[test]
fn environment_overrides_a_profile() {
    let path = scratch_file("wins.env", "GREETING=profile\n");
    let profile = start(&[("ENV_FILE", &path)]);
    assert_eq!(profile.get("/hello").text(), "profile\n");
    let real = start(&[("ENV_FILE", &path), ("GREETING", "real")]);
    assert_eq!(real.get("/hello").text(), "real\n");
}

/// CFG-6
#[test]
fn profile_argument_overrides_its_variable() {
    let argument = scratch_file("argument.env", "GREETING=argument\n");
    let variable = scratch_file("variable.env", "GREETING=variable\n");
    let settings = check_config(&["--env-file", &argument], &[("ENV_FILE", &variable)]);
    assert_eq!(settings["GREETING"].0.trim_matches('"'), "argument");
}

/// CFG-6
#[test]
fn unreadable_profile_is_an_error() {
    let ended = run(&[], &[("ENV_FILE", "/no/such/profile.env")]);
    assert_eq!(ended.code, Some(EX_CONFIG));
    assert!(
        ended.stderr.contains("/no/such/profile.env"),
        "{}",
        ended.stderr
    );
}

/// CFG-9
#[test]
fn default_of_the_program_is_below_environment_and_profile() {
    let profile = scratch_file("defaults.env", "READ_TIMEOUT=4s\nGUNICORN_TIMEOUT=44\n");
    let check = |env: &[(&str, &str)]| {
        let ended = run_program(&["defaults", "--check-config"], env);
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
    let help = run_program(&["defaults", "--help"], &[]).stdout;
    assert!(
        help.contains("REQUEST_TIMEOUT [GUNICORN_TIMEOUT] (60s)"),
        "{help}"
    );
}

/// CFG-9
#[test]
fn invalid_default_of_the_program_fails_the_start() {
    let ended = run_program(&["bad_defaults"], &[]);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    let line = |start: &str| ended.stderr.lines().any(|it| it.trim().starts_with(start));
    assert!(line("PROT (its default in code)"), "{}", ended.stderr);
    assert!(
        line(r#"READ_TIMEOUT="soon" (its default in code)"#),
        "{}",
        ended.stderr
    );
}
