//! The verdicts on services that are not saboteurs.
//!
//! Each folder of `tests/subjects` has the expected verdicts on a service that others could have written.
//! The sources of services in other languages are there, too.
//! With `PLIMSOLL_FULL=1` they are checked if their programs are installed.

mod expected;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
};

use plimsoll_contract::Level;

use self::expected::Expected;
use crate::support::{argument, is_full, skip, verify};

/// Returns the folder of a subject.
fn folder(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/subjects");
    tests.join(name)
}

/// Returns a path in the target folder for what `tests/subjects/install` and these tests build.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let target = test.ancestors().nth(3);
    let target = target.expect("a test is in TARGET/PROFILE/deps");
    target.join("subjects").join(name)
}

/// Checks a subject at both levels, and compares every verdict.
#[track_caller]
fn compare(name: &str, options: &[&str], command: &[&str]) {
    let expected = Expected::read(&folder(name));
    let faults = |level| {
        let name = match level {
            Level::Core => "core",
            Level::Full => "full",
        };
        let options: Vec<&str> = ["--level", name].iter().chain(options).copied().collect();
        let faults = expected.faults(level, &verify(&options, command));
        faults
            .into_iter()
            .map(|fault| format!("{name}: {fault}"))
            .collect::<Vec<_>>()
    };
    let faults = thread::scope(|scope| {
        let core = scope.spawn(|| faults(Level::Core));
        let full = faults(Level::Full);
        [core.join().expect("a fault is returned"), full].concat()
    });
    assert!(faults.is_empty(), "{name}\n{}", faults.join("\n"));
}

#[test]
fn reference_service_keeps_the_whole_contract() {
    let service = harness::reference_service();
    let options = ["--level", "full", "--fail-on", "note", "--require-proof"];
    let report = verify(&options, &[argument(&service)]);
    let others = report.details("violated") + &report.details("not_proven");
    assert_eq!(report.status, Some(0), "{others}");
}

#[test]
fn plain_axum_has_its_expected_verdicts() {
    compare("plain", &[], &[argument(&harness::example("plain"))]);
}

#[test]
fn fixture_has_its_expected_verdicts() {
    compare("fixture", &[], &[argument(&harness::example("fixture"))]);
}

#[test]
fn nginx_has_its_expected_verdicts() {
    // Debian installs it outside of the PATH of most users.
    let mut version = Command::new("/usr/sbin/nginx");
    if version.arg("-v").output().is_err() {
        return skip("/usr/sbin/nginx is missing");
    }
    // The script creates a folder for each start.
    let folders = built(&format!("nginx-{}", process::id()));
    fs::create_dir_all(&folders).unwrap();
    let temporary = format!("TMPDIR={}", argument(&folders));
    let script = folder("nginx").join("run");
    compare(
        "nginx",
        &["--env", &temporary],
        &[argument(&script), "{port}"],
    );
    fs::remove_dir_all(folders).unwrap();
}

#[test]
fn django_has_its_expected_verdicts() {
    if !is_full() {
        return;
    }
    let python = built("django/bin/python");
    if !python.exists() {
        return skip("the packages are missing: run crates/plimsoll-cli/tests/subjects/install");
    }
    let entrypoint = folder("django").join("entrypoint.py");
    // The folder has the sources alone.
    let options = ["--env", "PYTHONDONTWRITEBYTECODE=1"];
    compare(
        "django",
        &options,
        &[argument(&python), argument(&entrypoint)],
    );
}
