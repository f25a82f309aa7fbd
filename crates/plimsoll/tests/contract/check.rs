//! CFG: files that settings name, standard variables, and what `--check-config` finds.

use std::{path::Path, process::Command, time::Duration};

use harness::ExitedProcess;

use crate::support::{run, scratch_file, start};

/// The setting of a setting's line in the report, without its origin.
#[track_caller]
fn reported<'a>(ended: &'a ExitedProcess, name: &str) -> &'a str {
    let line = ended
        .stdout
        .lines()
        .find(|it| it.starts_with(&format!("{name}=")));
    let line = line.unwrap_or_else(|| panic!("{name}: {}", ended.stdout));
    line.split("# ").next().unwrap_or(line).trim()
}

/// A pipe without a writer.
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

/// CFG-10
#[test]
fn file_settings_reject_pipes_and_devices() {
    let certificate = scratch_file("no-certificate.pem", "");
    let pipe = pipe("settings.pipe");
    for path in [pipe.as_str(), "/dev/zero"] {
        let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1");
        for (env, status) in [
            (vec![("ENV_FILE", path)], 78),
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
fn authorities_without_certificates_are_named() {
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
fn check_config_names_warnings_and_notes_of_a_start() {
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
fn bodies_beyond_the_memory_are_reported_and_warned_about() {
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

/// CFG-7
#[test]
fn zero_that_is_legal_for_gunicorn_is_taken_for_the_least() {
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

/// CFG-4
#[test]
fn standard_variables_are_no_misspellings() {
    let ended = start(&[
        ("OTEL_BLRP_SCHEDULE_DELAY", "1000"),
        ("SSL_CERT_DIR", "/etc/ssl/certs"),
        ("RUST_BACKTRACE", "1"),
        ("ADMIN_PORT", "tcp://10.0.0.1:80"),
        ("OTEL_EXPORTER_OTLP_ENDPONT", "http://127.0.0.1:1"),
    ])
    .terminate();
    let typos = ended.records_with("setting_unknown");
    assert_eq!(typos.len(), 1, "{typos:?}");
    assert_eq!(typos[0]["variable"], "OTEL_EXPORTER_OTLP_ENDPONT");
    let notes = ended.records_with("settings_aliases");
    let text = notes[0]["aliases"].as_str().unwrap();
    assert_eq!(text, "OTEL_BLRP_SCHEDULE_DELAY: it has no effect here");
}
