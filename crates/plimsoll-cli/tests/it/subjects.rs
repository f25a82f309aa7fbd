//! The verdicts on services that are not saboteurs.
//!
//! Each folder of `tests/subjects` has the expected verdicts on a service that others could have written.
//! The sources of services in other languages are there, too.
//! With `PLIMSOLL_FULL=1` they are checked if their programs are installed.

mod expected;

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use plimsoll_contract::Level;

use self::expected::Expected;
use crate::support::{Scratch, argument, is_full, share_machine, skip, verify};

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

/// Runs a compiler in the folder of a subject.
#[track_caller]
fn compile(name: &str, command: &mut Command) {
    let output = command.current_dir(folder(name)).output();
    let output = output.expect("the compiler is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} is not compiled: {text}");
}

/// Checks a subject at both levels, and compares every verdict.
#[track_caller]
fn compare(name: &str, options: &[&str], command: &[&str]) {
    let _machine = share_machine();
    let expected = Expected::read(&folder(name));
    let configuration = folder(name).join("plimsoll.toml");
    let faults = |level| {
        let name = match level {
            Level::Core => "core",
            Level::Full => "full",
        };
        let mut options: Vec<&str> = ["--level", name].iter().chain(options).copied().collect();
        if configuration.exists() {
            options.extend(["--config", argument(&configuration)]);
        }
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
    let _machine = share_machine();
    let service = harness::reference_service();
    let options = ["--level", "full", "--fail-on", "note"];
    let report = verify(&options, &[argument(&service)]);
    let others = report.details("violated") + &report.details("not_proven");
    assert_eq!(report.status, Some(0), "{others}");
    assert!(report.unknown().is_empty(), "{others}");
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
    let script = folder("nginx").join("run");
    let temporary = Scratch::new();
    let variable = format!("TMPDIR={}", argument(&temporary.path("")));
    let options = ["--env", &variable];
    compare("nginx", &options, &[argument(&script), "{port}"]);
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

#[test]
fn gin_has_its_expected_verdicts() {
    /// Debian installs the sources of Go packages here, without modules.
    const GOPATH: &str = "/usr/share/gocode";
    if !is_full() {
        return;
    }
    if !Path::new(GOPATH).join("src/github.com/gin-gonic").exists() {
        return skip("Gin is missing: run crates/plimsoll-cli/tests/subjects/install");
    }
    let program = built("gin");
    let mut go = Command::new("go");
    go.args(["build", "-o", argument(&program), "main.go"])
        .envs([("GO111MODULE", "off"), ("GOPATH", GOPATH)]);
    compile("gin", &mut go);
    compare("gin", &[], &[argument(&program)]);
}

#[test]
fn tomcat_has_its_expected_verdicts() {
    const JARS: [&str; 2] = [
        "/usr/share/java/tomcat10-embed-core.jar",
        "/usr/share/java/jakarta-annotation-api.jar",
    ];
    if !is_full() {
        return;
    }
    if !JARS.iter().all(|jar| Path::new(jar).exists()) {
        return skip("Tomcat is missing: run crates/plimsoll-cli/tests/subjects/install");
    }
    let classes = built("tomcat");
    let path = format!("{}:{}", argument(&classes), JARS.join(":"));
    let mut javac = Command::new("javac");
    let sources = ["-sourcepath", ".", "Service.java"];
    javac
        .args(["-d", argument(&classes), "-cp", &path])
        .args(sources);
    compile("tomcat", &mut javac);
    let folder = Scratch::new();
    let temporary = format!("-Djava.io.tmpdir={}", argument(&folder.path("")));
    let command = ["java", &temporary, "-cp", &path, "Service"];
    compare("tomcat", &[], &command);
}
