//! The command `plimsoll new`, as a process.

#![expect(clippy::unwrap_used, reason = "a failure of a helper ends its test")]

#[path = "new/folder.rs"]
mod folder;
#[path = "../../plimsoll/tests/with_database/server.rs"]
#[expect(dead_code, reason = "shared with the tests of the chassis")]
mod postgres_server;
#[path = "new/services.rs"]
mod services;
#[path = "it/support.rs"]
#[expect(dead_code, reason = "shared with the tests in `it`")]
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use harness::Signal;

use self::{folder::Folder, support::skip};

const PLIMSOLL: &str = env!("CARGO_BIN_EXE_plimsoll");

/// Runs `plimsoll new` in a folder.
fn new(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PLIMSOLL);
    command.arg("new").args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

#[test]
fn service_is_created_from_this_checkout() {
    let folder = Folder::new();
    let output = new(folder.path(), &["shop", "--with", "otlp,ws"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("shop: "), "{stdout}");
    assert!(
        stdout.contains("where this command was built\n"),
        "{stdout}"
    );
    assert!(stdout.contains("\n  cd shop && cargo test\n"), "{stdout}");

    let shop = folder.path().join("shop");
    let manifest = fs::read_to_string(shop.join("Cargo.toml")).unwrap();
    let line = manifest
        .lines()
        .find(|line| line.starts_with("plimsoll = "));
    let path = line.unwrap().split('"').nth(1).unwrap();
    assert!(Path::new(path).is_relative(), "{path}");
    assert!(shop.join(path).join("Cargo.toml").exists(), "{path}");
    assert!(shop.join("services/shop/src/echo.rs").exists());
    assert!(!shop.join("services/shop/src/database.rs").exists());
    assert!(shop.join(".git").exists());
    assert_eq!(folder.names(), ["shop"]);
}

/// The fastest of some runs, since other processes delay the rest.
#[test]
fn service_is_created_within_200_ms() {
    let runs = (0..5).map(|_| {
        let folder = Folder::new();
        let (output, elapsed) = harness::timed(|| new(folder.path(), &["shop"]));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        elapsed
    });
    let fastest = runs.min().unwrap();
    assert!(fastest.as_millis() < 200, "{fastest:?}");
}

#[test]
fn repository_is_created_only_outside_of_one() {
    let folder = Folder::new();
    let status = Command::new("git")
        .args(["init", "--quiet"])
        .current_dir(folder.path())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(new(folder.path(), &["inner"]).status.code(), Some(0));
    assert!(!folder.path().join("inner/.git").exists());

    let other = Folder::new();
    assert_eq!(
        new(other.path(), &["shop", "--no-git"]).status.code(),
        Some(0)
    );
    assert!(!other.path().join("shop/.git").exists());
}

#[test]
fn wrong_arguments_exit_with_64() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("taken")).unwrap();
    fs::write(folder.path().join("taken/file"), "").unwrap();
    let cases: [(&[&str], &str); 7] = [
        (
            &["My_App"],
            "cannot name a crate, an image and a Service: try my-app",
        ),
        (&["test"], "try test-service"),
        (&["taken"], "exists, and is no empty folder"),
        (&[], "the name of the service is missing: plimsoll new NAME"),
        (
            &["shop", "--in", "absent"],
            "--in absent: is no existing folder",
        ),
        (
            &["shop", "--plimsoll", "absent"],
            "no checkout with crates/plimsoll",
        ),
        (
            &["shop", "--with", "mongo"],
            "possible values: otlp, ws, postgres, redis",
        ),
    ];
    for (arguments, expected) in cases {
        let output = new(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(folder.names(), ["taken"]);
}

/// A full disk and one that is read-only, in a mount namespace of the test.
#[test]
fn disk_without_room_keeps_nothing() {
    let folder = Folder::new();
    for (options, expected) in [
        ("size=200k", "No space left"),
        ("ro", "Read-only file system"),
    ] {
        let script = format!(
            "mount -t tmpfs -o {options} none . && cd \"$PWD\" && \
             {{ '{PLIMSOLL}' new shop --no-git; echo \"status $?\"; ls -A; }}"
        );
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
        let output = command.current_dir(folder.path()).output();
        let Some(output) = output.ok().filter(|it| !it.stdout.is_empty()) else {
            return skip("no namespace can be created");
        };
        assert_eq!(text(&output.stdout), "status 70\n", "{output:?}");
        assert!(text(&output.stderr).contains(expected), "{output:?}");
    }
}

/// Interrupts the command when it has written some of its files.
/// Returns whether the signal arrived between two files.
fn interrupt(files: usize, count: usize) -> bool {
    let folder = Folder::new();
    let mut command = Command::new(PLIMSOLL);
    command
        .args(["new", "shop", "--no-git"])
        .current_dir(folder.path());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let staging = format!(".shop.{}.new", child.id());
    let mut is_running = true;
    while is_running && folder.count(&staging) < files {
        is_running = child.try_wait().unwrap().is_none();
    }
    if is_running {
        Signal::Int.send(child.id());
    }
    let output = child.wait_with_output().unwrap();
    match folder.names().as_slice() {
        [] => assert!(output.stdout.is_empty(), "{output:?}"),
        [name] => assert_eq!((name.as_str(), folder.count("shop")), ("shop", count)),
        names => panic!("{names:?}"),
    }
    is_running && files > 0 && folder.names().is_empty()
}

#[test]
fn interrupted_command_writes_all_or_nothing() {
    let complete = Folder::new();
    new(complete.path(), &["shop", "--no-git"]);
    let count = complete.count("shop");
    // From the start of the process to the last of its files, each moment must leave one of two states.
    // On a busy machine, every process of a round can end before its signal.
    let is_proven = (0..20).any(|_| {
        let interrupted = (0..=count).step_by(5).filter(|it| interrupt(*it, count));
        interrupted.count() > 0
    });
    assert!(is_proven, "no signal arrived between two files");
}

/// All files are written when git is run, and the rename is the next step.
#[test]
fn signal_before_the_rename_leaves_nothing() {
    let (folder, programs) = (Folder::new(), Folder::new());
    // Written by a shell: a file that this process has open for writing cannot be run.
    let script = "printf '#!/bin/sh\nkill -INT $PPID\n' >git && chmod +x git";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(programs.path());
    assert!(shell.status().unwrap().success());
    let mut command = Command::new(PLIMSOLL);
    command.args(["new", "shop"]).current_dir(folder.path());
    let output = command.env("PATH", programs.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(70), "{output:?}");
    let stderr = text(&output.stderr);
    assert_eq!(stderr, "plimsoll: interrupted; nothing was written\n");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(folder.names(), [""; 0]);
}

/// `script` runs the command on a pseudo-terminal.
#[test]
fn name_is_asked_for_on_a_terminal() {
    let folder = Folder::new();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("'{PLIMSOLL}' new --no-git"), "/dev/null"]);
    command
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"shop\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        text(&output.stdout).contains("name of the service: "),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(folder.names(), ["shop"]);
}
