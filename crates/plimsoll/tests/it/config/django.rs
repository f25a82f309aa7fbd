//! Settings of a Django service, aliases and defaults.

use std::time::Duration;

use super::check_config::reported;
use super::{SECRET, check_config, duration};
use crate::support::{run, scratch_file, start};

/// The configuration of the Django service.
const DJANGO_ENV: &str = "\
DEBUG=false
HOST=0.0.0.0
PORT=8080

LOG_LEVEL=INFO

READ_TIMEOUT=2s
IDLE_TIMEOUT=30s
SHUTDOWN_TIMEOUT=5s

DJANGO_SECRET_KEY=dev-secret-key

# Optional: only if running behind proxies you trust
# TRUSTED_PROXIES=10.0.0.0/8,172.16.0.0/12

# Gunicorn
GUNICORN_WORKERS=2
GUNICORN_WORKER_CLASS=gthread
GUNICORN_THREADS=4
GUNICORN_TIMEOUT=30
GUNICORN_KEEPALIVE=5
GUNICORN_GRACEFUL_TIMEOUT=5
";

/// CFG-1, CFG-6, CFG-7
#[test]
fn django_env_file_starts_the_service() {
    let path = scratch_file("django.env", DJANGO_ENV);
    // HOST and PORT of the test override those of the file.
    let service = start(&[("ENV_FILE", &path)]);
    assert_eq!(service.get("/health").status, 200);
    assert_eq!(service.get("/secret-key").text(), "set\n");
    assert_eq!(service.terminate().code, Some(0));
}

/// CFG-1, CFG-6
#[test]
fn django_env_file_keeps_its_meaning() {
    let path = scratch_file("django-meaning.env", DJANGO_ENV);
    let settings = check_config(&["--env-file", &path], &[("HOST", ""), ("PORT", "")]);
    for (name, value) in [
        ("DEBUG", "false"),
        ("HOST", "0.0.0.0"),
        ("PORT", "8080"),
        ("LOG_LEVEL", "INFO"),
        ("WORKERS", "2"),
    ] {
        assert_eq!(settings[name].0, value, "{name}");
    }
    for (name, seconds) in [
        ("READ_TIMEOUT", 2),
        // The native name overrides GUNICORN_KEEPALIVE.
        ("IDLE_TIMEOUT", 30),
        ("REQUEST_TIMEOUT", 30),
        ("SHUTDOWN_TIMEOUT", 5),
    ] {
        assert_eq!(
            duration(&settings[name].0),
            Duration::from_secs(seconds),
            "{name}"
        );
    }
}

/// CFG-1
#[test]
fn defaults_are_those_of_the_django_service() {
    let settings = check_config(&[], &[("HOST", ""), ("PORT", "")]);
    for (name, value) in [
        ("HOST", "0.0.0.0"),
        ("PORT", "8080"),
        ("LOG_LEVEL", "INFO"),
        ("DEBUG", "false"),
    ] {
        assert_eq!(settings[name].0, value, "{name}");
        assert_eq!(settings[name].1, "default", "{name}");
    }
    for (name, seconds) in [
        ("READ_TIMEOUT", 5),
        ("IDLE_TIMEOUT", 120),
        ("REQUEST_TIMEOUT", 30),
        ("SHUTDOWN_TIMEOUT", 5),
        ("DRAIN_DELAY", 0),
        // Gunicorn has no such timeout.
        ("WRITE_TIMEOUT", 30),
    ] {
        assert_eq!(
            duration(&settings[name].0),
            Duration::from_secs(seconds),
            "{name}"
        );
    }
}

/// CFG-1, LIFE-1
#[test]
fn drain_delay_in_kubernetes_is_five_seconds() {
    let settings = check_config(&[], &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
    assert_eq!(duration(&settings["DRAIN_DELAY"].0), Duration::from_secs(5));
}

/// Returns the record about aliases as text, `None` if there is none.
#[track_caller]
fn alias_record(env: &[(&str, &str)]) -> Option<String> {
    let ended = start(env).terminate();
    let records = ended.records_with("settings_aliases");
    assert!(records.len() <= 1, "{records:?}");
    records.first().map(|record| {
        assert_eq!(record["levelname"], "INFO");
        record.to_string()
    })
}

/// CFG-7
#[test]
fn alias_sets_its_setting() {
    let settings = check_config(
        &[],
        &[
            ("GUNICORN_KEEPALIVE", "7"),
            ("GUNICORN_TIMEOUT", "8"),
            ("GUNICORN_GRACEFUL_TIMEOUT", "9"),
            ("GUNICORN_WORKERS", "3"),
            ("DJANGO_SECRET_KEY", SECRET),
        ],
    );
    for (name, value) in [
        ("IDLE_TIMEOUT", "7s"),
        ("REQUEST_TIMEOUT", "8s"),
        ("SHUTDOWN_TIMEOUT", "9s"),
        ("WORKERS", "3"),
        ("SECRET_KEY", "***"),
    ] {
        assert_eq!(settings[name].0, value, "{name}");
    }
}

/// CFG-7
#[test]
fn native_name_overrides_its_alias() {
    let env = [
        ("REQUEST_TIMEOUT", "8s"),
        ("GUNICORN_TIMEOUT", "this need not be valid"),
    ];
    assert_eq!(check_config(&[], &env)["REQUEST_TIMEOUT"].0, "8s");
    let record = alias_record(&env).expect("a shadowed alias is logged");
    assert!(record.contains("GUNICORN_TIMEOUT"), "{record}");
}

/// CFG-7
#[test]
fn aliases_without_effect_are_logged_in_one_record() {
    let env = [
        ("GUNICORN_THREADS", "4"),
        ("GUNICORN_WORKER_CLASS", "gthread"),
    ];
    let record = alias_record(&env).expect("meaningless aliases are logged");
    for (name, _) in env {
        assert!(record.contains(name), "{record}");
    }
}

/// CFG-7
#[test]
fn effective_aliases_are_not_logged() {
    assert_eq!(alias_record(&[]), None);
    assert_eq!(
        alias_record(&[("GUNICORN_TIMEOUT", "8"), ("GUNICORN_WORKERS", "1")]),
        None
    );
}

/// CFG-7
#[test]
fn zero_of_gunicorn_becomes_the_minimum() {
    let env = [
        ("GUNICORN_KEEPALIVE", "0"),
        ("GUNICORN_GRACEFUL_TIMEOUT", "0"),
    ];
    let ended = run(&["--check-config"], &env);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(reported(&ended, "IDLE_TIMEOUT"), "IDLE_TIMEOUT=1s");
    assert_eq!(reported(&ended, "SHUTDOWN_TIMEOUT"), "SHUTDOWN_TIMEOUT=1ms");
    let ended = start(&env).terminate();
    let notes = ended.records_with("settings_aliases");
    let text = notes[0]["aliases"].as_str().unwrap();
    assert!(
        text.contains("GUNICORN_KEEPALIVE: 0 counts as 1s"),
        "{text}"
    );
    for (name, value) in [("IDLE_TIMEOUT", "0"), ("GUNICORN_KEEPALIVE", "-1")] {
        assert_eq!(run(&[], &[(name, value)]).code, Some(78), "{name}={value}");
    }
}
