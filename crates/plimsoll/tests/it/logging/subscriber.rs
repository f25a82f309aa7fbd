//! The subscriber of the service beside layers and loggers of the program.

use harness::{Process, example};

use crate::support::run_program;

/// LOG-15
#[test]
fn program_layers_run_beside_the_log() {
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
    let ended = run_program(&["foreign_subscriber"], &[]);
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
fn logger_installed_before_run_is_a_warning() {
    let service = Process::spawn_with(example("programs"), &["foreign_logger"], &[]);
    service.wait_until_ready();
    let ended = service.terminate();
    let warnings = ended.records_with("logger_foreign");
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0]["levelname"], "WARNING");
}

/// LOG-15
#[test]
fn rust_log_is_reported_as_ignored() {
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
