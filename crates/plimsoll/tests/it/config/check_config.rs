//! The command `--check-config`: report, origins, warnings and files.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::ExitedProcess;

use super::errors::MISTAKES;
use super::{EX_CONFIG, check_config};
use crate::support::{SERVICE, run, scratch_file, start};

/// CFG-6
#[test]
fn report_contains_the_origin_of_each_setting() {
    let path = scratch_file("origins.env", "IDLE_TIMEOUT=9s\nGREETING='from the file'\n");
    let settings = check_config(
        &["--env-file", &path],
        &[("READ_TIMEOUT", "7s"), ("GUNICORN_TIMEOUT", "11")],
    );
    let origin = |name: &str| settings[name].1.as_str();
    assert_eq!(origin("LOG_LEVEL"), "default");
    assert_eq!(origin("READ_TIMEOUT"), "environment");
    assert!(
        origin("IDLE_TIMEOUT").contains(&path),
        "{}",
        origin("IDLE_TIMEOUT")
    );
    assert!(origin("GREETING").contains(&path), "{}", origin("GREETING"));
    assert_eq!(
        settings["GREETING"].0.trim_matches(['"', '\'']),
        "from the file"
    );
    let alias = origin("REQUEST_TIMEOUT");
    assert!(
        alias.contains("alias") && alias.contains("GUNICORN_TIMEOUT"),
        "{alias}"
    );
    assert_eq!(settings["REQUEST_TIMEOUT"].0, "11s");
    assert_eq!(settings["SERVICE_NAME"].0, SERVICE);
}

/// CFG-6
#[test]
fn check_config_starts_nothing() {
    let ended = run(&["--check-config"], &[("SETUP_FAIL", "true")]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains("infra_app_ready"));
}

/// CFG-6
#[test]
fn check_config_fails_with_an_invalid_configuration() {
    let ended = run(&["--check-config"], &MISTAKES);
    assert_eq!(ended.code, Some(EX_CONFIG));
    assert!(ended.stderr.contains("POOL_SIZE"), "{}", ended.stderr);
}

/// Returns the value of a setting in the report, without its origin.
#[track_caller]
pub(super) fn reported<'a>(ended: &'a ExitedProcess, name: &str) -> &'a str {
    let line = ended
        .stdout
        .lines()
        .find(|it| it.starts_with(&format!("{name}=")));
    let line = line.unwrap_or_else(|| panic!("{name}: {}", ended.stdout));
    line.split("# ").next().unwrap_or(line).trim()
}

/// Creates a pipe without a writer.
fn pipe(name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let path = path
        .to_str()
        .expect("the scratch directory has a plain name");
    let _ = std::fs::remove_file(path);
    let made = Command::new("mkfifo")
        .arg(path)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    path.to_owned()
}

/// CFG-3, CFG-10, LIFE-4
#[test]
fn file_settings_reject_pipes_and_devices() {
    let certificate = scratch_file("no-certificate.pem", "");
    let pipe = pipe("settings.pipe");
    for path in [pipe.as_str(), "/dev/zero"] {
        let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1");
        for (env, status) in [
            (vec![("ENV_FILE", path)], 78),
            (vec![("SECRET_KEY_FILE", path)], 78),
            (vec![("API_TOKEN_FILE", path)], 78),
            (
                vec![("TLS_CERT_FILE", path), ("TLS_KEY_FILE", &certificate)],
                1,
            ),
            (vec![("SSL_CERT_FILE", path), collector], 1),
        ] {
            let ended = run(&[], &env);
            assert_eq!(ended.code, Some(status), "{env:?}: {}", ended.stderr);
            assert!(
                ended.stderr.contains("not a regular file"),
                "{env:?}: {}",
                ended.stderr
            );
            assert!(
                ended.took < Duration::from_secs(5),
                "{env:?}: {:?}",
                ended.took
            );
        }
    }
}

/// CFG-10
#[test]
fn authorities_without_certificates_are_reported() {
    let empty = scratch_file("authorities.pem", "no certificate\n");
    let ended = run(
        &[],
        &[
            ("SSL_CERT_FILE", &empty),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1"),
        ],
    );
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&empty), "{}", ended.stderr);
}

/// CFG-6
#[test]
fn check_config_rejects_what_a_start_rejects() {
    let env = [
        ("TLS_CERT_FILE", "/no/such/tls.crt"),
        ("TLS_KEY_FILE", "/no/such/tls.key"),
        ("SSL_CERT_FILE", "/no/such/authorities.pem"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1"),
    ];
    assert_eq!(run(&[], &env).code, Some(1));
    let ended = run(&["--check-config"], &env);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    for file in ["/no/such/tls.crt", "/no/such/authorities.pem"] {
        assert!(ended.stderr.contains(file), "{}", ended.stderr);
    }
    assert_eq!(
        reported(&ended, "TLS_CERT_FILE"),
        "TLS_CERT_FILE=/no/such/tls.crt"
    );
}

/// CFG-6
#[test]
fn check_config_prints_warnings_and_notes_of_a_start() {
    let ended = run(
        &["--check-config"],
        &[
            ("READ_TIMEOT", "1s"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("RUST_LOG", "debug"),
            ("DEBUG", "true"),
            ("MAX_IN_FLIGHT", "0"),
        ],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in [
        "warning: READ_TIMEOT is not known, the nearest name is READ_TIMEOUT",
        "note: OTEL_METRICS_EXPORTER: it has no effect here",
        "note: RUST_LOG: ",
        "warning: DEBUG=true: ",
        "warning: request bodies: no limit (MAX_IN_FLIGHT=0); memory limit: ",
    ] {
        let is_there = ended.stderr.lines().any(|it| it.starts_with(line));
        assert!(is_there, "{line}: {}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().count(), 5, "{}", ended.stderr);
}

/// CFG-11
#[test]
fn body_limits_above_the_memory_are_a_warning() {
    let small = [("MAX_IN_FLIGHT", "16"), ("MAX_BODY_BYTES", "64KiB")];
    let report = run(&["--check-config"], &small).stdout;
    let line = "# request bodies: at most 1 MiB (MAX_IN_FLIGHT × MAX_BODY_BYTES); memory limit: ";
    assert!(report.lines().any(|it| it.starts_with(line)), "{report}");
    let ended = start(&small).terminate();
    assert_eq!(ended.records_with("bodies_exceed_memory").len(), 0);

    let ended = start(&[("MAX_BODY_BYTES", "1048576GiB")]).terminate();
    let warnings = ended.records_with("bodies_exceed_memory");
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0]["levelname"], "WARNING");
    assert_eq!(warnings[0]["maxInFlight"], 1024);
    assert!(warnings[0]["memoryLimit"].as_u64().is_some_and(|it| it > 0));
}
