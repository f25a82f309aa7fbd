//! Tests of [`super`]: the settings of the chassis, as a service gets them.

use super::*;
use crate::config::{ConfigErrors, Environment, Level, Loaded, load};

const BUILD: BuildInfo = BuildInfo::new("demo", "1.2.3", "today");

fn try_with(pairs: &[(&str, &str)]) -> Result<Loaded<()>, ConfigErrors> {
    load::<()>(&BUILD, &Environment::from_pairs(pairs.iter().copied()))
}

#[track_caller]
fn with(pairs: &[(&str, &str)]) -> Config {
    match try_with(pairs) {
        Ok(loaded) => loaded.config,
        Err(errors) => panic!("{errors}"),
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = with(&[]);
    assert_eq!(config.build, BUILD);
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.log_level, LogLevels::all(Level::Info));
    assert_eq!(config.log_format, LogFormat::Json);
    assert!(!config.debug);
    assert_eq!(config.read_timeout, seconds(5));
    assert_eq!(config.idle_timeout, seconds(120));
    assert_eq!(config.request_timeout, Some(seconds(30)));
    assert_eq!(config.shutdown_timeout, seconds(5));
    assert_eq!(config.drain_delay, seconds(0));
    assert!((1..=1024).contains(&config.workers));
    assert!(config.trusted_proxies.is_empty());
    assert_eq!(config.forwarded_header, ForwardedHeader::XForwardedFor);
    assert_eq!(config.max_body_bytes.bytes(), 2_097_152);
}

#[test]
fn bad_env_file_hides_no_other_mistake() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

    let pairs = [
        ("ENV_FILE", OsString::from_vec(vec![0xff])),
        ("ADMIN_ADDR", "0.0.0.0:8080".into()),
        ("TLS_CERT_FILE", "/tls.crt".into()),
        ("PROXY_PROTOCOL", "on".into()),
    ];
    let errors = load::<()>(&BUILD, &Environment::from_pairs(pairs)).unwrap_err();
    let mut names: Vec<_> = errors.problems().iter().map(|it| it.variable()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["ADMIN_ADDR", "ENV_FILE", "PROXY_PROTOCOL", "TLS_CERT_FILE"]
    );
}

#[test]
fn names_of_redacted_parameters_are_a_list() {
    let names = |text| with(&[("REDACT_QUERY", text)]).redact_query;
    assert_eq!(names("code"), ["code"]);
    assert_eq!(names("code, session-key"), ["code", "session-key"]);
    assert_eq!(with(&[]).redact_query, [""; 0]);
    for text in [",", "a,", "a=b", "a&b", "a;b"] {
        assert!(try_with(&[("REDACT_QUERY", text)]).is_err(), "{text}");
    }
}

#[test]
fn every_setting_is_taken_from_its_variable() {
    let config = with(&[
        ("SERVICE_NAME", "other"),
        ("VERSION", "2.0.0"),
        ("BUILD_TIME", "then"),
        ("HOST", "::1"),
        ("PORT", "9090"),
        ("LOG_LEVEL", "error,sqlx=debug"),
        ("LOG_FORMAT", "pretty"),
        ("DEBUG", "yes"),
        ("READ_TIMEOUT", "1s"),
        ("IDLE_TIMEOUT", "2s"),
        ("REQUEST_TIMEOUT", "3s"),
        ("SHUTDOWN_TIMEOUT", "4s"),
        ("DRAIN_DELAY", "6s"),
        ("WORKERS", "7"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,unix"),
        ("FORWARDED_HEADER", "forwarded"),
        ("MAX_BODY_BYTES", "1KiB"),
        ("SECRET_KEY", "key"),
    ]);
    assert_eq!(config.build, BuildInfo::new("other", "2.0.0", "then"));
    assert_eq!(config.listen.to_string(), "[::1]:9090");
    assert_eq!(config.log_level.to_string(), "ERROR,sqlx=DEBUG");
    assert_eq!(config.log_format, LogFormat::Pretty);
    assert!(config.debug);
    assert_eq!(config.read_timeout, seconds(1));
    assert_eq!(config.idle_timeout, seconds(2));
    assert_eq!(config.request_timeout, Some(seconds(3)));
    assert_eq!(config.shutdown_timeout, seconds(4));
    assert_eq!(config.drain_delay, seconds(6));
    assert_eq!(config.workers, 7);
    assert!(config.trusted_proxies.unix());
    assert_eq!(config.forwarded_header, ForwardedHeader::Forwarded);
    assert_eq!(config.max_body_bytes.bytes(), 1024);
    assert_eq!(config.secret_key().unwrap().expose(), "key");
}

#[test]
fn aliases_of_the_django_service_are_understood() {
    let config = with(&[
        ("GUNICORN_KEEPALIVE", "2"),
        ("GUNICORN_TIMEOUT", "3"),
        ("GUNICORN_GRACEFUL_TIMEOUT", "4"),
        ("GUNICORN_WORKERS", "7"),
        ("DJANGO_SECRET_KEY", "key"),
    ]);
    assert_eq!(config.idle_timeout, seconds(2));
    assert_eq!(config.request_timeout, Some(seconds(3)));
    assert_eq!(config.shutdown_timeout, seconds(4));
    assert_eq!(config.workers, 7);
    assert_eq!(config.secret_key().unwrap().expose(), "key");
}

#[test]
fn profile_of_the_django_service_starts_this_one_unchanged() {
    // The settings of its integration profile.
    let loaded = try_with(&[
        ("DEBUG", "false"),
        ("HOST", "0.0.0.0"),
        ("PORT", "8080"),
        ("LOG_LEVEL", "INFO"),
        ("READ_TIMEOUT", "2s"),
        ("IDLE_TIMEOUT", "30s"),
        ("SHUTDOWN_TIMEOUT", "5s"),
        ("DJANGO_SECRET_KEY", "dev-secret-key"),
        ("GUNICORN_WORKERS", "2"),
        ("GUNICORN_WORKER_CLASS", "gthread"),
        ("GUNICORN_THREADS", "4"),
        ("GUNICORN_TIMEOUT", "30"),
        ("GUNICORN_KEEPALIVE", "5"),
        ("GUNICORN_GRACEFUL_TIMEOUT", "5"),
    ])
    .unwrap();
    assert_eq!(loaded.config.idle_timeout, seconds(30));
    assert_eq!(loaded.config.workers, 2);
    assert_eq!(loaded.notes.typos, []);
    assert_eq!(
        loaded.notes.aliases,
        [
            "GUNICORN_KEEPALIVE: IDLE_TIMEOUT is set and wins",
            "GUNICORN_GRACEFUL_TIMEOUT: SHUTDOWN_TIMEOUT is set and wins",
            "GUNICORN_THREADS: a worker is one thread here",
            "GUNICORN_WORKER_CLASS: there is one kind of worker here",
        ]
    );
}

#[test]
fn zero_turns_off_what_can_be_off() {
    let config = with(&[("REQUEST_TIMEOUT", "0"), ("DRAIN_DELAY", "0s")]);
    assert_eq!(config.request_timeout, None);
    assert_eq!(config.drain_delay, Duration::ZERO);
    for name in [
        "READ_TIMEOUT",
        "IDLE_TIMEOUT",
        "SHUTDOWN_TIMEOUT",
        "MAX_BODY_BYTES",
    ] {
        let errors = try_with(&[(name, "0")]).unwrap_err();
        assert_eq!(errors.problems()[0].variable(), name);
    }
}

#[test]
fn drain_delay_is_longer_in_kubernetes() {
    let kubernetes = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    assert_eq!(with(&[kubernetes]).drain_delay, seconds(5));
    assert_eq!(
        with(&[kubernetes, ("DRAIN_DELAY", "0")]).drain_delay,
        seconds(0)
    );
    assert_eq!(with(&[(kubernetes.0, "")]).drain_delay, seconds(0));
}

#[test]
fn logs_are_pretty_only_for_a_person_who_debugs() {
    #[track_caller]
    fn check(pairs: &[(&str, &str)], terminal: bool, expect: LogFormat) {
        let environment = Environment::from_pairs(pairs.iter().copied()).with_terminal(terminal);
        let config = load::<()>(&BUILD, &environment).unwrap().config;
        assert_eq!(config.log_format, expect);
    }
    let debug = ("DEBUG", "true");
    check(&[], true, LogFormat::Json);
    check(&[debug], false, LogFormat::Json);
    check(&[debug], true, LogFormat::Pretty);
    check(&[debug, ("LOG_FORMAT", "json")], true, LogFormat::Json);
    check(&[("LOG_FORMAT", "pretty")], false, LogFormat::Pretty);
}

#[test]
fn unset_secret_key_is_an_error_unless_debugging() {
    let error = with(&[]).secret_key().unwrap_err();
    assert!(error.to_string().contains("SECRET_KEY"), "{error}");
    let config = with(&[("DEBUG", "true")]);
    assert_eq!(config.secret_key().unwrap().expose(), DEVELOPMENT_KEY);
    assert_eq!(DEVELOPMENT_KEY.len(), 64);
    let config = with(&[("DEBUG", "true"), ("SECRET_KEY", "mine")]);
    assert_eq!(config.secret_key().unwrap().expose(), "mine");
}

#[test]
fn wrong_value_is_refused_with_its_variable() {
    #[track_caller]
    fn check(name: &str, value: &str) {
        let errors = try_with(&[(name, value)]).unwrap_err();
        let [problem] = errors.problems() else {
            panic!("one problem: {errors}");
        };
        assert_eq!((problem.variable(), problem.held()), (name, Some(value)));
    }
    check("HOST", "localhost");
    check("PORT", "0");
    check("PORT", "70000");
    check("LOG_LEVEL", "LOUD");
    check("LOG_FORMAT", "xml");
    check("DEBUG", "maybe");
    check("READ_TIMEOUT", "soon");
    check("GUNICORN_TIMEOUT", "-1");
    check("WORKERS", "0");
    check("WORKERS", "1025");
    check("TRUSTED_PROXIES", "all");
    check("FORWARDED_HEADER", "via");
    check("MAX_BODY_BYTES", "2MB");
    let longest = "x".repeat(128);
    with(&[("SERVICE_NAME", &longest)]);
    for name in ["SERVICE_NAME", "VERSION", "BUILD_TIME"] {
        for value in ["a\tb", &format!("{longest}x")] {
            let errors = try_with(&[(name, value)]).unwrap_err();
            assert_eq!(errors.problems()[0].variable(), name);
        }
    }
}

#[test]
fn port_is_checked_beside_a_unix_socket() {
    let config = with(&[("HOST", "unix:/run/me.sock")]);
    assert_eq!(config.listen, ListenAddr::Unix("/run/me.sock".into()));
    assert!(try_with(&[("HOST", "unix:/run/me.sock"), ("PORT", "x")]).is_err());
}
