//! The command line.

use super::check_config;
use crate::support::run;

/// CFG-6, CFG-8, CLI-1
#[test]
fn help_lists_every_variable() {
    let ended = run(&["--help"], &[]);
    assert_eq!(ended.code, Some(0));
    for name in check_config(&[], &[]).into_keys() {
        assert!(ended.stdout.contains(&name), "{name} is not in the help");
    }
    for alias in [
        "DJANGO_SECRET_KEY",
        "GUNICORN_WORKERS",
        "GUNICORN_TIMEOUT",
        "GUNICORN_KEEPALIVE",
        "GUNICORN_GRACEFUL_TIMEOUT",
        "ENV_FILE",
        "--check-config",
        "--env-file",
    ] {
        assert!(ended.stdout.contains(alias), "{alias} is not in the help");
    }
}

/// CLI-1: the environment does not change it.
#[test]
fn version_is_that_of_the_build() {
    // The fixture is an example of the package `harness`, from the same build.
    let build = harness::build_info();
    let (service, version, time) = (build.service(), build.version(), build.build_time());
    for argument in ["--version", "-V"] {
        let ended = run(&[argument], &[]);
        assert_eq!(ended.code, Some(0));
        assert_eq!(ended.stdout, format!("{service} {version} ({time})\n"));
        assert_eq!(ended.stderr, "");
    }
}

/// CLI-1
#[test]
fn unknown_argument_is_reported() {
    let ended = run(&["--prot"], &[]);
    assert_eq!(ended.code, Some(64));
    assert!(ended.stderr.contains("--prot"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

/// CLI-2
#[test]
fn healthcheck_of_a_stopped_service_fails() {
    // Nothing listens at the port that is reserved for this child.
    let ended = run(&["healthcheck"], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("unhealthy: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("refused"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}
