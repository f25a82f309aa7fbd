//! CFG: configuration.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{run, scratch_file, start};

/// Returns the names of the settings that `--check-config` prints.
#[track_caller]
fn settings() -> BTreeSet<String> {
    let ended = run(&["--check-config"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let names = ended.stdout.lines().filter_map(|line| line.split_once('='));
    names.map(|(name, _)| name.trim().to_owned()).collect()
}

/// Reads a file of this repository.
#[track_caller]
fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// CFG-1, CFG-6, CFG-7
#[test]
fn django_profile_starts_the_service() {
    let path = scratch_file(
        "django.env",
        "DEBUG=false\nHOST=0.0.0.0\nPORT=8080\n\nLOG_LEVEL=INFO\n\nREAD_TIMEOUT=2s\nIDLE_TIMEOUT=30s\n\
         SHUTDOWN_TIMEOUT=5s\n\nDJANGO_SECRET_KEY=dev-secret-key\n\n# TRUSTED_PROXIES=10.0.0.0/8\n\n# Gunicorn\n\
         GUNICORN_WORKERS=2\nGUNICORN_WORKER_CLASS=gthread\nGUNICORN_THREADS=4\nGUNICORN_TIMEOUT=30\n\
         GUNICORN_KEEPALIVE=5\nGUNICORN_GRACEFUL_TIMEOUT=5\n",
    );
    let service = start(&[("ENV_FILE", &path)]);
    assert_eq!(service.get("/ready").text(), "ok\n");
    let aliases = service.wait_for_record(|record| record["message"] == "settings_aliases");
    for name in [
        "GUNICORN_THREADS",
        "GUNICORN_WORKER_CLASS",
        "GUNICORN_KEEPALIVE",
    ] {
        assert!(aliases.to_string().contains(name), "{aliases}");
    }
}

/// CFG-1, CFG-6
#[test]
fn profiles_of_the_service_are_valid() {
    for profile in [".env.dev", ".env.int", ".env.prod"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(profile);
        let path = path.to_str().unwrap();
        let ended = run(&["--check-config", "--env-file", path], &[]);
        assert_eq!(ended.code, Some(0), "{profile}: {}", ended.stderr);
    }
}

/// CFG-3
#[test]
fn config_errors_exit_with_status_78() {
    let ended = run(&[], &[("PORT", "0"), ("LOG_LEVEL", "LOUD")]);
    assert_eq!(ended.code, Some(78));
    for name in ["PORT", "LOG_LEVEL"] {
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
    }
    let records = ended.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["message"], "config_invalid");
}

/// CFG-6, CFG-8
#[test]
fn help_contains_every_setting_of_check_config() {
    let help = run(&["--help"], &[]);
    assert_eq!(help.code, Some(0));
    for name in settings() {
        assert!(help.stdout.contains(&name), "{name} is not in the help");
    }
}

/// CFG-8
#[test]
fn documented_settings_match_the_service() {
    // The first cell of each row contains `NAME`, followed by its aliases.
    let documented: BTreeSet<String> = file("docs/settings.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    let mut settings = settings();
    // It names the profile, so a profile cannot contain it, and the report may omit it.
    settings.insert("ENV_FILE".to_owned());
    assert!(documented.contains("ENV_FILE"));
    let missing: Vec<_> = settings.difference(&documented).collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");
    let unknown: Vec<_> = documented
        .difference(&settings)
        .filter(|name| !name.starts_with("GUNICORN_"))
        .collect();
    assert!(
        unknown.is_empty(),
        "documented, but unknown to the service: {unknown:?}"
    );
}

/// CFG-8
#[test]
fn sample_profile_contains_every_setting_with_its_default() {
    let sample = file("services/rust-axum-app/.env.sample");
    for name in settings().iter().filter(|name| *name != "ENV_FILE") {
        let assignment = format!("{name}=");
        let is_present = sample
            .lines()
            .any(|line| line.trim_start_matches(['#', ' ']).starts_with(&assignment));
        assert!(is_present, "{name} is not in the sample");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.sample");
    let unset = [("HOST", ""), ("PORT", "")];
    let with = run(
        &["--check-config", "--env-file", path.to_str().unwrap()],
        &unset,
    );
    let without = run(&["--check-config"], &unset);
    assert_eq!(with.code, Some(0), "{}", with.stderr);
    assert_eq!(values(&with.stdout), values(&without.stdout));
}

/// Returns the lines of a report without the origins.
fn values(report: &str) -> Vec<String> {
    report
        .lines()
        .filter(|line| !line.starts_with("ENV_FILE"))
        .filter_map(|line| {
            line.rsplit_once("# ")
                .map(|(setting, _)| setting.trim().to_owned())
        })
        .collect()
}
