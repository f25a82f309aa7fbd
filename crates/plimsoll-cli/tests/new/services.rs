//! Generated services, built with the lock file and the target folder of this workspace.
//!
//! Those that compile for minutes run with `PLIMSOLL_FULL=1` only.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use crate::{PLIMSOLL, folder::Folder, new, postgres_server::Server, support::is_full};

/// Creates a service with the target folder of this workspace, and returns its folder.
fn service(folder: &Folder, options: &str) -> PathBuf {
    let mut arguments = vec!["shop"];
    if !options.is_empty() {
        arguments.extend(["--with", options]);
    }
    let output = new(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{options}: {output:?}");
    let path = folder.path().join("shop");
    let lock_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    fs::copy(lock_file, path.join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    symlink(target, path.join("target")).unwrap();
    path
}

#[track_caller]
fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.env_remove("CARGO_TARGET_DIR");
    // With the profile of this workspace, whose builds of the dependencies are used again.
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let (stdout, stderr) = [&output.stdout, &output.stderr]
        .map(|it| String::from_utf8_lossy(it))
        .into();
    assert!(
        output.status.success(),
        "{program} {arguments:?}\n{stdout}\n{stderr}"
    );
}

/// Checks the service against the contract, with a Postgres and without a Redis.
#[track_caller]
fn verify(folder: &Path, options: &str) {
    let mut variables = vec!["REDIS_URL=redis://127.0.0.1:1".to_owned()];
    let mut server = None;
    if options.contains("postgres") {
        let Some(mut postgres) = Server::prepared() else {
            return;
        };
        postgres.start();
        let socket = postgres.socket();
        let folder = socket.parent().unwrap().display();
        variables.push(format!(
            "DATABASE_URL=postgres://test@localhost/postgres?host={folder}"
        ));
        server = Some(postgres);
    }
    let mut arguments = vec!["verify", "--level", "full", "--fail-on", "note"];
    arguments.extend(variables.iter().flat_map(|it| ["--env", it]));
    run(folder, PLIMSOLL, &arguments);
    drop(server);
}

/// Prints that a test is skipped, whether in CI or not.
#[expect(
    clippy::print_stderr,
    reason = "a skipped test must not look like a passed one"
)]
fn left_out() {
    eprintln!("SKIPPED: it compiles for minutes; PLIMSOLL_FULL=1 runs it");
}

#[test]
fn services_without_and_with_all_options_compile() {
    if !is_full() {
        return left_out();
    }
    for options in ["", "otlp,ws,postgres,redis"] {
        let folder = Folder::new();
        let path = service(&folder, options);
        run(&path, "cargo", &["fmt", "--check"]);
        run(
            &path,
            "cargo",
            &["check", "--offline", "--all-targets", "--all-features"],
        );
    }
}

/// Runs every check of a service, with these options.
#[track_caller]
fn assert_passes_its_own_checks(options: &str) {
    /// Services have one name and one target folder.
    static TARGET: Mutex<()> = Mutex::new(());
    if !is_full() {
        return left_out();
    }
    let _target = TARGET.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Folder::new();
    let path = service(&folder, options);
    run(&path, "cargo", &["fmt", "--check"]);
    for features in [&[][..], &["--all-features"]] {
        let clippy = ["clippy", "--offline", "--all-targets"];
        let warnings = ["--", "-D", "warnings"];
        run(&path, "cargo", &[&clippy, features, &warnings].concat());
        run(&path, "cargo", &[&["test", "--offline"], features].concat());
    }
    let prometheus = ["check", "config", "deploy/prometheus/prometheus.yml"];
    run(&path, "promtool", &prometheus);
    let build = ["build", "--offline", "--features", "demo"];
    run(&path, "cargo", &build);
    let lint = ["lint", "--service", "target/debug/shop", "deploy"];
    run(&path, PLIMSOLL, &lint);
    verify(&path, options);
    for overlay in ["dev", "int", "prod"] {
        let overlay = format!("deploy/kubernetes/overlays/{overlay}");
        run(&path, "kubectl", &["kustomize", &overlay]);
    }
}

#[test]
fn service_without_options_passes_its_own_checks() {
    assert_passes_its_own_checks("");
}

#[test]
fn service_with_otlp_passes_its_own_checks() {
    assert_passes_its_own_checks("otlp");
}

#[test]
fn service_with_ws_passes_its_own_checks() {
    assert_passes_its_own_checks("ws");
}

#[test]
fn service_with_postgres_passes_its_own_checks() {
    assert_passes_its_own_checks("postgres");
}

#[test]
fn service_with_redis_passes_its_own_checks() {
    assert_passes_its_own_checks("redis");
}

#[test]
fn service_with_all_options_passes_its_own_checks() {
    assert_passes_its_own_checks("otlp,ws,postgres,redis");
}

/// Each choice of options must be formatted, which is cheap to check.
#[test]
fn every_choice_of_options_is_formatted() {
    for bits in 0..16 {
        let options = ["otlp", "ws", "postgres", "redis"].into_iter().enumerate();
        let options = options.filter(|(index, _)| bits >> index & 1 == 1);
        let options: Vec<&str> = options.map(|(_, option)| option).collect();
        let folder = Folder::new();
        let mut arguments = vec!["shop".to_owned(), "--no-git".to_owned()];
        arguments.extend(options.iter().map(|option| format!("--with={option}")));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(new(folder.path(), &arguments).status.code(), Some(0));
        run(&folder.path().join("shop"), "cargo", &["fmt", "--check"]);
    }
}
