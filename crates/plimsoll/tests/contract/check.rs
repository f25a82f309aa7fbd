//! CFG: files that settings name, standard variables, and what `--check-config` finds.

use std::{path::Path, process::Command, time::Duration};

use plimsoll::testing::Ended;

use crate::support::{run, scratch_file, start};

/// The setting of a setting's line in the report, without its origin.
#[track_caller]
fn reported<'a>(ended: &'a Ended, name: &str) -> &'a str {
    let line = ended
        .stdout
        .lines()
        .find(|it| it.starts_with(&format!("{name}=")));
    let line = line.unwrap_or_else(|| panic!("{name}: {}", ended.stdout));
    line.split("# ").next().unwrap_or(line).trim()
}

/// A pipe that nobody writes to.
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
