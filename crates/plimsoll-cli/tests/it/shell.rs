//! What the command writes for shells and for `man`.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::support::{argument, plimsoll, skip, stderr, stdout};

/// Returns a path in the target folder for the files of a test.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

fn completions(shell: &str) -> String {
    let output = plimsoll(&["completions", shell]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn bash_completes_commands_and_options() {
    let script = completions("bash");
    let complete = |words: &[&str]| {
        let (last, current) = (words.len() - 1, words[words.len() - 1]);
        let before = words[last - 1];
        let call = format!(
            "{script}\nCOMP_WORDS=({}); COMP_CWORD={last}\n\
             _plimsoll plimsoll '{current}' '{before}'\necho \"${{COMPREPLY[@]}}\"",
            words.join(" ")
        );
        let output = Command::new("bash").args(["-c", &call]).output();
        let output = output.expect("bash is installed");
        assert_eq!(stderr(&output), "");
        stdout(&output)
    };
    assert_eq!(complete(&["plimsoll", "ver"]), "verify\n");
    assert_eq!(complete(&["plimsoll", "verify", "--lev"]), "--level\n");
    assert_eq!(complete(&["plimsoll", "verify", "--level", "f"]), "full\n");
    assert_eq!(complete(&["plimsoll", "new", "--with", "po"]), "postgres\n");
}

/// Of these shells, only bash must be installed.
#[test]
fn scripts_are_accepted_by_their_shells() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let path = scratch(shell);
        fs::write(&path, completions(shell)).expect("the target folder is writable");
        let output = Command::new(shell).args([check, argument(&path)]).output();
        let is_accepted = output
            .as_ref()
            .map(|it| it.status.success() && it.stderr.is_empty());
        assert!(
            is_accepted.unwrap_or(shell != "bash"),
            "{shell}: {output:?}"
        );
        fs::remove_file(path).expect("the file was created here");
    }
}

#[test]
fn manual_has_a_page_for_each_command() {
    let folder = scratch("manual").join("man1");
    let output = plimsoll(&["manual", argument(&folder)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let entries = fs::read_dir(&folder).expect("the folder was created");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the folder is readable").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    let commands = [
        "completions",
        "console",
        "lint",
        "manual",
        "new",
        "top",
        "verify",
    ];
    let commands = commands.map(|command| format!("plimsoll-{command}.1"));
    assert_eq!(names, [&commands[..], &["plimsoll.1".to_owned()]].concat());
    for name in names {
        let page = folder.join(&name);
        let mut man = Command::new("man");
        man.args(["--warnings", "--local-file", argument(&page)]);
        man.envs([("MANWIDTH", "80"), ("LC_ALL", "C")]);
        let Ok(output) = man.stdin(Stdio::null()).output() else {
            return skip("man is missing");
        };
        assert_eq!(stderr(&output), "", "{name}");
        let text = stdout(&output);
        for line in ["NAME", "SYNOPSIS", "OPTIONS"] {
            assert!(text.lines().any(|other| other == line), "{name}: {text}");
        }
        let example = match name.as_str() {
            "plimsoll.1" => "       64  usage error",
            "plimsoll-verify.1" => "       plimsoll verify -- target/debug/shop\n",
            _ => "       plimsoll ",
        };
        assert!(text.contains(example), "{name}: {text}");
    }
    fs::remove_dir_all(scratch("manual")).expect("the folder was created here");
}

#[test]
fn manual_reports_a_folder_that_cannot_be_written() {
    let file = scratch("taken");
    fs::write(&file, "").expect("the target folder is writable");
    let output = plimsoll(&["manual", argument(&file)]);
    assert_eq!(output.status.code(), Some(70));
    let message = format!(
        "plimsoll: cannot write the manual pages to {}: ",
        argument(&file)
    );
    assert!(stderr(&output).starts_with(&message), "{}", stderr(&output));
    fs::remove_file(file).expect("the file was created here");
}
