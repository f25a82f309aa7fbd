//! Tests of [`Config`] as a whole, and helpers for the tests of each group.

use super::*;
use crate::config::{ConfigErrors, Environment, Level, Loaded, load};

pub(super) const BUILD: BuildInfo = BuildInfo::new("demo", "1.2.3", "today");

/// Loads the configuration from these variables.
pub(super) fn try_with(pairs: &[(&str, &str)]) -> Result<Loaded<()>, ConfigErrors> {
    load::<()>(&BUILD, &Environment::from_pairs(pairs.iter().copied()))
}

/// Loads a valid configuration.
#[track_caller]
pub(super) fn with(pairs: &[(&str, &str)]) -> Config {
    match try_with(pairs) {
        Ok(loaded) => loaded.config,
        Err(errors) => panic!("{errors}"),
    }
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// CFG-1
#[test]
fn defaults_are_the_documented_ones() {
    let config = with(&[]);
    assert_eq!(config.build, BUILD);
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.admin_addr, None);
    assert!(config.admin_token.is_none());
    assert_eq!(config.infra_endpoints, InfraEndpoints::Main);
    assert_eq!(config.tls, None);
    assert!(!config.http2_cleartext);
    assert_eq!(config.log_level, LogLevels::all(Level::Info));
    assert!(!config.debug_on_error);
    assert_eq!(config.log_format, LogFormat::Json);
    assert!(config.redact_query.is_empty());
    assert!(!config.debug);
    assert_eq!(config.read_timeout, seconds(5));
    assert_eq!(config.idle_timeout, seconds(120));
    assert_eq!(config.write_timeout, seconds(30));
    assert_eq!(config.request_timeout, Some(seconds(30)));
    assert_eq!(config.shutdown_timeout, seconds(5));
    assert_eq!(config.drain_delay, seconds(0));
    assert_eq!(config.max_connection_age, None);
    assert!((1..=1024).contains(&config.workers));
    assert!(config.trusted_proxies.is_empty());
    assert!(!config.proxy_protocol);
    assert_eq!(config.forwarded_header, ForwardedHeader::XForwardedFor);
    // The limit of open files of the test run decides which.
    assert!((1..=10_000).contains(&config.max_connections));
    assert_eq!(config.max_in_flight, 1024);
    assert_eq!(config.max_body_bytes.bytes(), 2_097_152);
}

/// CFG-3
#[test]
fn bad_env_file_hides_no_other_error() {
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

/// CFG-1
#[test]
fn every_setting_is_read_from_its_variable() {
    let config = with(&[
        ("SERVICE_NAME", "other"),
        ("VERSION", "2.0.0"),
        ("BUILD_TIME", "then"),
        ("HOST", "::1"),
        ("PORT", "9090"),
        ("ADMIN_ADDR", "127.0.0.1:9091"),
        ("INFRA_ENDPOINTS", "admin"),
        ("HTTP2_CLEARTEXT", "true"),
        ("LOG_LEVEL", "error,sqlx=debug"),
        ("DEBUG_ON_ERROR", "true"),
        ("LOG_FORMAT", "pretty"),
        ("REDACT_QUERY", "code,state"),
        ("DEBUG", "yes"),
        ("READ_TIMEOUT", "1s"),
        ("IDLE_TIMEOUT", "2s"),
        ("REQUEST_TIMEOUT", "3s"),
        ("SHUTDOWN_TIMEOUT", "4s"),
        ("WRITE_TIMEOUT", "5s"),
        ("DRAIN_DELAY", "6s"),
        ("WORKERS", "7"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,unix"),
        ("FORWARDED_HEADER", "forwarded"),
        ("PROXY_PROTOCOL", "on"),
        ("MAX_CONNECTIONS", "8"),
        ("MAX_IN_FLIGHT", "9"),
        ("MAX_BODY_BYTES", "1KiB"),
        ("SECRET_KEY", "key"),
    ]);
    assert_eq!(config.build, BuildInfo::new("other", "2.0.0", "then"));
    assert_eq!(config.listen.to_string(), "[::1]:9090");
    let admin = config.admin_addr.as_ref().unwrap();
    assert_eq!(admin.to_string(), "127.0.0.1:9091");
    assert_eq!(config.infra_endpoints, InfraEndpoints::Admin);
    assert!(config.http2_cleartext);
    assert_eq!(config.log_level.to_string(), "ERROR,sqlx=DEBUG");
    assert!(config.debug_on_error);
    assert_eq!(config.log_format, LogFormat::Pretty);
    assert_eq!(config.redact_query, ["code", "state"]);
    assert!(config.debug);
    assert_eq!(config.read_timeout, seconds(1));
    assert_eq!(config.idle_timeout, seconds(2));
    assert_eq!(config.request_timeout, Some(seconds(3)));
    assert_eq!(config.shutdown_timeout, seconds(4));
    assert_eq!(config.write_timeout, seconds(5));
    assert_eq!(config.drain_delay, seconds(6));
    assert_eq!(config.workers, 7);
    assert!(config.trusted_proxies.unix());
    assert_eq!(config.forwarded_header, ForwardedHeader::Forwarded);
    assert!(config.proxy_protocol);
    assert_eq!(config.max_connections, 8);
    assert_eq!(config.max_in_flight, 9);
    assert_eq!(config.max_body_bytes.bytes(), 1024);
    assert_eq!(config.secret_key().unwrap().expose(), "key");
}

#[test]
fn aliases_of_the_django_service_are_accepted() {
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
fn django_profile_is_accepted_unchanged() {
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
fn invalid_value_is_rejected_with_its_variable() {
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
