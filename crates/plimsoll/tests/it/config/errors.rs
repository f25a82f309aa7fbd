//! Configuration errors: reported together, before anything is bound.

use std::net::TcpListener;
use std::time::Duration;

use super::{EX_CONFIG, problems};
use crate::support::{fixture, ms, run, shortest, start};

/// Four errors: three in settings of the chassis, one in a setting of the service.
pub(super) const MISTAKES: [(&str, &str); 4] = [
    ("PORT", "70000"),
    ("READ_TIMEOUT", "soon"),
    ("DEBUG", "perhaps"),
    ("POOL_SIZE", "1000"),
];

/// CFG-3
#[test]
fn all_errors_are_printed_together() {
    let ended = run(&[], &MISTAKES);
    assert_eq!(ended.code, Some(EX_CONFIG));
    for (name, value) in MISTAKES {
        let line = ended.stderr.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} is missing: {}", ended.stderr));
        assert!(line.contains(value), "{line}");
    }
    // The message contains the expected form and an example.
    assert!(ended.stderr.contains("65535"), "{}", ended.stderr);
    assert!(ended.stderr.contains("8080"), "{}", ended.stderr);
}

/// CFG-3
#[test]
fn all_errors_are_logged_in_one_record() {
    let ended = run(&[], &MISTAKES);
    let mut variables = problems(&ended);
    variables.sort();
    assert_eq!(variables, ["DEBUG", "POOL_SIZE", "PORT", "READ_TIMEOUT"]);
    let record = &ended.records()[0];
    assert_eq!(record["levelname"], "ERROR");
    assert_eq!(record["name"], "infra");
    for problem in record["problems"].as_array().unwrap() {
        assert!(
            problem["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{problem}"
        );
    }
}

/// CFG-3
#[test]
fn nothing_is_bound_with_an_invalid_configuration() {
    // If the service tried to bind the port, the message would be that it is in use.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = run(&[], &[("PORT", &port), ("DEBUG", "perhaps")]);
    assert_eq!(problems(&ended), ["DEBUG"]);
}

/// CFG-3
#[test]
fn error_is_reported_within_200_ms() {
    let took = shortest(|| {
        let ended = run(&[], &MISTAKES);
        assert_eq!(ended.code, Some(EX_CONFIG));
        ended.took
    });
    assert!(took < ms(200), "{took:?}");
}

/// CFG-3
#[test]
fn invalid_proxy_list_is_reported_with_its_invalid_items() {
    let ended = run(
        &[],
        &[("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/99,proxy.example")],
    );
    assert_eq!(problems(&ended), ["TRUSTED_PROXIES"]);
    for item in ["10.0.0.0/99", "proxy.example"] {
        assert!(ended.stderr.contains(item), "{}", ended.stderr);
    }
}

/// CFG-3
#[test]
fn value_that_is_not_utf_8_is_an_error() {
    // The shell writes a byte that a Rust string cannot contain.
    let script = format!("GREETING=$(printf '\\377') exec {}", fixture().display());
    let process = harness::Process::spawn_with("/bin/sh", &["-c", &script], &[]);
    let ended = process.wait(Duration::from_secs(10));
    assert_eq!(problems(&ended), ["GREETING"]);
}

/// Returns the warnings about unknown settings.
fn typos(env: &[(&str, &str)]) -> Vec<(String, String)> {
    let ended = start(env).terminate();
    ended
        .records_with("setting_unknown")
        .iter()
        .map(|record| {
            assert_eq!(record["levelname"], "WARNING");
            let text = |name: &str| record[name].as_str().expect("names are text").to_owned();
            (text("variable"), text("nearest"))
        })
        .collect()
}

/// CFG-4
#[test]
fn misspelled_name_is_a_warning() {
    for (unknown, nearest) in [
        ("READ_TIMEUOT", "READ_TIMEOUT"),
        ("READTIMEOUT", "READ_TIMEOUT"),
        ("LOG_LEVLE", "LOG_LEVEL"),
        ("TRUSTED_PROXYS", "TRUSTED_PROXIES"),
        // A setting of the service.
        ("GREETNG", "GREETING"),
        ("POOLSIZE", "POOL_SIZE"),
    ] {
        let expected = [(unknown.to_owned(), nearest.to_owned())];
        assert_eq!(typos(&[(unknown, "x")]), expected);
    }
}

/// CFG-4
#[test]
fn other_names_get_no_warning() {
    let none: [(String, String); 0] = [];
    // Known, too short, and more than two edits away.
    assert_eq!(typos(&[("READ_TIMEOUT", "4s"), ("SECRET_KEY", "k")]), none);
    assert_eq!(typos(&[("POTR", "1"), ("HSOT", "1"), ("DEBGU", "1")]), none);
    assert_eq!(
        typos(&[("REED_TIMEOUTS_", "1"), ("HOSTNAME", "h"), ("HOME", "/")]),
        none
    );
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

/// CFG-4, CFG-6
#[test]
fn open_telemetry_settings_without_effect_are_named_once() {
    const NAMES: [&str; 6] = [
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "OTEL_LOGS_EXPORTER",
        "OTEL_METRICS_EXPORTER",
        "OTEL_PROPAGATORS",
        // Of agents for other languages.
        "OTEL_PYTHON_LOG_CORRELATION",
        "OTEL_SEMCONV_STABILITY_OPT_IN",
    ];
    let mut env = NAMES.map(|name| (name, "CANARY")).to_vec();
    env.extend([
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_SERVICE_NAMES", "x"),
    ]);
    let mut expected =
        vec!["OTEL_TRACES_EXPORTER: exporters other than otlp have no effect here".to_owned()];
    expected.extend(NAMES.map(|name| format!("{name}: it has no effect here")));

    let ended = start(&env).terminate();
    assert_eq!(ended.code, Some(0));
    let notes = ended.records_with("settings_aliases");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0]["levelname"], "INFO");
    assert_eq!(notes[0]["aliases"], expected.join("; "));
    // Only the misspelt name of a setting is a warning.
    assert_eq!(ended.records_with("setting_unknown").len(), 1);

    let ended = run(&["--check-config"], &env);
    assert_eq!(ended.code, Some(0));
    for note in expected {
        assert!(ended.stderr.contains(&format!("note: {note}\n")), "{note}");
    }
    assert!(!ended.stderr.contains("CANARY") && !ended.stdout.contains("CANARY"));
}
