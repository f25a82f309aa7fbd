//! Generated services, built with the lock file and the target folder of this workspace.
//!
//! They are ignored by default, since they compile for minutes. `CONTRIBUTING.md` has the commands.

use std::{fs, path::Path, process::Command};

use crate::{PLIMSOLL, folder::Folder, new};

/// Creates a service and returns its folder.
fn service(folder: &Folder, options: &str) -> std::path::PathBuf {
    let mut arguments = vec!["shop"];
    if !options.is_empty() {
        arguments.extend(["--with", options]);
    }
    let output = new(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{options}: {output:?}");
    let path = folder.path().join("shop");
    let lock_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    fs::copy(lock_file, path.join("Cargo.lock")).unwrap();
    path
}

#[track_caller]
fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target);
    // Without debug information the build is faster, and the files are smaller.
    let output = command
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .output()
        .unwrap();
    let (stdout, stderr) = [&output.stdout, &output.stderr]
        .map(|it| String::from_utf8_lossy(it))
        .into();
    assert!(
        output.status.success(),
        "{program} {arguments:?}\n{stdout}\n{stderr}"
    );
}

#[test]
#[ignore = "it compiles for about a minute; .ci/run runs it"]
fn services_without_and_with_all_options_compile() {
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

#[test]
#[ignore = "it compiles for minutes"]
fn services_pass_their_own_checks() {
    for options in [
        "",
        "otlp",
        "ws",
        "postgres",
        "redis",
        "otlp,ws,postgres,redis",
    ] {
        let folder = Folder::new();
        let path = service(&folder, options);
        run(&path, "cargo", &["fmt", "--check"]);
        for features in [&[][..], &["--all-features"]] {
            let clippy = ["clippy", "--offline", "--all-targets"];
            run(
                &path,
                "cargo",
                &[&clippy, features, &["--", "-D", "warnings"]].concat(),
            );
            run(&path, "cargo", &[&["test", "--offline"], features].concat());
        }
        run(
            &path,
            "promtool",
            &["check", "config", "deploy/prometheus/prometheus.yml"],
        );
        run(&path, PLIMSOLL, &["lint", "deploy"]);
        for overlay in ["dev", "int", "prod"] {
            let overlay = format!("deploy/kubernetes/overlays/{overlay}");
            run(&path, "kubectl", &["kustomize", &overlay]);
        }
    }
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
